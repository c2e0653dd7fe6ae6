import EncryptionKeys
import Foundation
import LibSQLClient
import LibSQLProtocol
import TestSupport
import Testing

/// The server as a process: how it ends, what it keeps, what it shows.
@Suite("Server", .serialized)
struct ServerTests {
  private func client(of server: ServerProcess, token: String = "none", key: String? = nil) throws -> HranaClient {
    HranaClient(
      Remote(
        try RemoteURL(server.url), tokens: try TokenSource(SecretBytes(copying: Array(token.utf8))),
        customerKey: try key.map { try CustomerKey(SecretBytes(copying: Array($0.utf8))) },
        transport: try Transport()))
  }

  private func run(_ client: HranaClient, _ sql: String, _ values: [Hrana.Value] = []) async throws -> [[Hrana.Value]] {
    try await client.execute(Hrana.Statement(.text(sql), arguments: values)).rows
  }

  @Test func aServerThatIsAskedToEndRollsBackAndLeavesOneFile() async throws {
    let server = try ServerProcess(["--transaction-secs", "600", "--stream-idle-secs", "600"])
    let client = try client(of: server)
    _ = try await run(client, "CREATE TABLE t (a)")
    let transaction = try await client.begin()
    _ = try await transaction.execute(Hrana.Statement(.text("INSERT INTO t VALUES (1)")))
    #expect(server.stop() == 0, "\(server.errors)")
    #expect(try server.directory.contents().keys.filter { $0.hasPrefix("primary") } == ["primary.store"])
    let query = try Subprocess.run(
      ServerProcess.folder + "/albergue-crypt", ["query", server.store, "SELECT count(*) FROM t", "--format", "csv"],
      environment: ServerProcess.environment)
    #expect(query.output.contains("\n0"), "\(query.output)\(query.errors)")
  }

  @Test func whatWasAcknowledgedIsThereAfterAKill() async throws {
    let directory = try TemporaryDirectory(named: "albergue-server")
    var acknowledged = 0
    for round in 1...5 {
      let server = try ServerProcess(in: directory)
      let client = try client(of: server)
      if round == 1 { _ = try await run(client, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)") }
      let stored = try await run(client, "SELECT count(*), coalesce(max(a), 0) FROM t").first ?? []
      #expect(stored == [.integer(Int64(acknowledged)), .integer(Int64(acknowledged))])
      for number in (acknowledged + 1)...(acknowledged + 20 * round) {
        _ = try await run(client, "INSERT INTO t VALUES (?, randomblob(500))", [.integer(Int64(number))])
        acknowledged = number
      }
      server.killAtOnce()
    }
    let verify = try Subprocess.run(
      ServerProcess.folder + "/albergue-crypt", ["verify", directory.file("primary.store")],
      environment: ServerProcess.environment)
    #expect(verify.status == 0, "\(verify.errors)")
  }

  @Test func metricsCountWhatWasDone() async throws {
    let server = try ServerProcess()
    let client = try client(of: server)
    func scrape() throws -> [String: Double] {
      let script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1] + '/metrics').read().decode())"
      let page = try Subprocess.run("/usr/bin/env", ["python3", "-c", script, server.url])
      let samples = page.output.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ") }
      return Dictionary(uniqueKeysWithValues: samples.map { (String($0[0]), Double($0[1]) ?? .nan) })
    }
    _ = try await run(client, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    _ = try await run(
      client,
      "INSERT INTO t SELECT value, randomblob(3000) FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 3000) SELECT value FROM n)"
    )
    let before = try scrape()
    _ = try await run(client, "SELECT sum(length(b)) FROM t")
    await #expect(throws: RemoteError.self) { try await self.run(client, "SELECT nothing") }
    let after = try scrape()
    func growth(_ name: String) -> Double {
      (after["albergue_primary_" + name] ?? .nan) - (before["albergue_primary_" + name] ?? .nan)
    }
    #expect(growth(#"requests_total{route="/v3/pipeline",status="200"}"#) == 2)
    #expect(after[#"albergue_primary_statement_errors_total{code="SQL_INPUT_ERROR"}"#] == 1, "\(after.keys.sorted())")
    #expect(growth("cache_hits") + growth("cache_misses") >= 3000)
    #expect(growth("position") == 0)
    #expect((after["albergue_primary_position"] ?? 0) > 3000)
    #expect(server.stop() == 0)
  }

  @Test func nothingOfTheDataReachesTheDiskOrTheLog() async throws {
    let server = try ServerProcess(environment: ["ALBERGUE_LOG": "trace"])
    let client = try client(of: server, token: "TOKEN-\(Canary.text)")
    _ = try await run(client, "CREATE TABLE t (a)")
    for _ in 1...50 { _ = try await run(client, "INSERT INTO t VALUES (?)", [.text(Canary.text)]) }
    _ = try? await run(client, "INSERT INTO missing VALUES ('\(Canary.text)')")
    // Sorting and VACUUM, which like to write temporary files.
    _ = try await run(client, "INSERT INTO t SELECT a.a || b.a FROM t a, t b ORDER BY 1 DESC")
    _ = try await run(client, "VACUUM")
    for (name, bytes) in try server.directory.contents() {
      #expect(bytes.range(of: Data(Canary.text.utf8)) == nil, "\(name)")
      #expect(bytes.range(of: Data("SQLite format 3".utf8)) == nil, "\(name)")
    }
    #expect(server.stop() == 0)
    #expect(!server.errors.contains(Canary.text))
    #expect(!server.errors.contains(TestKeys.firstHex))
    #expect(server.errors.contains("/v3/pipeline"))
  }

  @Test func aServerWithoutAKeyTakesItFromItsClients() async throws {
    let server = try ServerProcess(["--key-from-client"], withoutKey: true)
    let right = Data(repeating: 7, count: 32).base64EncodedString()
    let wrong = Data(repeating: 8, count: 32).base64EncodedString()
    func status(_ key: String?) async throws -> Int? {
      do { _ = try await run(try client(of: server, key: key), "SELECT 1") } catch let error as RemoteError {
        return error.status
      }
      return 200
    }
    #expect(try await status(nil) == 401)
    // The first key makes the store.
    _ = try await run(try client(of: server, key: right), "CREATE TABLE t (a)")
    #expect(try await status(wrong) == 401)
    #expect(try await status(nil) == 401)
    #expect(try await status(right) == 200)
    #expect(server.stop() == 0)
    let again = try ServerProcess(["--key-from-client"], in: server.directory, withoutKey: true)
    func statusAgain(_ key: String?) async throws -> Int? {
      do { _ = try await run(try client(of: again, key: key), "SELECT * FROM t") } catch let error as RemoteError {
        return error.status
      }
      return 200
    }
    for _ in 1...3 { #expect(try await statusAgain(wrong) == 401) }
    #expect(try await statusAgain(right) == 200)
    #expect(try await statusAgain(wrong) == 401)
    #expect(again.stop() == 0)
  }

  @Test(arguments: [
    (["--listen", "0.0.0.0:0"], 64, "insecure-listen"), (["--listen", "0.0.0.0:0", "--insecure-listen"], 64, "auth"),
    (["--listen", "nonsense"], 64, "HOST:PORT"), (["--max-connections", "0"], 64, "--max-connections"),
    (["--auth-jwt-key-file", "/nonexistent"], 66, "nonexistent"),
    (["--store", "/nonexistent/x.db"], 66, "nonexistent"),
  ])
  func aServerThatCannotStartSaysWhy(arguments: [String], status: Int, words: String) throws {
    let folder = try TemporaryDirectory()
    let result = try Subprocess.run(
      ServerProcess.folder + "/albergue-primary",
      ["serve", "--store", folder.file("s.db"), "--listen", "127.0.0.1:0"] + arguments,
      environment: ServerProcess.environment)
    #expect(result.status == Int32(status), "\(result.errors)")
    #expect(result.errors.contains(words), "\(result.errors)")
  }

  @Test func whatIsNoPrimaryIsNotServed() throws {
    let folder = try TemporaryDirectory()
    func serve(_ key: String = TestKeys.firstHex) throws -> Subprocess {
      try Subprocess.run(
        ServerProcess.folder + "/albergue-primary",
        ["serve", "--store", folder.file("s.db"), "--listen", "127.0.0.1:0"],
        environment: ["TURSO_ENCRYPTION_KEY": key])
    }
    let make = try Subprocess.run(
      ServerProcess.folder + "/albergue-crypt", ["init", folder.file("s.db"), "--replica"],
      environment: ServerProcess.environment)
    #expect(make.status == 0)
    #expect(try serve().status == 75 || serve().status == 77)
    #expect(try serve(TestKeys.secondHex).status == 77)
    try Bytes.write(Data("plain text".utf8), to: folder.file("s.db"))
    #expect(try serve().status == 65)
  }
}
