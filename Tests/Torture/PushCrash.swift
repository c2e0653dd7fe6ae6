import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import ReplicaSync
import TestSupport

/// `turso-sync` loses power while it pushes a working copy, or makes it anew from its remote. Afterwards the remote has the
/// changes whole or not at all, the working copy still has them, and the next push sends what is missing, once.
struct PushCrash {
  private let scene: Scene
  private let library: PowerCutLibrary
  private let record: RoundRecord

  private static let copy = "copy.db"
  private static let schema = """
    CREATE TABLE note (text TEXT);
    CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT);
    CREATE INDEX bed_name ON bed (name);
    INSERT INTO bed WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
      SELECT i, '\(Canary.text)-' || i FROM n;
    """

  /// All rows, each as one line. A table without a key shows every row that is sent twice.
  private struct Content: Equatable {
    var notes: [String]
    var beds: [String]

    static let notesSQL = "SELECT text FROM note ORDER BY 1"
    static let bedsSQL = "SELECT id || '|' || name FROM bed ORDER BY id"
  }

  init(_ scene: Scene, _ library: PowerCutLibrary, _ record: RoundRecord) {
    self.scene = scene
    self.library = library
    self.record = record
  }

  func run(_ subject: CrashRound.Subject) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    // The stream of a push that lost power keeps its transaction until the limit for transactions: whoever looks waits longer.
    let server = try scene.startPrimary(arguments: ["--transaction-secs", "5", "--writer-wait-secs", "60"])
    defer { server.stop() }
    let client = HranaClient(try Scene.remote(server.url))
    try await client.sequence(Self.schema)
    guard try sync("pull", server).status == 0 else { return record.fail("an undisturbed pull fails") }

    let command = subject == .push ? "push" : "pull"
    let count = subject == .push ? choices.number(1...40) : 0
    if count > 0 { try change(count, &choices) }
    let mine = try content()
    let theirs = (0..<choices.number(subject == .push ? 0...3 : 1...3)).map { "remote \($0)" }
    for text in theirs { _ = try await client.execute(Hrana.Statement(.text("INSERT INTO note VALUES ('\(text)')"))) }
    // What everybody has when the changes of both sides have met.
    let model = Content(notes: (mine.notes + theirs).sorted(), beds: mine.beds)

    let cut = library.cut(
      atOperation: CrashRound.operation(&choices, scale: 2), seed: scene.generator(3).firstNumber, in: scene)
    let status = try sync(command, server, cut.environment).status
    let outcome = try PowerCutLibrary.outcome(of: cut, in: scene)
    record.injected()
    let place = "\(command), operation \(outcome.operation), \(outcome.waitingCount) changes not synchronized"
    record.check(status == 0 || status == 137, "\(place): ended with \(status)")
    try await judge(status, mine: mine, model: model, client, place)

    let again = try sync("push", server)
    record.check(again.status == 0, "\(place): the next push fails: \(again.errors.prefix(300))")
    record.check(try await content(of: client) == model, "\(place): after the next push the remote has other rows")
    record.check(try content() == model, "\(place): after the next push the working copy has other rows")
    let findings = try await StoreCheck.findings(scene.root.file(Self.copy), Scene.replicaFactory())
    record.check(nothing: findings, "\(place): after the next push")
    let left = try FileManager.default.contentsOfDirectory(atPath: scene.root.path).filter { name in
      ["-new", "-rehearsal", "-spool"].contains { name.contains("albergue\($0)") }
    }
    record.check(left.isEmpty, "\(place): after the next push there is still \(left)")
  }

  /// Right after the power cut.
  private func judge(
    _ status: Int32, mine: Content, model: Content, _ client: HranaClient, _ place: String
  ) async throws {
    let path = scene.root.file(Self.copy)
    let remote = try await content(of: client)
    let arrived = Set(mine.notes).intersection(remote.notes).count
    record.check(
      arrived == 0 || arrived == mine.notes.count, "\(place): \(arrived) of \(mine.notes.count) changes have arrived")
    record.check(Set(remote.notes).count == remote.notes.count, "\(place): a change has arrived twice")
    record.check(status != 0 || remote == model, "\(place): success was reported, and the remote has other rows")
    guard Bytes.exists(path) else { return record.fail("\(place): the working copy is gone") }
    let findings = try await StoreCheck.findingsAfterPowerCut(path, Scene.replicaFactory())
    record.check(nothing: findings, "\(place): after the power cut")
    let here = try content()
    record.check(here == mine || here == model, "\(place): the working copy has neither its rows nor the remote's")
    record.check(status != 0 || here == model, "\(place): success was reported, and the working copy has other rows")
  }

  /// Changes the working copy, as any program does that knows its key.
  private func change(_ count: Int, _ choices: inout WorkloadChoices) throws {
    let session = try Scene.replicaFactory().openSession(scene.root.file(Self.copy), .writer)
    defer { session.close() }
    for number in 0..<count {
      let padding = String(repeating: "n", count: choices.number(0...(choices.oneIn(8) ? 9000 : 90)))
      try session.execute("INSERT INTO note VALUES ('local \(number) \(Canary.text)\(padding)')")
      switch choices.number(0...3) {
      case 0: try session.execute("UPDATE bed SET name = 'changed \(number)' WHERE id = \(choices.number(1...50))")
      case 1: try session.execute("DELETE FROM bed WHERE id = \(choices.number(1...50))")
      default: try session.execute("INSERT INTO bed VALUES (\(100 + number), 'new \(number)')")
      }
    }
    record.operated(count)
  }

  private func sync(
    _ command: String, _ server: RunningPrimary, _ environment: [String: String] = [:]
  ) throws -> Subprocess {
    let variables = scene.replicaEnvironment(Self.copy, server.url).merging(["DB_MODE": "seaorm_sqlite"]) { $1 }
    let result = try Subprocess.run(
      Executables.path("turso-sync"), [command], environment: variables.merging(environment) { $1 })
    record.operated()
    try scene.keep(result)
    return result
  }

  private func content() throws -> Content {
    let reader = try Scene.replicaFactory().openSession(scene.root.file(Self.copy), .reader)
    defer { reader.close() }
    func lines(_ sql: String) throws -> [String] { try reader.query(sql) { $0[0].text ?? "?" } }
    return Content(notes: try lines(Content.notesSQL), beds: try lines(Content.bedsSQL))
  }

  private func content(of client: HranaClient) async throws -> Content {
    let results = try await client.executeAtomically(
      [Content.notesSQL, Content.bedsSQL].map { Hrana.Statement(.text($0)) }
    ).results
    let lines = results.map { result in
      result.rows.map { row in if case .text(let text)? = row.first { text } else { "?" } }
    }
    return Content(notes: lines[0], beds: lines[1])
  }
}
