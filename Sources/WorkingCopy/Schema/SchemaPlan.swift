internal import EncryptedStorage

/// What the working copy did to the schema, set against what the remote did to it: definitions to be sent, and how the rows
/// of each table are compared.
struct SchemaPlan {
  /// How the rows of a table are compared and sent.
  enum Rows {
    /// One by one, against the base and the remote.
    case compared(before: TableLayout.Mapping?, there: TableLayout.Mapping)
    /// The table is new, or is made anew: every row is sent.
    case all
    /// The definition changed at the remote alone. A row that changed here cannot be compared.
    case mustBeUnchanged(before: TableLayout.Mapping)
    /// The content of a virtual table, kept by its module.
    case shadow(before: TableLayout.Mapping?, virtualTable: String)
  }

  struct Table {
    let layout: TableLayout
    let rows: Rows
  }

  private(set) var statements: [PushStatement] = []
  private(set) var conflicts: [Conflict] = []
  private(set) var tables: [Table] = []
  /// Layouts, in the base, of tables that are dropped or made anew: rows that changed at the remote would be lost.
  private(set) var replaced: [TableLayout] = []
  /// The definitions that the remote must have afterwards.
  private(set) var expected: [SchemaEntry.Identity: SchemaEntry]

  /// What is dropped or created.
  private var planned: Set<SchemaEntry.Identity> = []
  private let base: DatabaseSchema
  private let copy: DatabaseSchema
  private let remote: DatabaseSchema

  /// - Parameter rehearsal: a writable copy of the remote, in a transaction, where alterations are tried and undone.
  init(base: DatabaseSchema, copy: DatabaseSchema, remote: DatabaseSchema, rehearsal: Session) throws {
    (self.base, self.copy, self.remote) = (base, copy, remote)
    expected = remote.byIdentity
    var changed: [SchemaEntry.Identity] = []
    for identity in Self.ordered(base, copy) {
      let (former, current) = (base.byIdentity[identity], copy.byIdentity[identity])
      guard former != current else { continue }
      try Self.refuseVirtual(former, current)
      let there = remote.byIdentity[identity]
      if there == current { continue }
      guard there == former else {
        conflicts.append(Conflict(.schema, identity.name))
        continue
      }
      changed.append(identity)
      expected[identity] = current
    }
    planDependents(changed)
    try planTables(changed, rehearsal)
    try planUnchangedTables(Set(changed))
    planSettings()
  }

  /// What was dropped last first, then the rest as it was made.
  private static func ordered(_ base: DatabaseSchema, _ copy: DatabaseSchema) -> [SchemaEntry.Identity] {
    base.entries.reversed().map(\.identity).filter { copy.byIdentity[$0] == nil } + copy.entries.map(\.identity)
  }

  private static func refuseVirtual(_ former: SchemaEntry?, _ current: SchemaEntry?) throws {
    guard let entry = [former, current].compactMap(\.self).first(where: \.isVirtual) else { return }
    throw WorkingCopyError(
      .unsupported, "the virtual table \(entry.name) was created, dropped or changed, which cannot be pushed",
      hint: "do it at the remote, then pull")
  }

  // MARK: - Indexes, views, triggers

  private mutating func planDependents(_ changed: [SchemaEntry.Identity]) {
    for identity in changed where identity.kind != .table {
      if base.byIdentity[identity] != nil { drop(identity) }
      if let entry = copy.byIdentity[identity] { create(entry) }
    }
  }

  private mutating func drop(_ identity: SchemaEntry.Identity) {
    planned.insert(identity)
    statements.append(
      PushStatement(
        phase: .dropDependents, subject: identity.name,
        sql: "DROP \(identity.kind.rawValue.uppercased()) \(identity.name.quoted)"))
  }

  private mutating func create(_ entry: SchemaEntry) {
    planned.insert(entry.identity)
    statements.append(
      PushStatement(
        phase: entry.kind == .index ? .indexes : entry.kind == .table ? .tables : .dependents, subject: entry.name,
        sql: entry.sql))
  }

  /// Takes the triggers of tables out of the way while rows are written: what they did, they did in the working copy, and it
  /// is sent as rows.
  ///
  /// A trigger that only the remote has did nothing in the working copy, so that one is a conflict.
  mutating func suspendTriggers(of tables: Set<String>) {
    for entry in remote.entries
    where entry.kind == .trigger && tables.contains(entry.tableName) && !planned.contains(entry.identity) {
      guard base.byIdentity[entry.identity] == entry else {
        conflicts.append(Conflict(.schema, entry.name))
        continue
      }
      drop(entry.identity)
      create(entry)
    }
  }

  // MARK: - Tables

  private mutating func planTables(_ changed: [SchemaEntry.Identity], _ rehearsal: Session) throws {
    let tables = changed.filter { $0.kind == .table }
    var creations: [SchemaEntry] = []
    for identity in tables {
      let former = base.layouts[identity.name]
      guard let entry = copy.byIdentity[identity], let layout = copy.layouts[identity.name] else {
        if let former { replace(former) }
        continue
      }
      if let former, let alteration = try alteration(of: former, to: layout, entry, rehearsal) {
        statements += alteration.statements.map { PushStatement(phase: .tables, subject: entry.name, sql: $0) }
        let mapping = layout.columns(in: former, renamed: alteration.renamed)
        self.tables.append(Table(layout: layout, rows: .compared(before: mapping, there: mapping)))
        continue
      }
      if let former {
        replace(former)
        restoreDependents(of: entry.name, Set(changed))
      }
      creations.append(entry)
      self.tables.append(Table(layout: layout, rows: .all))
    }
    // Only when all are gone that go: a new table can have the name of one.
    for entry in creations { create(entry) }
  }

  private mutating func replace(_ former: TableLayout) {
    replaced.append(former)
    statements.append(
      PushStatement(phase: .tables, subject: former.name, sql: "DROP TABLE \(former.quotedName)"))
  }

  /// Dropping a table drops its indexes and triggers.
  private mutating func restoreDependents(of table: String, _ changed: Set<SchemaEntry.Identity>) {
    for entry in remote.entries
    where entry.tableName == table && (entry.kind == .index || entry.kind == .trigger)
      && !changed.contains(entry.identity)
    {
      guard copy.byIdentity[entry.identity] == entry else {
        // The remote has made one for the former definition of the table.
        conflicts.append(Conflict(.schema, entry.name))
        continue
      }
      create(entry)
    }
  }

  private func alteration(
    of former: TableLayout, to layout: TableLayout, _ entry: SchemaEntry, _ rehearsal: Session
  ) throws -> TableAlteration? {
    guard let formerSQL = base.byIdentity[entry.identity]?.sql else { return nil }
    return try TableAlteration.candidates(from: (former, formerSQL), to: (layout, entry.sql))
      .first { try makes(entry, $0, rehearsal) }
  }

  /// Whether SQLite, having altered the table, writes the text that the working copy has.
  private func makes(_ entry: SchemaEntry, _ alteration: TableAlteration, _ rehearsal: Session) throws -> Bool {
    try rehearsal.execute("SAVEPOINT alteration")
    defer { try? rehearsal.executeScript("ROLLBACK TO alteration; RELEASE alteration") }
    do {
      for statement in statements where statement.phase == .dropDependents { try rehearsal.execute(statement.sql) }
      for sql in alteration.statements { try rehearsal.execute(sql) }
    } catch {
      guard error.code == .statement || error.code == .constraint else { throw error }
      return false
    }
    let text = try rehearsal.value(
      "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(entry.name)])
    return text.text.map { $0.utf8.elementsEqual(entry.sql.utf8) } ?? false
  }

  private mutating func planUnchangedTables(_ changed: Set<SchemaEntry.Identity>) throws {
    for entry in copy.entries where entry.kind == .table && !changed.contains(entry.identity) {
      guard let layout = copy.layouts[entry.name] else { continue }
      guard !conflicts.contains(Conflict(.schema, entry.name)) else { continue }
      let before = base.layouts[entry.name].map { layout.columns(in: $0) }
      if let virtualTable = copy.virtualTable(behind: entry.name) {
        tables.append(Table(layout: layout, rows: .shadow(before: before, virtualTable: virtualTable)))
        continue
      }
      let there = remote.byIdentity[entry.identity]
      if there == entry {
        // Also for a table that both sides made, or altered, in the same way.
        tables.append(Table(layout: layout, rows: .compared(before: before, there: layout.sameColumns)))
      } else if let before {
        tables.append(Table(layout: layout, rows: .mustBeUnchanged(before: before)))
      }
    }
    for entry in base.entries where entry.kind == .table && copy.byIdentity[entry.identity] == nil {
      guard let layout = base.layouts[entry.name], let virtualTable = base.virtualTable(behind: entry.name) else {
        continue
      }
      tables.append(Table(layout: layout, rows: .shadow(before: nil, virtualTable: virtualTable)))
    }
  }

  // MARK: - Settings

  private mutating func planSettings() {
    for (name, values) in [
      ("user_version", (base.userVersion, copy.userVersion, remote.userVersion)),
      ("application_id", (base.applicationID, copy.applicationID, remote.applicationID)),
    ] where values.1 != values.0 && values.1 != values.2 {
      guard values.2 == values.0 else {
        conflicts.append(Conflict(.schema, name))
        continue
      }
      statements.append(PushStatement(phase: .sequences, subject: name, sql: "PRAGMA \(name) = \(values.1)"))
    }
  }
}
