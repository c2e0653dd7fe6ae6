internal import EncryptedStorage

/// Which way a migration is run.
public enum Direction: String, Sendable, Hashable {
  case up, down
}

/// A migration that will be run, and how.
public struct PlannedMigration: Sendable, Hashable {
  /// The migration.
  public let migration: Migration
  /// Which way.
  public let direction: Direction
  /// The script of that direction.
  public let script: MigrationScript

  /// - Throws: ``MigrationError`` `.invalidScript` for one that cannot be taken back, and for a script that was
  ///   not written yet.
  init(_ migration: Migration, _ direction: Direction) throws(MigrationError) {
    guard let script = direction == .up ? migration.up : migration.down else {
      throw MigrationError(
        .invalidScript, "the migration '\(migration.version)' cannot be taken back: it has no script for that",
        hint: "write its down.sql, or restore a copy of the database")
    }
    guard !script.statements.isEmpty else {
      throw MigrationError(
        .invalidScript, "\(script.source): holds no statement", hint: "write it; SELECT 1 if it is meant to do nothing")
    }
    (self.migration, self.direction, self.script) = (migration, direction, script)
  }

  /// What it destroys, as the first half of a sentence; nil when it destroys nothing.
  ///
  /// Taking a migration back counts, whatever its statements are: programs rely on what it has made.
  var destruction: String? {
    if let statement = script.statements.first(where: \.effect.isDestructive) {
      return "\(script.place(of: statement)) of '\(migration.version)' destroys data"
    }
    return direction == .down ? "\(script.source) takes '\(migration.version)' back" : nil
  }

  /// What a database has to do for it.
  ///
  /// - Parameter time: seconds since 1970-01-01 UTC.
  func change(of state: DatabaseState, at time: Int64) -> DatabaseChange {
    DatabaseChange(
      expected: state.versions, script: script, turnsForeignKeysOff: script.turnsForeignKeysOff, edits: [edit(at: time)]
    )
  }

  private func edit(at time: Int64) -> Tracker.Edit {
    switch direction {
    case .up: .record(version: migration.version, appliedAt: time, checksum: migration.up.checksum)
    case .down: .forget(version: migration.version)
    }
  }

  /// The SQL that will be run, as one text with comments.
  ///
  /// The record's time is that of the run.
  public var sql: String {
    var lines = ["-- \(direction.rawValue): \(migration.version), from \(script.source)"]
    if script.options.remoteTransactions == .eachStatement {
      lines.append("-- at a remote: each statement in a transaction of its own")
    }
    if script.turnsForeignKeysOff { lines.append("PRAGMA foreign_keys=OFF;") }
    lines.append("BEGIN IMMEDIATE;")
    lines += Tracker.creation.map { $0.sql + ";" }
    for statement in script.statements {
      lines.append((statement.effect.isDestructive ? "-- destroys data:\n" : "") + statement.sql + ";")
    }
    if script.turnsForeignKeysOff { lines.append("PRAGMA foreign_key_check;") }
    lines += Tracker.statements(for: edit(at: 0)).map { statement in
      var values = statement.values.map { value -> String in
        if case .text(let text) = value { "'\(text)'" } else { "unixepoch()" }
      }[...]
      return statement.sql.split(separator: "?", omittingEmptySubsequences: false).reduce("") { text, part in
        text.isEmpty ? String(part) : text + (values.popFirst() ?? "?") + part
      } + ";"
    }
    lines.append("COMMIT;")
    if script.turnsForeignKeysOff { lines.append("PRAGMA foreign_keys=ON;") }
    return lines.joined(separator: "\n")
  }
}
