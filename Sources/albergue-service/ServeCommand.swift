import ArgumentParser
import CommandSupport
import HostelService
import HostelStore
import ServerAccess

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve the hostel until SIGTERM or Ctrl-C. Needs no network to start: it reads what it has.",
    discussion: """
      Examples:
        albergue-service serve --keyring keys --file hostel.db --url libsql://hostel.example
        albergue-service serve --listen 127.0.0.1:9000 --auth-jwt-key-file public.pem
      """)

  @Option(help: "Address and port to listen on; port 0 is any free one.")
  var listen = "127.0.0.1:8081"

  @Option(help: "Public keys (Ed25519, PEM or base64url) that tokens must be signed with.", completion: .file())
  var authJwtKeyFile: String?

  @Flag(help: "Ask for no token on an address that others can reach.")
  var noAuth = false

  @Flag(help: "Speak plain HTTP on an address that others can reach.")
  var insecureListen = false

  @Option(help: "The ministry's code of the establishment. Wins over ALBERGUE_ESTABLISHMENT_CODE.")
  var establishmentCode: String?

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let address: ListenAddress
    do throws(ListenError) {
      address = try ListenAddress(parsing: listen)
      try address.check(
        verifiesTokens: authJwtKeyFile != nil, allowsPlainHTTP: insecureListen, allowsEverybody: noAuth)
    } catch { throw CommandError(.usage, error.message, hint: error.hint) }
    var authentication = Authenticator.Mode.open
    if let authJwtKeyFile {
      authentication = .tokens(TokenVerifier(keys: try VerificationKeys(readingFrom: authJwtKeyFile)))
    }
    let store = try await database.openStore()
    let server = HostelServer(
      HostelServer.Configuration(
        address: address, authentication: authentication,
        establishmentCode: establishmentCode ?? Environment.value("ALBERGUE_ESTABLISHMENT_CODE")),
      store: store, logger: try LogSettings.logger("service"))
    do {
      try await server.run { address in
        // The first line says where; whoever started the service with port 0 reads it.
        try? StandardOutput.line("listening on http://\(address)")
      }
    } catch {
      await store.database.close()
      throw error
    }
    await store.database.close()
  }
}
