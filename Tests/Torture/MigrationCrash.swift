import EncryptedStorage
import Foundation
import TestSupport

/// `albergue-migration` loses power: afterwards there are whole migrations, the first ones of all, and nothing else.
struct MigrationCrash {
  private let scene: Scene
  private let library: PowerCutLibrary
  private let record: RoundRecord

  private static let database = "hostel.db"
  private static let model = "model.db"

  init(_ scene: Scene, _ library: PowerCutLibrary, _ record: RoundRecord) {
    self.scene = scene
    self.library = library
    self.record = record
  }

  func run() throws {
    var choices = WorkloadChoices(scene.generator(1))
    try expectSuccess(migrate(Self.model, ["up"]), "an undisturbed run")
    let all = try content(of: Self.model).versions
    let before = choices.number(0...all.count)
    if before > 0 { try expectSuccess(migrate(Self.database, ["up", "-n", "\(before)"]), "an undisturbed run") }
    let command = before == 0 ? ["up"] : choices.pick([["up"], ["down", "-n", "3"], ["fresh"], ["refresh"]])

    let cut = library.cut(
      atOperation: CrashRound.operation(&choices), seed: scene.generator(3).firstNumber, in: scene)
    let result = try migrate(Self.database, command, cut.environment)
    let outcome = try PowerCutLibrary.outcome(of: cut, in: scene)
    record.injected()
    let place =
      "\(command[0]) of \(before), operation \(outcome.operation), \(outcome.waitingCount) changes not synchronized"
    record.check(
      [0, 137].contains(result.status), "\(place): ended with \(result.status): \(result.errors.prefix(300))")
    if Bytes.exists(scene.root.file(Self.database)) {
      let count = try judge(all, place)
      record.check(
        result.status != 0 || count == expectedCount(command, before, all.count),
        "\(place): success was reported, and \(count) migrations are there")
    } else {
      record.check(before == 0 && result.status != 0, "\(place): the database is gone")
    }
    try expectSuccess(migrate(Self.database, ["up"]), "\(place): the next run")
    record.check(
      try judge(all, "\(place), after the next run") == all.count, "\(place): migrations are missing in the end")
  }

  private func expectedCount(_ command: [String], _ before: Int, _ all: Int) -> Int {
    switch command[0] {
    case "down": max(0, before - 3)
    case "refresh": before
    default: all
    }
  }

  /// - Returns: how many migrations are there.
  private func judge(_ all: [String], _ place: String) throws -> Int {
    let (versions, schema) = try content(of: Self.database)
    record.check(versions == Array(all.prefix(versions.count)), "\(place): versions \(versions)")
    // What an undisturbed run of so many makes.
    let model = "model-\(UUID().uuidString).db"
    if !versions.isEmpty { try expectSuccess(migrate(model, ["up", "-n", "\(versions.count)"]), "an undisturbed run") }
    let expected = versions.isEmpty ? [] : try content(of: model).schema
    record.check(schema == expected, "\(place): another schema than that of \(versions.count) migrations")
    return versions.count
  }

  private func migrate(
    _ database: String, _ arguments: [String], _ environment: [String: String] = [:]
  ) throws -> Subprocess {
    let result = try Subprocess.run(
      Executables.path("albergue-migration"), arguments,
      environment: [
        "DATABASE_URL": "sqlite://\(scene.root.file(database))?mode=rwc",
        "TURSO_ENCRYPTION_KEY_FILE": scene.serverKeyFile,
      ].merging(environment) { $1 })
    record.operated()
    try scene.keep(result)
    return result
  }

  private func expectSuccess(_ result: Subprocess, _ place: String) {
    record.check(result.status == 0, "\(place) ends with \(result.status): \(result.errors.prefix(300))")
  }

  /// Opened by a writer, as the next run does, and looked at as a whole.
  private func content(of database: String) throws -> (versions: [String], schema: [String]) {
    let session = try Scene.serverFactory().openSession(scene.root.file(database), .writer)
    defer { session.close() }
    let integrity = try session.query("PRAGMA integrity_check") { $0[0].text ?? "" }
    record.check(integrity == ["ok"], "\(database): \(integrity.prefix(3))")
    let schema = try session.query(
      """
      SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_albergue%' ESCAPE '\\'
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
      """
    ) { (name: $0[0].text ?? "", sql: $0[1].text ?? "") }
    guard schema.contains(where: { $0.name == "seaql_migrations" }) else { return ([], schema.map(\.sql)) }
    let versions = try session.query("SELECT version FROM seaql_migrations ORDER BY version") { $0[0].text ?? "" }
    return (versions, schema.filter { $0.name != "seaql_migrations" }.map(\.sql))
  }
}
