import Foundation
import TestSupport
import Testing
import WorkingCopy

/// `turso-sync` is killed at random moments of a push and of a pull; the next run finishes or undoes what it left.
@Suite("Killed runs of working copies", .serialized)
struct SlowKillTests {
  /// Kills `turso-sync` after so many milliseconds.
  private func kill(_ office: Office, _ command: String, after milliseconds: Int) throws -> Bool {
    let keyFile = office.serverFolder.file("copy.key")
    try Bytes.write(Data(TestKeys.secondHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    let result = try Subprocess.run(
      // In the foreground `timeout` waits for the end of what it has killed, and so of its locks.
      "timeout",
      ["--foreground", "-s", "KILL", "\(Double(milliseconds) / 1000)", Executables.path("turso-sync"), command],
      environment: [
        "DB_MODE": "seaorm_sqlite", "TURSO_DATABASE_URL": office.server.url, "TURSO_REPLICA_PATH": office.path,
        "TURSO_ENCRYPTION_KEY_FILE": keyFile,
      ])
    return result.status != 0
  }

  /// A table without a key shows every row that is sent twice.
  @Test func sendNothingTwiceAndLoseNothing() async throws {
    let office = try await Office([
      "CREATE TABLE note (text TEXT)", "CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT)",
    ])
    try await office.pull()
    var generator = SeededGenerator(seed: Self.seed)
    var expected: [String] = []
    var killedCount = 0
    for round in 1...Self.roundCount {
      try office.change(
        "INSERT INTO note VALUES ('note \(round)'); INSERT INTO bed VALUES (\(round), '\(Canary.text)');")
      try await office.run(["INSERT INTO note VALUES ('remote \(round)')"])
      expected += ["note \(round)", "remote \(round)"]
      if try kill(office, "push", after: Int.random(in: 20...450, using: &generator)) { killedCount += 1 }
      try office.expectNoPlaintext(afterKill: true)
      let outcome = try await office.push()
      #expect([.pushed, .alreadyPushed, .nothingToPush].contains(outcome.kind), "seed \(Self.seed), round \(round)")
      #expect(try await office.rows("SELECT text FROM note ORDER BY 1") == expected.sorted(), "round \(round)")
      _ = try kill(office, "pull", after: Int.random(in: 20...200, using: &generator))
      try await office.pull()
      try await office.expectEqual("seed \(Self.seed), round \(round)")
    }
    #expect(killedCount > 0)
  }

  private static let environment = ProcessInfo.processInfo.environment
  /// `ALBERGUE_KILL_ROUNDS` rounds, 12 without it.
  private static let roundCount = environment["ALBERGUE_KILL_ROUNDS"].flatMap { Int($0) } ?? 12
  private static let seed = environment["ALBERGUE_KILL_SEED"].flatMap { UInt64($0) } ?? 20_260_111
}
