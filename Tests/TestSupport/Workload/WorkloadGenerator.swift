/// One thing that a workload does.
package struct WorkloadStep {
  package enum Action {
    /// One statement; everything it answers is compared.
    case statement(String)
    /// Closes the connection, with whatever transaction it has, and opens it again.
    case reopen
  }

  package let action: Action
  /// 0 and 1 write, 2 reads.
  package var connection = 0
  /// What the schema is afterwards, if the statement succeeds.
  var schema: WorkloadSchema?
  /// Whether it belongs to the history of the content, so that another program can repeat it on one connection.
  package var isHistory = true

  package init(action: Action, connection: Int = 0) {
    self.action = action
    self.connection = connection
  }

  init(action: Action, connection: Int = 0, schema: WorkloadSchema?, isHistory: Bool = true) {
    self.action = action
    self.connection = connection
    self.schema = schema
    self.isHistory = isHistory
  }
}

/// Makes the statements of a seed, one by one. Statements may fail, in the way that SQLite says; the generator only wants
/// to know whether they did, and whether a transaction is open then.
package struct WorkloadGenerator {
  private var choices: WorkloadChoices
  private var schema = WorkloadSchema()
  private var schemaAtBegin = WorkloadSchema()
  private var savepoints: [(name: String, schema: WorkloadSchema)] = []
  private var isInTransaction = false
  private var isReaderInTransaction = false
  private var writer = 0
  private var queue: [WorkloadStep] = []

  package init(seed: UInt64) {
    choices = WorkloadChoices(SeededGenerator(seed: seed))
    let cacheSize = choices.pick([2, 5, 10, 20, 200])
    queue = ["PRAGMA auto_vacuum = \(choices.number(0...2))", "VACUUM", "PRAGMA cache_size = \(cacheSize)"].map {
      WorkloadStep(action: .statement($0))
    }
    for _ in 0..<2 { add(createTable()) }
    if choices.oneIn(3) { add(createTextTable()) }
    if choices.oneIn(3) { add(createSpatialTable()) }
  }

  /// Objects that are made before anything else are known at once.
  private mutating func add(_ step: WorkloadStep) {
    queue.append(step)
    schema = step.schema ?? schema
  }

  package mutating func next() -> WorkloadStep {
    if !queue.isEmpty { return queue.removeFirst() }
    if choices.oneIn(7) { return look() }
    if choices.oneIn(isInTransaction ? 5 : 7) { return transactionControl() }
    if choices.oneIn(6) { return choices.oneIn(2) ? changeSchema() : maintain() }
    if choices.oneIn(14) { return fail() }
    return change()
  }

  /// What became of the step.
  package mutating func note(_ step: WorkloadStep, succeeded: Bool, isInTransaction now: Bool) {
    if step.connection == 2 {
      isReaderInTransaction = now
      return
    }
    guard step.isHistory else { return }
    if succeeded, let after = step.schema { schema = after }
    guard case .statement(let sql) = step.action else {
      // A connection that is closed gives its transaction up.
      if isInTransaction { schema = schemaAtBegin }
      isInTransaction = false
      return savepoints.removeAll()
    }
    if !isInTransaction, now { schemaAtBegin = schema }
    if isInTransaction, !now {
      let isCommit = succeeded && (sql.hasPrefix("COMMIT") || sql.hasPrefix("RELEASE"))
      if !isCommit { schema = schemaAtBegin }
      savepoints.removeAll()
    }
    isInTransaction = now
    if succeeded { noteSavepoint(sql) }
  }

  private mutating func noteSavepoint(_ sql: String) {
    let name = sql.split(separator: " ").last.map(String.init) ?? ""
    guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
      if sql.hasPrefix("SAVEPOINT ") { savepoints.append((name, schema)) }
      return
    }
    if sql.hasPrefix("SAVEPOINT ") {
      savepoints.append((name, schema))
    } else if sql.hasPrefix("ROLLBACK TO ") {
      schema = savepoints[index].schema
      savepoints.removeSubrange((index + 1)...)
    } else if sql.hasPrefix("RELEASE ") {
      savepoints.removeSubrange(index...)
    }
  }

  // MARK: - Rows

  private mutating func run(_ sql: String, _ schema: WorkloadSchema? = nil) -> WorkloadStep {
    WorkloadStep(action: .statement(sql), connection: writer, schema: schema)
  }

  private mutating func change() -> WorkloadStep {
    if choices.oneIn(6), let table = choices.pickIfAny(schema.textTables) { return run(changeText(table)) }
    if choices.oneIn(8), let table = choices.pickIfAny(schema.spatialTables) { return run(changeSpatial(table)) }
    guard let table = choices.pickIfAny(schema.tables) else { return createTable() }
    let name = table.name
    switch choices.number(1...12) {
    case 1...3: return run(insertOne(name))
    case 4...5: return run(insertMany(name))
    case 6:
      return run(
        "INSERT INTO \(name) (id, a, b, c) VALUES (\(choices.number(0...60)), \(choices.integer()), 'up', "
          + "\(choices.blob())) ON CONFLICT DO UPDATE SET a = coalesce(a, 0) + 1, c = excluded.c RETURNING id, a")
    case 7...8:
      let set = choices.pick([
        "a = coalesce(a, 0) + \(choices.number(1...9))", "b = \(choices.text())", "c = \(choices.blob())",
        "a = \(choices.integer()), c = \(choices.blob())",
      ])
      return run("UPDATE \(choices.conflictClause())\(name) SET \(set) WHERE \(choices.someIDs())")
    case 9:
      return run(
        "UPDATE \(choices.conflictClause())\(name) SET id = id + \(choices.number(1...30)) WHERE \(choices.someIDs())")
    case 10:
      let source = choices.pick(schema.tables).name
      return run(
        "INSERT \(choices.conflictClause())INTO \(name) (id, a, b, c) "
          + "SELECT id + \(choices.number(0...200)), a, b, c FROM \(source) ORDER BY id, b LIMIT 30")
    case 11 where choices.oneIn(4): return run("DELETE FROM \(name)")
    default: return run("DELETE FROM \(name) WHERE \(choices.someIDs())")
    }
  }

  private mutating func insertOne(_ table: String) -> String {
    let id = choices.oneIn(3) ? "NULL" : String(choices.number(0...120))
    return "INSERT \(choices.conflictClause())INTO \(table) (id, a, b, c) "
      + "VALUES (\(id), \(choices.integer()), \(choices.text()), \(choices.blob()))"
  }

  /// Many rows, and with them pages, in one statement; some violate a constraint in the middle.
  private mutating func insertMany(_ table: String) -> String {
    let start = choices.number(0...150)
    let end = start + choices.number(1...(choices.oneIn(4) ? 150 : 30))
    let blob = choices.pick([
      "zeroblob((i * 53) % 700)", "CAST(printf('%0*d', (i * 7919) % 2500, i) AS BLOB)", "printf('%d-%d', i, i * i)",
      "NULL",
    ])
    return "INSERT \(choices.conflictClause())INTO \(table) (id, a, b, c) WITH RECURSIVE n(i) AS (SELECT \(start) "
      + "UNION ALL SELECT i + 1 FROM n WHERE i < \(end)) "
      + "SELECT i, (i * 37) % 101, 'row ' || (i % \(choices.number(20...300))), \(blob) FROM n"
  }

  private mutating func changeText(_ table: String) -> String {
    let words = "'word \(choices.number(0...40)) peregrina \(choices.number(0...9))'"
    return switch choices.number(1...8) {
    case 1: "INSERT INTO \(table) (\(table)) VALUES ('\(choices.pick(["optimize", "rebuild", "integrity-check"]))')"
    case 2: "INSERT INTO \(table) (\(table), rank) VALUES ('merge', \(choices.number(-20...20)))"
    case 3: "DELETE FROM \(table) WHERE rowid % \(choices.number(2...5)) = 0"
    case 4: "UPDATE \(table) SET body = \(words) WHERE rowid < \(choices.number(1...40))"
    case 5:
      "INSERT INTO \(table) (title, body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        + "WHERE i < \(choices.number(2...60))) SELECT 'etapa ' || i, 'word ' || (i % 7) || ' ' || hex(i * 7919) FROM n"
    default: "INSERT INTO \(table) (title, body) VALUES (\(words), \(choices.text()))"
    }
  }

  private mutating func changeSpatial(_ table: String) -> String {
    let x = choices.number(0...500)
    return switch choices.number(1...6) {
    case 1: "DELETE FROM \(table) WHERE x0 > \(x) AND y1 < \(x + 100)"
    case 2: "UPDATE \(table) SET x0 = x0 - 1, y1 = y1 + \(choices.number(-600...9)) WHERE x1 < \(x)"
    case 3:
      "INSERT OR REPLACE INTO \(table) WITH RECURSIVE n(i) AS (SELECT \(x) UNION ALL SELECT i + 1 FROM n "
        + "WHERE i < \(x + choices.number(2...90))) SELECT i, i % 100, i % 100 + 5, (i * 7) % 90, (i * 7) % 90 + 3 FROM n"
    default: "INSERT INTO \(table) VALUES (\(choices.number(1...200)), \(x), \(x + choices.number(-2...9)), 1, 7)"
    }
  }

  // MARK: - Transactions

  private mutating func transactionControl() -> WorkloadStep {
    guard isInTransaction else {
      if choices.oneIn(5) { return WorkloadStep(action: .reopen, connection: writer) }
      if choices.oneIn(5) { writer = 1 - writer }
      if choices.oneIn(9) { return writeOnOldSnapshot() }
      return run(choices.pick(["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "SAVEPOINT one"]))
    }
    let name = choices.pick(["one", "two", "three"])
    switch choices.number(1...16) {
    case 1...4: return run("COMMIT")
    case 5...6: return run("ROLLBACK")
    case 7...10: return run("SAVEPOINT \(name)")
    case 11...13: return run("ROLLBACK TO \(savepoints.isEmpty ? name : choices.pick(savepoints).name)")
    case 14: return WorkloadStep(action: .reopen, connection: writer)
    default: return run("RELEASE \(savepoints.isEmpty ? name : choices.pick(savepoints).name)")
    }
  }

  /// A transaction that reads, and wants to write when another connection has written since.
  private mutating func writeOnOldSnapshot() -> WorkloadStep {
    guard let table = choices.pickIfAny(schema.tables)?.name else { return run("BEGIN") }
    let other = 1 - writer
    let statements = ["SELECT count(*) FROM \(table)", "DELETE FROM \(table) WHERE id = 3", "ROLLBACK"].map {
      WorkloadStep(action: .statement($0), connection: other, schema: nil, isHistory: false)
    }
    queue = [statements[0], run("PRAGMA user_version = \(choices.number(1...999))"), statements[1], statements[2]]
    return WorkloadStep(action: .statement("BEGIN"), connection: other, schema: nil, isHistory: false)
  }

  /// Looks, on the writing connection or on the reading one, which has a snapshot of its own.
  private mutating func look() -> WorkloadStep {
    let isReader = choices.oneIn(2)
    var queries = [
      "PRAGMA integrity_check", "PRAGMA foreign_key_check", "SELECT name, sql FROM sqlite_schema ORDER BY name",
      "PRAGMA user_version", "SELECT count(*), max(name) FROM sqlite_schema",
    ]
    if isReader { queries += isReaderInTransaction ? ["COMMIT"] : ["BEGIN"] }
    for table in schema.tables {
      queries.append("SELECT count(*), sum(id), sum(length(b)), sum(length(c)) FROM \(table.name)")
      queries.append("SELECT * FROM \(table.name) WHERE \(choices.someIDs()) ORDER BY id, a, b LIMIT 9")
    }
    for table in schema.textTables {
      queries.append(
        "SELECT rowid, title FROM \(table) WHERE \(table) MATCH 'word AND \(choices.number(0...9))' ORDER BY rowid")
    }
    for table in schema.spatialTables { queries.append("SELECT id FROM \(table) WHERE x0 < 50 AND y1 > 4 ORDER BY id") }
    for view in schema.views { queries.append("SELECT * FROM \(view) ORDER BY 1, 2 LIMIT 20") }
    return WorkloadStep(
      action: .statement(choices.pick(queries)), connection: isReader ? 2 : writer, schema: nil,
      isHistory: !isReader)
  }

  private mutating func fail() -> WorkloadStep {
    let table = choices.pickIfAny(schema.tables)?.name ?? "nowhere"
    return run(
      choices.pick([
        "INSERT INTO nowhere VALUES (1)", "SELEC 1", "UPDATE \(table) SET id = 'text' WHERE id > 2",
        "INSERT INTO \(table) (id, a, b, c) WITH RECURSIVE n(i) AS (SELECT 500 UNION ALL SELECT i + 1 FROM n WHERE "
          + "i < 560) SELECT i, CASE WHEN i = 555 THEN abs(-9223372036854775808) ELSE i END, i, zeroblob(900) FROM n",
        "UPDATE \(table) SET c = zeroblob(1200), a = CASE WHEN id > 60 THEN abs(-9223372036854775808) ELSE a END",
        "INSERT INTO \(table) (id, a, b, c) SELECT id, a, b, c FROM \(table)", "COMMIT", "RELEASE nothing",
        "SELECT json('{')", "SELECT abs(-9223372036854775808)", "DROP TABLE sqlite_schema",
        "UPDATE \(table) SET b = zeroblob(1000000001)", "CREATE TABLE \(table) (id)",
      ]))
  }

  // MARK: - Schema and maintenance

  private mutating func maintain() -> WorkloadStep {
    run(
      choices.pick([
        "VACUUM", "VACUUM", "PRAGMA incremental_vacuum", "PRAGMA incremental_vacuum(\(choices.number(1...9)))",
        "PRAGMA auto_vacuum = \(choices.number(0...2))", "ANALYZE", "REINDEX",
        "PRAGMA cache_size = \(choices.pick([1, 3, 8, 30, 500]))", "PRAGMA user_version = \(choices.number(1...9999))",
        "PRAGMA application_id = \(choices.number(1...9999))", "PRAGMA defer_foreign_keys = \(choices.number(0...1))",
        "PRAGMA cache_spill = \(choices.pick(["ON", "2", "20"]))", "PRAGMA shrink_memory",
      ]))
  }

  private mutating func changeSchema() -> WorkloadStep {
    let table = choices.pickIfAny(schema.tables)
    switch choices.number(1...16) {
    case 1...3 where schema.tables.count < 6: return createTable()
    case 4 where schema.textTables.count < 2: return createTextTable()
    case 5 where schema.spatialTables.count < 2: return createSpatialTable()
    case 6...7: if let table { return createIndex(table) }
    case 8...9: if let table { return createTrigger(table) }
    case 10: if let table { return createView(table) }
    case 11...12: if let table { return alter(table) }
    default: break
    }
    return dropSomething()
  }

  private mutating func createTable() -> WorkloadStep {
    let kind = choices.pick(WorkloadSchema.Kind.allCases)
    let name = choices.newName("t")
    let parent = choices.pickIfAny(schema.tables.filter(\.hasKeyID))?.name ?? name
    let action = choices.pick(["CASCADE", "SET NULL", "RESTRICT", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
    let body =
      switch kind {
      case .plain: "(id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c BLOB)"
      case .autoIncrement: "(id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER NOT NULL DEFAULT 7, b TEXT UNIQUE, c BLOB)"
      case .withoutRowID: "(id INTEGER, a INTEGER, b TEXT, c BLOB, PRIMARY KEY (b, id)) WITHOUT ROWID"
      case .strict: "(id INTEGER PRIMARY KEY, a INTEGER CHECK (a > -900), b TEXT, c BLOB) STRICT"
      case .child:
        "(id INTEGER PRIMARY KEY, a INTEGER REFERENCES \(parent) (id) ON UPDATE CASCADE ON DELETE \(action), "
          + "b TEXT, c BLOB)"
      case .generated:
        "(id INTEGER PRIMARY KEY, a INTEGER, b TEXT COLLATE NOCASE, c BLOB, "
          + "g AS (a * 2 + length(b)) STORED, v AS (upper(b)))"
      case .conflictClause: "(id INTEGER UNIQUE ON CONFLICT REPLACE, a INTEGER, b TEXT NOT NULL ON CONFLICT IGNORE, c)"
      case .copy:
        schema.tables.isEmpty
          ? "(id, a, b, c)" : "AS SELECT id, a, b, c FROM \(choices.pick(schema.tables).name) ORDER BY id, b LIMIT 60"
      }
    var after = schema
    after.tables.append(.init(name: name, kind: kind))
    return run("CREATE TABLE \(name) \(body)", after)
  }

  private mutating func createTextTable() -> WorkloadStep {
    let name = choices.newName("f")
    let options = choices.pick([
      "", ", prefix = '2 3'", ", detail = column", ", tokenize = 'porter'", ", columnsize = 0",
    ])
    var after = schema
    after.textTables.append(name)
    return run("CREATE VIRTUAL TABLE \(name) USING fts5 (title, body\(options))", after)
  }

  private mutating func createSpatialTable() -> WorkloadStep {
    let name = choices.newName("r")
    var after = schema
    after.spatialTables.append(name)
    return run("CREATE VIRTUAL TABLE \(name) USING \(choices.pick(["rtree", "rtree_i32"])) (id, x0, x1, y0, y1)", after)
  }

  private mutating func createIndex(_ table: WorkloadSchema.Table) -> WorkloadStep {
    let name = choices.newName("i")
    let unique = choices.oneIn(4) ? "UNIQUE " : ""
    let columns = choices.pick([
      "(a)", "(b, a)", "(c)", "(a % 10, id)", "(b COLLATE NOCASE DESC)", "(a) WHERE b IS NOT NULL", "(id, b, c)",
    ])
    var after = schema
    after.indexes.append(name)
    return run("CREATE \(unique)INDEX \(name) ON \(table.name) \(columns)", after)
  }

  private mutating func createTrigger(_ table: WorkloadSchema.Table) -> WorkloadStep {
    let name = choices.newName("g")
    let other = choices.pick(schema.tables).name
    let raise = choices.pick(["ABORT", "FAIL", "ROLLBACK", "IGNORE"])
    let message = raise == "IGNORE" ? "" : ", 'not allowed'"
    let body = choices.pick([
      "AFTER INSERT ON \(table.name) BEGIN INSERT OR IGNORE INTO \(other) (id, a, b, c) "
        + "VALUES (new.id + 1000, new.a, 'trigger', new.c); END",
      "BEFORE UPDATE ON \(table.name) WHEN new.a % 13 = 0 BEGIN SELECT RAISE(\(raise)\(message)); END",
      "BEFORE INSERT ON \(table.name) WHEN new.id % 11 = 7 BEGIN SELECT RAISE(\(raise)\(message)); END",
      "AFTER DELETE ON \(table.name) BEGIN UPDATE \(other) SET a = coalesce(a, 0) + 1 WHERE id = old.id; END",
      "AFTER UPDATE OF c ON \(table.name) BEGIN DELETE FROM \(other) WHERE id = old.id + 1; END",
    ])
    var after = schema
    after.triggers.append(name)
    return run("CREATE TRIGGER \(name) \(body)", after)
  }

  private mutating func createView(_ table: WorkloadSchema.Table) -> WorkloadStep {
    let name = choices.newName("w")
    var after = schema
    after.views.append(name)
    return run("CREATE VIEW \(name) AS SELECT id, a, length(c) AS size FROM \(table.name) WHERE a > 3", after)
  }

  private mutating func alter(_ table: WorkloadSchema.Table) -> WorkloadStep {
    var after = schema
    guard let index = after.tables.firstIndex(where: { $0.name == table.name }) else { return dropSomething() }
    switch choices.number(1...4) {
    case 1:
      let name = choices.newName("t")
      after.tables[index].name = name
      return run("ALTER TABLE \(table.name) RENAME TO \(name)", after)
    case 2 where !table.extraColumns.isEmpty:
      return run("ALTER TABLE \(table.name) DROP COLUMN \(after.tables[index].extraColumns.removeLast())", after)
    case 3 where !table.extraColumns.isEmpty:
      let name = choices.newName("e")
      let former = after.tables[index].extraColumns.removeLast()
      after.tables[index].extraColumns.append(name)
      return run("ALTER TABLE \(table.name) RENAME COLUMN \(former) TO \(name)", after)
    default:
      let name = choices.newName("e")
      after.tables[index].extraColumns.append(name)
      let type = choices.pick(["INTEGER DEFAULT 5", "TEXT", "BLOB"])
      return run("ALTER TABLE \(table.name) ADD COLUMN \(name) \(type)", after)
    }
  }

  private mutating func dropSomething() -> WorkloadStep {
    var after = schema
    switch choices.number(1...6) {
    case 1 where !after.indexes.isEmpty:
      return run("DROP INDEX \(after.indexes.remove(at: choices.number(0...(after.indexes.count - 1))))", after)
    case 2 where !after.triggers.isEmpty:
      return run("DROP TRIGGER \(after.triggers.remove(at: choices.number(0...(after.triggers.count - 1))))", after)
    case 3 where !after.views.isEmpty: return run("DROP VIEW \(after.views.removeFirst())", after)
    case 4 where !after.textTables.isEmpty: return run("DROP TABLE \(after.textTables.removeFirst())", after)
    case 5 where !after.spatialTables.isEmpty: return run("DROP TABLE \(after.spatialTables.removeFirst())", after)
    case _ where after.tables.count > 1:
      return run("DROP TABLE \(after.tables.remove(at: choices.number(0...(after.tables.count - 1))).name)", after)
    default: return createTable()
    }
  }
}
