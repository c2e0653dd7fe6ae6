public import EncryptionKeys

/// Why a request to a remote failed: what, where, whether it may have had an effect, and what to do.
///
/// `description` never holds a token, a key, a value of a row or a text of the remote, so it is safe to log. What the remote
/// said is in ``remoteText``, for the user who made the request.
public struct RemoteError: ReportedError, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// What was being done, one or two words: `execute`, `pull`, `probe`.
  public let operation: String
  /// The address, without user, query and fragment; nil where no address is concerned.
  public let url: String?
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it, where something can be done.
  public let hint: String?
  /// The HTTP status, where one came.
  public let status: Int?
  /// The code of a SQL error (`SQLITE_CONSTRAINT`, `STREAM_EXPIRED`), where the remote sent one that is a code by its form.
  public let remoteCode: String?
  /// What the remote said; it may quote SQL and values.
  public let remoteText: RemoteText?
  /// Whether the remote may have acted on the request. False means that it certainly has not, and that the request can be
  /// sent again. True says nothing about whether it did.
  public let mayHaveRun: Bool
  /// How long the remote asks to wait (`Retry-After`); nil where it does not say.
  public let retryAfter: Duration?
  /// Which of the statements of a request has failed, from 0; nil where it is another one's, or no statement's, failure.
  package internal(set) var failedStatementIndex: Int?

  init(
    _ code: Code, _ operation: String, url: String? = nil, detail: String, hint: String? = nil, status: Int? = nil,
    remoteCode: String? = nil, remoteText: RemoteText? = nil, mayHaveRun: Bool = false, retryAfter: Duration? = nil
  ) {
    self.code = code
    self.operation = operation
    self.url = url
    self.detail = detail
    self.hint = hint
    self.status = status
    self.remoteCode = remoteCode.flatMap(Self.checkedCode)
    self.remoteText = remoteText
    self.mayHaveRun = mayHaveRun
    self.retryAfter = retryAfter
  }

  /// The same error, of a request that may have had its effect all the same.
  var withUnknownEffect: RemoteError {
    RemoteError(
      code, operation, url: url, detail: detail, hint: hint, status: status, remoteCode: remoteCode,
      remoteText: remoteText, mayHaveRun: true, retryAfter: retryAfter)
  }

  /// A code of the remote is logged, so that what does not look like one is no code.
  private static func checkedCode(_ text: String) -> String? {
    let isCode =
      (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
      }
    return isCode ? text : nil
  }

  /// `operation url: detail`, for logs and people.
  public var description: String {
    var text = operation
    if let url { text += " \(url)" }
    text += ": \(detail)"
    if let status { text += " (status \(status))" }
    if let remoteCode { text += " (\(remoteCode))" }
    return text
  }

  /// ``description``.
  public var report: String { description }

  /// That of the code.
  public var exitCode: Int32 { code.exitCode }
}

extension RemoteError {
  /// A kind of failure with its process exit code. A struct, so that kinds can be added.
  ///
  /// - Source: exit codes follow `sysexits.h`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Short name of the kind, as in `timed-out`.
    public let description: String
    /// Exit code of a program that ends with this error.
    public let exitCode: Int32
    /// Whether the same request can succeed later without anybody changing anything.
    public let isPassing: Bool

    init(_ description: String, _ exitCode: Int32, isPassing: Bool = false) {
      self.description = description
      self.exitCode = exitCode
      self.isPassing = isPassing
    }

    /// The address or a setting cannot be used (64).
    public static let configuration = Code("configuration", 64)
    /// The statement failed; ``RemoteError/remoteCode`` says how (64).
    public static let statement = Code("statement", 64)
    /// There is no such database, or no such service at the address (66).
    public static let notFound = Code("not-found", 66)
    /// No connection: name, network, proxy, TLS handshake (69). Nothing was sent.
    public static let unreachable = Code("unreachable", 69, isPassing: true)
    /// The certificate or the key of the server is not the expected one (69). Nothing was sent.
    public static let untrusted = Code("untrusted", 69)
    /// A time limit has passed (69).
    public static let timedOut = Code("timed-out", 69, isPassing: true)
    /// The connection broke, or the body ended before it was whole (69).
    public static let connectionLost = Code("connection-lost", 69, isPassing: true)
    /// The server cannot serve now: 408, 502, 503, 504 (69).
    public static let unavailable = Code("unavailable", 69, isPassing: true)
    /// The server failed: any other 5xx (69).
    public static let serverFailure = Code("server-failure", 69)
    /// Too many requests: 429 (75).
    public static let rateLimited = Code("rate-limited", 75, isPassing: true)
    /// The stream, and with it the open transaction, is gone (75).
    public static let streamExpired = Code("stream-expired", 75)
    /// The transaction is not open any more (75).
    public static let transactionClosed = Code("transaction-closed", 75)
    /// The server answered with what the protocol does not allow (76).
    public static let malformedResponse = Code("malformed-response", 76)
    /// The answer is larger than the limits allow (76).
    public static let limitExceeded = Code("limit-exceeded", 76)
    /// The server refused the request: any other 4xx (76).
    public static let refused = Code("refused", 76)
    /// The server wants the request to go to another origin, which does not happen (76).
    public static let foreignOrigin = Code("foreign-origin", 76)
    /// The server speaks none of the protocols that are understood here (76).
    public static let unsupportedProtocol = Code("unsupported-protocol", 76)
    /// The remote has another history than the replica, or has gone back in it: another database, a restored one (76).
    public static let otherHistory = Code("other-history", 76)
    /// The token is missing, wrong or expired: 401 (77).
    public static let unauthorized = Code("unauthorized", 77)
    /// The token does not allow this: 403 (77).
    public static let forbidden = Code("forbidden", 77)
    /// The token or the customer key cannot be loaded (77).
    public static let credentials = Code("credentials", 77)
    /// The task was cancelled (130).
    public static let cancelled = Code("cancelled", 130)
  }
}

/// A text of the remote: the message of a SQL error, the body of an HTTP error. It can quote SQL and values, so it is not
/// printed by `print`, `dump`, in an interpolation, nor inside of something else. What it repeats of our own token and
/// customer key is taken out.
public struct RemoteText: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Bytes of a text that are kept.
  static let byteCountMax = 4096
  /// The text itself, for the user who made the request.
  public let text: String

  init(_ text: String) { self.text = text }

  /// Says only how long it is.
  public var description: String { "<text of the remote, \(text.utf8.count) bytes>" }
  /// Says only how long it is.
  public var debugDescription: String { description }
  /// Without children: `dump` would show them.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
