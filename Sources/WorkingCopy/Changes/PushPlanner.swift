internal import EncryptedStorage

/// Finds what a working copy changed, sets it against what the remote changed, and writes the statements that bring the
/// remote there into a spool. Then it rehearses them on a copy of the remote.
struct PushPlanner {
  /// The databases. The first three are read in one transaction each.
  struct Databases {
    /// What the working copy was made from.
    let base: Session
    let copy: Session
    /// The newest image of the remote.
    let remote: Session
    /// A writable copy of that.
    let rehearsal: Session
    let spool: Session
  }

  /// What was planned.
  struct Outcome: Sendable {
    /// Unresolved; the first ``PushPlanner/listedConflictCountMax`` of them.
    var conflicts: [Conflict] = []
    var conflictCount = 0
    var counts = PushCounts()

    mutating func add(_ conflict: Conflict) {
      conflictCount += 1
      if conflicts.count < PushPlanner.listedConflictCountMax { conflicts.append(conflict) }
    }
  }

  /// Conflicts that are listed; the others are counted.
  static let listedConflictCountMax = 1000

  let databases: Databases
  let preference: Preference?
  /// Bytes of the largest statement that can be sent.
  let statementByteCountMax: Int
  /// Set when an earlier push is in the remote already: rows without a key that were part of it would be inserted again.
  let refusesRowsWithoutKey: Bool
  private var outcome = Outcome()
  private var writtenTables: Set<String> = []

  init(_ databases: Databases, preference: Preference?, statementByteCountMax: Int, refusesRowsWithoutKey: Bool) {
    self.databases = databases
    self.preference = preference
    self.statementByteCountMax = statementByteCountMax
    self.refusesRowsWithoutKey = refusesRowsWithoutKey
  }

  /// Plans and rehearses. Nothing is sent when the outcome has conflicts.
  ///
  /// - Throws: ``WorkingCopyError`` `.unsupported`; what reading throws.
  mutating func plan() throws -> Outcome {
    try databases.rehearsal.execute("PRAGMA foreign_keys=OFF")
    return try databases.base.transaction(.deferred) { base in
      try databases.copy.transaction(.deferred) { copy in
        try databases.remote.transaction(.deferred) { remote in
          try databases.spool.transaction(.immediate) { spool in
            try databases.rehearsal.transaction(.immediate) { rehearsal in
              try plan(base, copy, remote, rehearsal, spool)
            }
          }
        }
      }
    }
  }

  private mutating func plan(
    _ base: Session, _ copy: Session, _ remote: Session, _ rehearsal: Session, _ spool: Session
  ) throws -> Outcome {
    let schemas = (
      base: try DatabaseSchema(of: base), copy: try DatabaseSchema(of: copy), remote: try DatabaseSchema(of: remote)
    )
    var schema = try SchemaPlan(
      base: schemas.base, copy: schemas.copy, remote: schemas.remote, rehearsal: rehearsal)
    for table in schema.tables { try planRows(of: table) }
    if preference != .ours {
      for layout in schema.replaced where try hasChangedThere(layout, schemas.remote) {
        outcome.add(Conflict(.tableReplacedHere, layout.name))
      }
    }
    schema.suspendTriggers(of: writtenTables)
    for conflict in schema.conflicts { outcome.add(conflict) }
    for statement in schema.statements { try append(statement) }
    outcome.counts.definitions = schema.statements.count
    let replaced = Set(schema.replaced.map(\.name))
    try planSequences(
      schemas.copy.sequences, since: schemas.base.sequences,
      there: schemas.remote.sequences.filter { !replaced.contains($0.key) }
    ) { schemas.copy.layouts[$0] != nil }
    guard outcome.conflictCount == 0 else { return outcome }
    var rehearsing = Rehearsal(rehearsal, spool: spool, layouts: schemas.copy.layouts, expected: schema.expected)
    for conflict in try rehearsing.run() { outcome.add(conflict) }
    return outcome
  }

  private mutating func append(_ statement: PushStatement) throws {
    guard statement.byteCount <= statementByteCountMax else {
      throw WorkingCopyError(
        .unsupported,
        "a row of table \(statement.subject) is larger than a request can be (\(statementByteCountMax) bytes)",
        hint: "write it at the remote in parts, then pull")
    }
    try Spool.append(statement, to: databases.spool)
  }

  // MARK: - Rows

  private mutating func planRows(of table: SchemaPlan.Table) throws {
    let layout = table.layout
    switch table.rows {
    case .all:
      let statements = RowStatements(layout: layout, isStored: layout.sameColumns.isStored)
      try RowWalk(layout, before: nil, after: databases.copy).forEachChange { change in
        guard case .inserted(let row) = change else { return }
        try write(statements.insert(row), counting: \.inserted)
      }
    case .compared(let before, let there):
      let statements = RowStatements(layout: layout, isStored: there.isStored)
      let walk = try RowWalk(layout, before: before.map { (databases.base, $0) }, after: databases.copy)
      try walk.forEachChange { change in try resolve(change, layout, there, statements) }
    case .mustBeUnchanged(let before):
      if try RowWalk(layout, before: (databases.base, before), after: databases.copy).findsAny() {
        outcome.add(Conflict(.schema, layout.name))
      }
    case .shadow(let before, let virtualTable):
      let hasBoth = before != nil
      if try !hasBoth || RowWalk(layout, before: before.map { (databases.base, $0) }, after: databases.copy).findsAny()
      {
        throw WorkingCopyError(
          .unsupported, "the content of the virtual table \(virtualTable) changed, which cannot be pushed",
          hint: "make the change at the remote, then pull")
      }
    }
  }

  private mutating func write(
    _ statement: PushStatement, counting count: WritableKeyPath<PushCounts, Int>? = nil
  ) throws {
    writtenTables.insert(statement.subject)
    if let count { outcome.counts[keyPath: count] += 1 }
    try append(statement)
  }

  /// Sets a change against the row that the remote has.
  private mutating func resolve(
    _ change: RowChange, _ layout: TableLayout, _ mapping: TableLayout.Mapping, _ statements: RowStatements
  ) throws {
    func rowThere(_ key: [ExactValue]) throws -> TableRow? {
      try RowCursor.first(databases.remote, layout.selectOne(mapping), layout.selectOneValues(key))
        .map { TableRow($0, keyCount: layout.keyNames.count) }
    }
    switch change {
    case .inserted(let row) where layout.identity == .rowid:
      guard !refusesRowsWithoutKey else {
        throw WorkingCopyError(
          .unsupported,
          "an earlier push has arrived, and rows of table \(layout.name), which has no primary key, may be part of it",
          hint: "pull, dropping the changes, after saving those made since that push")
      }
      // Whatever the rowid is there: nobody knows it.
      try write(statements.insert(row), counting: \.inserted)
    case .inserted(let row):
      guard let there = try rowThere(row.key) else { return try write(statements.insert(row), counting: \.inserted) }
      if there != row, takesOurs(.insertedOnBothSides, layout, row.key) { try update(from: there, to: row, statements) }
    case .deleted(let row):
      guard let there = try rowThere(row.key) else { return }
      if there == row { return try write(statements.delete(row), counting: \.deleted) }
      if takesOurs(.deletedHere, layout, row.key) { try write(statements.delete(there), counting: \.deleted) }
    case .updated(let old, let new):
      guard let there = try rowThere(old.key) else {
        if takesOurs(.deletedThere, layout, old.key) { try write(statements.insert(new), counting: \.inserted) }
        return
      }
      if there == old { return try update(from: old, to: new, statements) }
      if there != new, takesOurs(.changedOnBothSides, layout, old.key) {
        try update(from: there, to: new, statements)
      }
    }
  }

  private mutating func update(from old: TableRow, to new: TableRow, _ statements: RowStatements) throws {
    outcome.counts.updated += 1
    for statement in statements.update(from: old, to: new) { try write(statement) }
  }

  /// Whether a row that changed on both sides is sent; without a preference it is a conflict.
  private mutating func takesOurs(_ kind: Conflict.Kind, _ layout: TableLayout, _ key: [ExactValue]) -> Bool {
    if preference == nil { outcome.add(Conflict(kind, layout.name, key: key)) } else { outcome.counts.resolved += 1 }
    return preference == .ours
  }

  private func hasChangedThere(_ layout: TableLayout, _ remote: DatabaseSchema) throws -> Bool {
    guard remote.layouts[layout.name] != nil else { return false }
    do {
      return try RowWalk(layout, before: (databases.base, layout.sameColumns), after: databases.remote).findsAny()
    } catch let error as WorkingCopyError where error.code == .unsupported {
      // Rows that cannot be told apart have changed.
      return true
    }
  }

  // MARK: - AUTOINCREMENT

  /// A rowid that was ever given out here is not given out again there.
  private mutating func planSequences(
    _ copy: [String: Int64], since base: [String: Int64], there: [String: Int64], isTable: (String) -> Bool
  ) throws {
    for (table, number) in copy.sorted(by: { $0.key < $1.key })
    where number > base[table] ?? 0 && number > there[table] ?? 0 && isTable(table) {
      let arguments: [ExactValue] = [.text(table), .integer(number)]
      try append(
        PushStatement(
          phase: .sequences, subject: table,
          sql: "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1 AND seq < ?2", arguments: arguments))
      try append(
        PushStatement(
          phase: .sequences, subject: table,
          sql: """
            INSERT INTO sqlite_sequence (name, seq)
            SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)
            """, arguments: arguments))
    }
  }
}

/// What a push consists of.
public struct PushCounts: Sendable, Hashable, Encodable {
  /// Rows.
  public internal(set) var inserted = 0
  /// Rows.
  public internal(set) var updated = 0
  /// Rows.
  public internal(set) var deleted = 0
  /// Statements that change the schema, or put triggers aside and back.
  public internal(set) var definitions = 0
  /// Rows that were changed on both sides, and took the side that was asked for.
  public internal(set) var resolved = 0
}
