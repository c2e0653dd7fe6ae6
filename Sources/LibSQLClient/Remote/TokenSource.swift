internal import Dispatch
public import EncryptionKeys
internal import Synchronization

/// Where the access token comes from, and the token that is in use.
///
/// A file and a command are read at the first request and again after a 401, once for all requests that were refused with
/// the same token. Tokens are kept in memory that is wiped; libcurl keeps copies of its own in its buffers.
public final class TokenSource: Sendable {
  /// Bytes of the longest token.
  public static let byteCountMax = 8192

  private let source: SecretSource?
  private let options: KeyLoadingOptions
  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "albergue.token")

  private struct State {
    var token: Token?
    /// Rises with every reading.
    var generation = 0
  }

  /// A token and which reading it is from.
  struct Token: Sendable {
    let secret: Secret
    let generation: Int
  }

  /// No token: for servers that ask for none.
  public static var none: TokenSource { TokenSource(token: nil, source: nil, options: KeyLoadingOptions()) }

  /// The token that `TURSO_AUTH_TOKEN`, `TURSO_AUTH_TOKEN_FILE` or `TURSO_AUTH_TOKEN_COMMAND` gives; none if none of them is
  /// set. The first is wiped and removed from the environment.
  ///
  /// - Throws: ``RemoteError`` `.credentials` for more than one of them, and for a variable that holds no token.
  public static func fromEnvironment(options: KeyLoadingOptions = KeyLoadingOptions()) throws(RemoteError)
    -> TokenSource
  {
    do throws(KeyError) {
      guard let source = try SecretSource.inEnvironment("TURSO_AUTH_TOKEN") else { return none }
      guard case .environment = source else { return TokenSource(token: nil, source: source, options: options) }
      // Read at once: the environment is not to be touched when other threads run.
      let token = try checked(try source.read(kind: "token", options: options), at: "\(source)")
      return TokenSource(token: token, source: nil, options: options)
    } catch {
      throw Self.failure(error)
    }
  }

  /// A token at hand.
  ///
  /// - Throws: ``RemoteError`` `.credentials` for what cannot be a token.
  public convenience init(_ token: consuming SecretBytes) throws(RemoteError) {
    do throws(KeyError) {
      self.init(token: try Self.checked(token, at: "token"), source: nil, options: KeyLoadingOptions())
    } catch {
      throw Self.failure(error)
    }
  }

  /// A token in a file, with one line break at most after it.
  public convenience init(file path: String, options: KeyLoadingOptions = KeyLoadingOptions()) {
    self.init(token: nil, source: .file(path), options: options)
  }

  /// A token that a program prints. The command line is split without a shell.
  public convenience init(command line: String, options: KeyLoadingOptions = KeyLoadingOptions()) {
    self.init(token: nil, source: .command(line), options: options)
  }

  private init(token: Secret?, source: SecretSource?, options: KeyLoadingOptions) {
    self.source = source
    self.options = options
    state = Mutex(State(token: token.map { Token(secret: $0, generation: 0) }))
  }

  /// The token, read if it has not been yet; nil where there is none.
  ///
  /// - Throws: ``RemoteError`` `.credentials`.
  func current() async throws(RemoteError) -> Token? {
    if let token = state.withLock(\.token) { return token }
    return try await read(after: -1)
  }

  /// The token in use, if it has been read: to be kept out of messages.
  var known: Secret? { state.withLock(\.token)?.secret }

  /// The token after one that was refused.
  ///
  /// - Returns: nil when there is no other: a literal token is what it is, and a file may still hold the same.
  /// - Throws: ``RemoteError`` `.credentials`.
  func renewed(after refused: Token) async throws(RemoteError) -> Token? {
    guard let token = try await read(after: refused.generation) else { return nil }
    return token.secret.isEqual(to: refused.secret) ? nil : token
  }

  /// Reads the source, unless somebody has since that generation.
  private func read(after generation: Int) async throws(RemoteError) -> Token? {
    guard let source else { return nil }
    let result: Result<Token, KeyError> = await withCheckedContinuation { continuation in
      // One at a time, off the cooperative pool: a file can be slow, and a command runs for seconds.
      queue.async { [self] in
        if let token = state.withLock(\.token), token.generation > generation {
          continuation.resume(returning: .success(token))
          return
        }
        continuation.resume(returning: load(source))
      }
    }
    do throws(KeyError) {
      return try result.get()
    } catch {
      throw Self.failure(error)
    }
  }

  private func load(_ source: SecretSource) -> Result<Token, KeyError> {
    do throws(KeyError) {
      let secret = try Self.checked(try source.read(kind: "token", options: options), at: "token \(source)")
      return .success(
        state.withLock { state in
          state.generation += 1
          let token = Token(secret: secret, generation: state.generation)
          state.token = token
          return token
        })
    } catch {
      return .failure(error)
    }
  }

  /// A header carries it, so it is one word of printable ASCII.
  private static func checked(_ bytes: consuming SecretBytes, at place: String) throws(KeyError) -> Secret {
    guard (1...byteCountMax).contains(bytes.count) else {
      throw KeyError(.unusable, "\(place): \(bytes.count) bytes, a token has 1 to \(byteCountMax)")
    }
    let isWord = unsafe bytes.withUnsafeBytes { text in unsafe text.allSatisfy { (0x21...0x7E).contains($0) } }
    guard isWord else {
      throw KeyError(
        .unusable, "\(place): holds spaces, line breaks or other characters that no token has",
        hint: "it is the token alone, without the word Bearer and without quotation marks")
    }
    return Secret(bytes)
  }

  static func failure(_ error: KeyError) -> RemoteError {
    RemoteError(.credentials, "read token", detail: error.message, hint: error.hint)
  }
}

/// The customer key of an encrypted database of Turso's cloud, as the header `x-turso-encryption-key` carries it: base64.
public final class CustomerKey: Sendable {
  /// Bytes of the longest key, in base64.
  public static let byteCountMax = 1024
  let secret: Secret

  /// The key that `TURSO_REMOTE_ENCRYPTION_KEY`, `_FILE` or `_COMMAND` gives; nil if none of them is set.
  ///
  /// - Throws: ``RemoteError`` `.credentials`.
  public static func fromEnvironment(options: KeyLoadingOptions = KeyLoadingOptions()) throws(RemoteError)
    -> CustomerKey?
  {
    let text: SecretBytes
    do throws(KeyError) {
      guard let source = try SecretSource.inEnvironment("TURSO_REMOTE_ENCRYPTION_KEY") else { return nil }
      text = try source.read(kind: "customer key", options: options)
    } catch {
      throw TokenSource.failure(error)
    }
    return try CustomerKey(text)
  }

  /// A key at hand: standard base64 of 16 to 64 bytes. Missing padding is added, since the server's rule is not known.
  ///
  /// - Throws: ``RemoteError`` `.credentials` for anything else: a key that is left out silently would be a request without
  ///   encryption.
  public init(_ base64: consuming SecretBytes) throws(RemoteError) {
    let count = base64.count
    let digitCount = unsafe base64.withUnsafeBytes { text in
      unsafe text.prefix {
        (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2B
          || $0 == 0x2F
      }.count
    }
    let isPadding = unsafe base64.withUnsafeBytes { text in unsafe text.dropFirst(digitCount).allSatisfy { $0 == 0x3D }
    }
    guard isPadding, count - digitCount <= 2, digitCount % 4 != 1, (22...86).contains(digitCount) else {
      throw RemoteError(
        .credentials, "read customer key", detail: "the customer key is not base64 of 16 to 64 bytes",
        hint: "set TURSO_REMOTE_ENCRYPTION_KEY to the key as it was made for the database")
    }
    let padded = unsafe SecretBytes(count: (digitCount + 3) / 4 * 4) { (bytes: UnsafeMutableRawBufferPointer) in
      unsafe base64.withUnsafeBytes { text in unsafe bytes.copyBytes(from: text.prefix(digitCount)) }
      for index in digitCount..<bytes.count { unsafe bytes[index] = 0x3D }
    }
    secret = Secret(padded)
  }
}
