import EncryptedStorage
import Foundation
import TestSupport
import Testing

/// `turso-sync` as a user runs it.
@Suite("turso-sync", .serialized)
struct CommandLineTests {
  let hostel: Hostel
  let proxy: FaultProxy

  init() throws {
    hostel = try Hostel()
    proxy = try FaultProxy(before: hostel.server.port)
  }

  private func run(_ arguments: String..., changing changes: [String: String] = [:]) throws -> Subprocess {
    var environment = [
      "TURSO_DATABASE_URL": proxy.url, "TURSO_REPLICA_PATH": hostel.path, "TURSO_AUTH_TOKEN": Hostel.token,
      "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"), "ALBERGUE_LOG": "trace",
    ]
    environment.merge(changes) { $1 }
    let result = try Subprocess.run(
      "timeout", ["-s", "KILL", "600", Executables.path("turso-sync")] + arguments, environment: environment)
    for text in [result.output, result.errors] {
      #expect(!text.contains(Hostel.token))
      #expect(!text.contains(TestKeys.secondHex))
    }
    try hostel.expectNoPlaintext()
    return result
  }

  private func object(_ result: Subprocess) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.errors)")
  }

  @Test func pullsAndSaysWhatItDid() async throws {
    try await hostel.sequence("CREATE TABLE t (a); INSERT INTO t VALUES ('\(Canary.text)')")
    let first = try run("pull", "--json")
    #expect(first.status == 0, "\(first.errors)")
    #expect(try object(first)["kind"] as? String == "bootstrapped")
    let second = try run("pull", "--json")
    #expect(try object(second)["kind"] as? String == "unchanged")
    let status = try object(run("status", "--json"))
    #expect(status["complete"] as? Bool == true)
    #expect(status["syncing"] as? Bool == false)
    #expect((status["lagSeconds"] as? Int).map { $0 >= 0 && $0 < 3600 } == true)
    let once = try run("--interval-secs", "0", changing: ["TURSO_SYNC_INTERVAL_SECS": "15"])
    #expect(once.status == 0, "\(once.errors)")
    #expect(once.errors.contains("unchanged: v2 position 1/"))
    try await hostel.expectEqual()
  }

  @Test(arguments: [
    (["TURSO_ENCRYPTION_KEY_FILE": ""], 77), (["TURSO_ENCRYPTION_CIPHER": "aes256cbc"], 64),
    (["TURSO_ENCRYPTION_CIPHER": "sqlcipher4-sha256"], 77), (["DB_MODE": "other"], 64),
    (["TURSO_DATABASE_URL": ""], 64), (["TURSO_DATABASE_URL": "http://example.org"], 64),
    (["TURSO_REPLICA_PATH": ""], 64),
    (["TURSO_SYNC_INTERVAL_SECS": "often"], 64), (["TURSO_READ_YOUR_WRITES": "perhaps"], 64),
    (["TURSO_AUTH_TOKEN_FILE": "also"], 77), (["TURSO_REMOTE_ENCRYPTION_KEY": "short"], 77),
  ])
  func refusesAWrongSettingBeforeAnythingIsSent(_ changes: [String: String], _ code: Int) async throws {
    #expect(try run("pull").status == 0)
    _ = try proxy.seen()
    for command in ["pull", "sync"] {
      let result = try run(command, changing: changes)
      #expect(result.status == Int32(code), "\(command) \(changes): \(result.errors)")
      #expect(result.errors.contains("turso-sync: error: "))
      #expect(result.output == "")
    }
    #expect(try proxy.seen() == [])
  }

  @Test func refusesAWrongKeyBeforeAnythingIsSent() throws {
    #expect(try run("pull").status == 0)
    _ = try proxy.seen()
    let wrong = ["TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("server.key")]
    for command in ["pull", "sync", "status"] { #expect(try run(command, changing: wrong).status == 77) }
    #expect(try proxy.seen() == [])
  }

  @Test func readsTheGeneralVariableWhenItIsOfARemote() throws {
    let general = ["TURSO_DATABASE_URL": "", "DATABASE_URL": proxy.url]
    #expect(try run("pull", changing: general).status == 0)
    let local = ["TURSO_DATABASE_URL": "", "DATABASE_URL": "sqlite://hostel.db"]
    #expect(try run("pull", changing: local).status == 64)
  }

  @Test func saysThatTheRemoteIsNotThereAndLeavesTheReplica() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    #expect(try run("pull").status == 0)
    try proxy.set(#"{"path": "/", "status": 401}"#)
    #expect(try run("pull").status == 77)
    try proxy.set(#"{"path": "/", "redirect": true}"#)
    #expect(try run("pull").status == 76)
    #expect(try proxy.foreignCount() == 0)
    try hostel.stop()
    try proxy.set()
    let result = try run("pull", changing: ["TURSO_DATABASE_URL": try hostel.server.url])
    // Another address first of all; the server that could say that it is the same database is gone.
    #expect(result.status == 69, "\(result.errors)")
    #expect(try await hostel.read { try $0.value("SELECT count(*) FROM t") } == 0)
  }

  /// No more than 400 kB may be written to one file: during the first pull, and during a later one.
  @Test func aFullDiskIsSaidAndLeavesTheReplica() async throws {
    func runWithLimit(_ byteCount: Int) throws -> Subprocess {
      try Subprocess.run(
        "timeout",
        ["-s", "KILL", "600", "prlimit", "--fsize=\(byteCount)", Executables.path("turso-sync"), "pull"],
        environment: [
          "TURSO_DATABASE_URL": proxy.url, "TURSO_REPLICA_PATH": hostel.path,
          "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"),
        ])
    }
    try await hostel.sequence("CREATE TABLE t (a)")
    try await hostel.run(Array(repeating: "INSERT INTO t VALUES (randomblob(4000))", count: 300))
    let first = try runWithLimit(400_000)
    #expect(first.status == 74, "\(first.errors)")
    #expect(try run("pull").status == 0)
    try await hostel.run(["UPDATE t SET a = randomblob(4000)"])
    let second = try runWithLimit(400_000)
    #expect(second.status == 74, "\(second.errors)")
    #expect(try await hostel.read { try $0.value("PRAGMA integrity_check") } == "ok")
    #expect(try run("pull").status == 0)
    try await hostel.expectEqual()
  }

  /// Scrapes until the metrics show what the lines have shown before.
  @Test func metricsSayWhereTheReplicaStandsAndWhyTheNewestSyncFailed() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    let running = try RunningSync(
      ["--interval-secs", "0.05", "--metrics-listen", "127.0.0.1:0"],
      environment: [
        "TURSO_DATABASE_URL": hostel.server.url, "TURSO_REPLICA_PATH": hostel.path,
        "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"),
      ], listensToErrors: true)
    var url: String?
    while url == nil {
      url = try #require(running.line()).firstMatch(of: /http:[^ ]*metrics/).map { String($0.output) }
    }
    let page = try #require(url)
    let address = try hostel.server.url
    func scrape(until condition: ([String: Double]) -> Bool) throws -> [String: Double] {
      let script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
      while true {
        _ = try #require(running.line())
        let text = try Subprocess.run("python3", ["-c", script, page]).output
        #expect(!text.contains(address) && !text.contains(hostel.path))
        var samples: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
          let words = line.split(separator: " ")
          samples[String(words[0])] = Double(words[1])
        }
        if condition(samples) { return samples }
      }
    }
    let first = try scrape { $0[#"turso_sync_syncs_total{kind="bootstrapped"}"#] == 1 }
    #expect(first["turso_sync_image_pages"] == 2)
    #expect((first["turso_sync_pages_total"] ?? 0) >= 2)
    #expect(first["turso_sync_failures_in_a_row"] == 0)
    #expect((first["turso_sync_lag_seconds"] ?? -1) >= 0)
    try await hostel.run(["INSERT INTO t VALUES (1)"])
    let second = try scrape { $0[#"turso_sync_syncs_total{kind="changed"}"#] == 1 }
    #expect(try #require(second["turso_sync_position"]) > first["turso_sync_position"] ?? .infinity)
    try hostel.stop()
    let third = try scrape { ($0["turso_sync_failures_in_a_row"] ?? 0) > 0 }
    #expect(third[#"turso_sync_last_failure{code="unreachable"}"#] == 1, "\(third.keys.sorted())")
    running.send(SIGTERM)
    #expect(running.finish() == 0)
  }

  @Test func metricsThatCannotBeServedAreAnError() throws {
    #expect(try run("--metrics-listen", "9187").status == 64)
    #expect(try run("--metrics-listen", "127.0.0.1:\(hostel.server.port)").status == 69)
  }

  @Test func statusOfNoReplica() throws { #expect(try run("status").status == 66) }

  /// Waits for lines of the program, and for nothing else.
  @Test(arguments: [SIGTERM, SIGINT])
  func synchronisesUntilItIsToldToEnd(_ signal: Int32) async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    let running = try RunningSync(
      ["--interval-secs", "0.05", "--json"],
      environment: [
        "TURSO_DATABASE_URL": hostel.server.url, "TURSO_REPLICA_PATH": hostel.path,
        "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"),
      ])
    var line = try #require(running.line())
    #expect(line.contains("bootstrapped"))
    let second = try run("pull", changing: ["TURSO_DATABASE_URL": hostel.server.url])
    #expect(second.status == 75, "\(second.errors)")
    #expect(try object(run("status", "--json"))["syncing"] as? Bool == true)
    try await hostel.run(["INSERT INTO t VALUES (1)"])
    while !line.contains(#""kind":"changed""#) { line = try #require(running.line()) }
    #expect(try await hostel.read { try $0.value("SELECT count(*) FROM t") } == 1)
    // The server ends and comes back; the program does not mind.
    try hostel.stop()
    while !line.contains("error") { line = try #require(running.line()) }
    try hostel.start()
    while !line.contains(#""kind""#) { line = try #require(running.line()) }
    running.send(signal)
    #expect(running.finish() == 0)
    try await hostel.expectEqual()
  }
}
