/// How a gRPC call ended: in the trailers, or in the HTTP headers when there was nothing to send before.
///
/// The message is text of the other side. It may name what a statement holds, so it is for the user who ran the statement,
/// not for logs.
public struct GRPCStatus: Error, Sendable, Hashable {
  /// The number of a status. Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
  public struct Code: RawRepresentable, Sendable, Hashable {
    /// 0 to 16 have a meaning; others are treated as unknown.
    public let rawValue: UInt32
    /// A code of any number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Success.
    public static let ok = Code(rawValue: 0)
    /// The other side did not say.
    public static let unknown = Code(rawValue: 2)
    /// Something is wrong with the request.
    public static let invalidArgument = Code(rawValue: 3)
    /// What sqld answers when a statement cannot be described.
    public static let permissionDenied = Code(rawValue: 7)
    /// The state of log, session or namespace; the message is one of ``GRPCStatus/Reason``.
    public static let failedPrecondition = Code(rawValue: 9)
    /// No such method.
    public static let unimplemented = Code(rawValue: 12)
    /// A failure of the server.
    public static let `internal` = Code(rawValue: 13)
    /// Not now; try again.
    public static let unavailable = Code(rawValue: 14)
    /// No token, or one that is not valid.
    public static let unauthenticated = Code(rawValue: 16)
  }

  /// Messages of `failedPrecondition` that clients act upon. They have to match to the letter.
  ///
  /// Source: tursodatabase/libsql, libsql-replication/src/rpc.rs.
  public enum Reason: String, Sendable, CaseIterable {
    /// The session token is unknown: say Hello again.
    case noHello = "NO_HELLO"
    /// The log no longer begins at the offset: take a snapshot.
    case needSnapshot = "NEED_SNAPSHOT"
    /// There is no such database.
    case namespaceDoesNotExist = "NAMESPACE_DOESNT_EXIST"
  }

  /// Success, or why not.
  public let code: Code
  /// What the other side said, percent-decoded; empty where it said nothing.
  public let message: String

  /// Success.
  public static let ok = GRPCStatus(.ok)

  /// A status.
  public init(_ code: Code, message: String = "") {
    self.code = code
    self.message = message
  }

  /// A state that makes the client take another way.
  public init(_ reason: Reason) { self.init(.failedPrecondition, message: reason.rawValue) }

  /// Nil for any status that clients only report.
  public var reason: Reason? { code == .failedPrecondition ? Reason(rawValue: message) : nil }

  /// Reads the values of `grpc-status` and `grpc-message`, from HTTP headers or from trailers.
  ///
  /// - Returns: nil when there is no `grpc-status`.
  /// - Throws: ``WireFormatError`` `.malformed` for a status that is no number.
  public init?(status: String?, message: String?) throws(WireFormatError) {
    guard let status else { return nil }
    let digits = status.utf8
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(status) else {
      throw WireFormatError(.malformed, "grpc-status", "is no number")
    }
    self.init(Code(rawValue: number), message: Self.percentDecoded(message ?? ""))
  }

  /// The value of `grpc-status`.
  public var statusValue: String { String(code.rawValue) }

  /// The value of `grpc-message`, nil where there is none. Bytes outside the printable ASCII characters, and `%`, are
  /// percent-encoded. Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
  public var messageValue: String? {
    guard !message.isEmpty else { return nil }
    var text = ""
    for byte in message.utf8 {
      if (0x20...0x7E).contains(byte) && byte != 0x25 {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return text
  }

  /// What is not percent-encoded stays as it is, and bytes that are not UTF-8 are replaced: the specification forbids to
  /// lose a status over its message.
  private static func percentDecoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8
    while let byte = rest.popFirst() {
      if byte == 0x25, let value = hexPair(rest) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func hexPair(_ text: Substring.UTF8View) -> UInt8? {
    let pair = text.prefix(2)
    guard pair.count == 2, pair.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }) else { return nil }
    return UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
  }
}
