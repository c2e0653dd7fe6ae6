internal import EncryptedStorage

/// How far a migration is that is done statement by statement: a table of one row, which is there only in between.
struct ScriptProgress: Sendable, Hashable {
  /// Of the migration.
  let version: String
  /// How many statements are done, from 1.
  let doneCount: Int
  /// Of these statements: the ones that follow may still be corrected.
  let digest: String

  static let table = "_albergue_migration_progress"
  static let listing = "SELECT \"version\", \"done\", \"digest\" FROM \"\(table)\""
  /// An expression that is 1 while something is half done, and else 0.
  static let exists = "(SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '\(table)')"

  init(version: String, doneCount: Int, digest: String) {
    (self.version, self.doneCount, self.digest) = (version, doneCount, digest)
  }

  /// - Parameter row: of ``listing``.
  init?(_ row: [Value]) {
    guard row.count == 3, let version = row[0].text, let count = row[1].integer, let digest = row[2].text else {
      return nil
    }
    (self.version, doneCount, self.digest) = (version, Int(clamping: count), digest)
  }

  /// Of the first statements of a script: of none, of one, and so on, each made of the one before.
  static func digests(of script: MigrationScript) throws(MigrationError) -> [String] {
    var digests = [""]
    for statement in script.statements {
      digests.append(try ScriptDigest.sha256(Array(((digests.last ?? "") + statement.sql).utf8)))
    }
    return digests
  }

  // MARK: - Statements

  /// Statements that lead from a progress to the next one; nil is none, before and behind.
  static func statements(from former: ScriptProgress?, to next: ScriptProgress?) -> [Tracker.Statement] {
    switch (former, next) {
    case (let former, let next) where former == next: return []
    case (_, nil): return [Tracker.Statement("DROP TABLE \"\(table)\"")]
    case (let former, let next?):
      let row: [Value] = [.text(next.version), .integer(Int64(next.doneCount)), .text(next.digest)]
      guard former == nil else {
        return [Tracker.Statement("UPDATE \"\(table)\" SET \"version\" = ?, \"done\" = ?, \"digest\" = ?", row)]
      }
      return [
        Tracker.Statement(
          "CREATE TABLE \"\(table)\" (\"version\" TEXT NOT NULL, \"done\" INTEGER NOT NULL, \"digest\" TEXT NOT NULL)"),
        Tracker.Statement("INSERT INTO \"\(table)\" VALUES (?, ?, ?)", row),
      ]
    }
  }

  /// An expression that is 1 when a progress is what the remote says, and else 0; for a remote that says something unless
  /// it is nil.
  static func isUnchanged(_ progress: ScriptProgress?) -> Tracker.Statement {
    guard let progress else { return Tracker.Statement("\(exists) = 0") }
    return Tracker.Statement(
      "EXISTS (SELECT 1 FROM \"\(table)\" WHERE \"version\" = ? AND \"done\" = ? AND \"digest\" = ?)",
      [.text(progress.version), .integer(Int64(progress.doneCount)), .text(progress.digest)])
  }

  /// Why something else cannot be done now.
  var unfinished: MigrationError {
    MigrationError(
      .unfinished,
      "the migration '\(version)' was begun: \(doneCount) of its statements are done, each in a transaction of its own",
      hint:
        "finish it with albergue-migration up; its script must begin with these statements as they were. Or do the rest "
        + "by hand, then albergue-migration adopt \(version)")
  }
}

extension DatabaseChange {
  /// The version that it is about, where it is about one.
  var version: String? {
    for edit in edits {
      switch edit {
      case .record(let version, _, _), .forget(let version): return version
      case .setChecksum, .dropTables, .stampBaseline: continue
      }
    }
    return nil
  }

  /// Whether it says that a migration is done, or is not to be.
  func settles(_ version: String) -> Bool {
    script == nil
      && edits.contains { edit in
        switch edit {
        case .record(version, _, _), .forget(version): true
        default: false
        }
      }
  }
}
