import Foundation
import TestSupport
import Testing

/// `turso-sync` with `DB_MODE=seaorm_sqlite` as a user runs it.
@Suite("turso-sync of a working copy", .serialized)
struct CommandLineTests {
  private static let token = "not-a-token-5be1"

  private func run(_ office: Office, _ arguments: String..., changing changes: [String: String] = [:]) throws
    -> Subprocess
  {
    let keyFile = office.folder.file("copy.key")
    try Bytes.write(Data(TestKeys.secondHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    defer { try? FileManager.default.removeItem(atPath: keyFile) }
    var environment = [
      "DB_MODE": "seaorm_sqlite", "TURSO_DATABASE_URL": office.server.url, "TURSO_REPLICA_PATH": office.path,
      "TURSO_AUTH_TOKEN": Self.token, "TURSO_ENCRYPTION_KEY_FILE": keyFile, "ALBERGUE_LOG": "trace",
    ]
    environment.merge(changes) { $1 }
    let result = try Subprocess.run(
      "timeout", ["-s", "KILL", "600", Executables.path("turso-sync")] + arguments, environment: environment)
    for text in [result.output, result.errors] {
      #expect(!text.contains(Self.token))
      #expect(!text.contains(TestKeys.secondHex))
      #expect(!text.contains(Canary.text))
    }
    return result
  }

  @Test func pullsPushesAndSaysWhatItDid() async throws {
    let office = try await Office([
      "CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO bed VALUES (1, '\(Canary.text)')",
    ])
    let first = try run(office, "pull", "--json")
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output.contains("\"hasChanged\":true") || first.output.contains("\"hasChanged\" : true"))
    try office.change("INSERT INTO bed VALUES (2, 'mine');")
    let refused = try run(office, "pull")
    #expect(refused.status == 1)
    #expect(refused.errors.contains("--drop-changes"))
    let pushed = try run(office, "push")
    #expect(pushed.status == 0, "\(pushed.errors)")
    #expect(pushed.errors.contains("1 rows inserted"))
    try office.change("UPDATE bed SET name = 'mine' WHERE id = 1;")
    try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 1"])
    let conflict = try run(office, "push")
    #expect(conflict.status == 1)
    #expect(conflict.output == "bed (1): changed-on-both-sides\n")
    #expect(try run(office, "push", "--theirs").status == 0)
    try await office.expectEqual()
    try office.change("UPDATE bed SET name = 'lost' WHERE id = 1;")
    #expect(try run(office, "pull", "--drop-changes").status == 0)
    try await office.expectEqual()
  }

  @Test func refusesWhatTheModeDoesNotAllow() async throws {
    let office = try await Office(["CREATE TABLE bed (id INTEGER PRIMARY KEY)"])
    #expect(try run(office, "sync").status == 64)
    #expect(try run(office, "sync", "--interval-secs", "5").status == 64)
    #expect(try run(office, "push", "--ours", "--theirs").status == 64)
    #expect(try run(office, "push").status == 66)
    #expect(try run(office, "push", changing: ["DB_MODE": "libsql_embedded_replica"]).status == 64)
    #expect(try run(office, "pull", "--replace").status == 64)
    #expect(try run(office, "pull", changing: ["DB_MODE": "other"]).status == 64)
    try office.expectNoPlaintext()
  }

  @Test func endsWith75WhileAProcessHasTheFileOpen() async throws {
    let office = try await Office(["CREATE TABLE bed (id INTEGER PRIMARY KEY)"])
    #expect(try run(office, "pull").status == 0)
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: office.path))
    #expect(try run(office, "pull").status == 75)
    #expect(try run(office, "push").status == 75)
    try handle.close()
    #expect(try run(office, "pull").status == 0)
  }

  @Test func endsWith77WithAnotherKey() async throws {
    let office = try await Office(["CREATE TABLE bed (id INTEGER PRIMARY KEY)"])
    #expect(try run(office, "pull").status == 0)
    let other = ["TURSO_ENCRYPTION_KEY_FILE": "", "TURSO_ENCRYPTION_KEY": TestKeys.thirdHex]
    #expect(try run(office, "pull", changing: other).status == 77)
    #expect(try run(office, "pull", changing: ["TURSO_ENCRYPTION_KEY_FILE": ""]).status == 77)
  }
}
