import Foundation
import TestSupport
import Testing

/// One SQLite in the process, and it is SQLCipher; one libcrypto; no other crypto library in between.
@Suite("Linkage")
struct LinkageTests {
  init() throws { try Tool.require("ldd", "nm", "readelf") }

  /// The project's executables, as Package.swift names them.
  static let executables: [String] = {
    let package = String(
      decoding: FileManager.default.contents(atPath: Tool.project + "/Package.swift") ?? Data(), as: UTF8.self)
    return package.matches(of: /\.executableTarget\(\s*name: "([^"]+)"/).map { String($0.output.1) }
  }()

  private func lines(_ program: String, _ arguments: String...) throws -> [String] {
    let result = try Subprocess.run(program, arguments)
    try #require(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map(String.init)
  }

  @Test func thereAreExecutables() { #expect(Self.executables.contains("albergue-crypt")) }

  @Test(arguments: executables) func loadsOneSQLCipherOneLibcryptoAndNoOtherSQLite(name: String) throws {
    let libraries = try lines("ldd", Tool.folder + "/" + name)
    #expect(libraries.count { $0.contains("libsqlcipher.so") } == 1)
    #expect(libraries.count { $0.contains("libcrypto.so") } == 1)
    #expect(!libraries.contains { $0.contains("libsqlite3") || $0.contains("not found") })
    // Debian's libcurl loads GnuTLS for RTMP, which is never spoken. For TLS it has to have OpenSSL, and nothing beside.
    let curl = libraries.first { $0.contains("libcurl.so") }?.firstMatch(of: /=> (\S+)/).map { String($0.output.1) }
    let judged = try curl.map { try lines("readelf", "-d", $0).filter { $0.contains("(NEEDED)") } } ?? libraries
    if curl != nil { #expect(judged.contains { $0.contains("[libssl.so.") }) }
    for other in ["libgnutls", "libnss3", "libmbedcrypto", "libwolfssl", "libgcrypt", "libsodium"] {
      #expect(!judged.contains { $0.contains(other) }, "\(other)")
    }
    let needed = try lines("readelf", "-d", Tool.folder + "/" + name).filter { $0.contains("(NEEDED)") }
    #expect(needed.contains { $0.contains("[libsqlcipher.so.") })
    #expect(needed.contains { $0.contains("[libcrypto.so.") })
    #expect(!needed.contains { $0.contains("sqlite3") })
  }

  @Test(arguments: executables) func takesSQLiteFromTheLibraryAlone(name: String) throws {
    let undefined = try lines("nm", "-D", "--undefined-only", Tool.folder + "/" + name)
    func imports(_ symbol: String) -> Bool {
      undefined.contains { $0.hasSuffix(" " + symbol) || $0.contains(" " + symbol + "@") }
    }
    #expect(imports("sqlite3_key_v2") && imports("sqlite3_open_v2"))
    // sqlite3_rekey says it succeeded when it failed: rule 6 of the design.
    for symbol in ["sqlite3_rekey", "sqlite3_rekey_v2", "sqlite3_key", "sqlite3_open", "sqlite3_enable_load_extension"]
    {
      #expect(!imports(symbol), "\(symbol)")
    }
    let all = try lines("nm", Tool.folder + "/" + name)
    #expect(!all.contains { $0.contains("BoringSSL") || $0.contains("CNIOBoringSSL") })
    let defined = all.filter { $0.contains(#/ [TtWwVvDdBb] sqlite3_/#) }
    #expect(defined.isEmpty, "\(defined.prefix(3))")
  }

  @Test func theLibraryThatIsLoadedHasACodecOfVersionFour() throws {
    let work = try Workspace()
    try work.runWithFirstKey("init", "a.db").expectSuccess()
    let result = try work.runWithFirstKey("query", "a.db", "PRAGMA cipher_version", "--format", "csv")
    #expect(result.output.contains(/^cipher_version\n4\.([6-9]|[1-9]\d)/))
    let provider = try work.runWithFirstKey("query", "a.db", "PRAGMA cipher_provider", "--format", "csv")
    #expect(provider.output == "cipher_provider\nopenssl\n")
  }
}
