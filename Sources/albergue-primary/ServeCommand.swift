import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import Logging
import PageStore
import Primary
import ServerAccess

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a page store until SIGTERM or Ctrl-C; make the store if there is none.",
    discussion: """
      Examples:
        albergue-primary serve --keyring keys --store primary.db
        albergue-primary serve --keyring keys --store primary.db --auth-jwt-key-file public.pem --listen 127.0.0.1:9000
      """)

  @Option(help: "The file of the store.", completion: .file())
  var store: String

  @Option(help: "Address and port to listen on; port 0 is any free one.")
  var listen = "127.0.0.1:8080"

  @Option(help: "Public keys (Ed25519, PEM or base64url) that tokens must be signed with.", completion: .file())
  var authJwtKeyFile: String?

  @Flag(help: "Ask for no token on an address that others can reach.")
  var noAuth = false

  @Flag(help: "Speak plain HTTP on an address that others can reach.")
  var insecureListen = false

  @Flag(help: "Take the key of the store from the clients (x-turso-encryption-key), and keep none.")
  var keyFromClient = false

  @Flag(help: "Do not speak V2 (/info, /export, /sync): clients that speak both take V1.")
  var noV2 = false

  @OptionGroup(title: "Limits") var limits: LimitOptions
  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("primary")
    let address: ListenAddress
    do {
      address = try ListenAddress(parsing: listen)
      try address.check(
        verifiesTokens: authJwtKeyFile != nil, allowsPlainHTTP: insecureListen, allowsEverybody: noAuth)
    } catch { throw CommandError(.usage, error.message, hint: error.hint) }
    var configuration = PrimaryServer.Configuration(
      store: store, address: address, key: try key(logger), authentication: try authentication())
    configuration.limits = try limits.limits()
    configuration.servesSync = !noV2
    let name = store
    try await PrimaryServer(configuration, logger: logger).run { address in
      // The first line says where; whoever started the server with port 0 reads it.
      try? StandardOutput.line("listening on http://\(address), store \(name)")
    }
  }

  private func key(_ logger: Logger) throws -> PrimaryServer.Key {
    let profile = try cipher.profile()
    guard !keyFromClient else { return .ofClients(profile) }
    return .ofServer(
      try ConnectionFactory(
        keys: try keys.load(logger), profile: profile, configuration: .mountingPageStores, logger: logger))
  }

  private func authentication() throws -> Authenticator.Mode {
    guard let authJwtKeyFile else { return .open }
    return .tokens(TokenVerifier(keys: try VerificationKeys(readingFrom: authJwtKeyFile)))
  }
}

/// What the server grants its clients.
struct LimitOptions: ParsableArguments {
  @Option(help: "Seconds that a stream lives without a request.")
  var streamIdleSecs = 10.0

  @Option(help: "Seconds that a transaction may stay open.")
  var transactionSecs = 5.0

  @Option(help: "Seconds that one statement may run.")
  var statementSecs = 30.0

  @Option(help: "Seconds that a writer waits for another one.")
  var writerWaitSecs = 5.0

  @Option(help: "Seconds that a request may take to arrive.")
  var requestSecs = 60.0

  @Option(help: "Seconds that a connection lives without a request.")
  var connectionIdleSecs = 60.0

  @Option(help: "Connections to the database at a time.")
  var maxConnections = 16

  @Option(help: "Bytes of the largest request.")
  var maxRequestBytes = 32 << 20

  @Option(help: "Bytes of the largest answer that is not streamed.")
  var maxResponseBytes = 64 << 20

  @Option(help: "Rows of the largest answer that is not streamed.")
  var maxResponseRows = 1_000_000

  /// - Throws: `CommandError` with 64 for a limit that is none.
  func limits() throws -> PrimaryLimits {
    var limits = PrimaryLimits()
    limits.streamIdleTime = try Self.time(streamIdleSecs, "--stream-idle-secs")
    limits.transactionTime = try Self.time(transactionSecs, "--transaction-secs")
    limits.statementTime = try Self.time(statementSecs, "--statement-secs")
    limits.writerWaitingTime = try Self.time(writerWaitSecs, "--writer-wait-secs")
    limits.requestTime = try Self.time(requestSecs, "--request-secs")
    limits.connectionIdleTime = try Self.time(connectionIdleSecs, "--connection-idle-secs")
    limits.connectionWaitingTime = limits.writerWaitingTime
    limits.connectionCount = try Self.count(maxConnections, in: 1...1024, "--max-connections")
    limits.requestByteCount = try Self.count(maxRequestBytes, in: 1024...(1 << 30), "--max-request-bytes")
    limits.answerByteCount = try Self.count(maxResponseBytes, in: 1024...(1 << 30), "--max-response-bytes")
    limits.answerRowCount = try Self.count(maxResponseRows, in: 1...100_000_000, "--max-response-rows")
    return limits
  }

  private static func time(_ seconds: Double, _ option: String) throws -> Duration {
    guard (0.1...86_400).contains(seconds) else {
      throw CommandError(.usage, "\(option) must be between 0.1 and 86400 seconds")
    }
    return .seconds(seconds)
  }

  private static func count(_ value: Int, in range: ClosedRange<Int>, _ option: String) throws -> Int {
    guard range.contains(value) else {
      throw CommandError(.usage, "\(option) must be between \(range.lowerBound) and \(range.upperBound)")
    }
    return value
  }
}
