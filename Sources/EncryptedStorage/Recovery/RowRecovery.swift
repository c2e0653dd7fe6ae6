internal import EncryptionKeys

/// Saves the rows of the authentic pages of an image into a new database.
///
/// Source of the idea, not of the code: https://www.sqlite.org/recovery.html
struct RowRecovery {
  /// What was saved.
  struct Report {
    var tables: [Recovery.Table] = []
    var orphanRowCount = 0
    var isSchemaLost = false
    var notes: [String] = []
  }

  let image: DatabaseImage
  let census: ImageCensus
  let targetKeys: PageKeys
  var progress: Progress?
  var cancellation = Cancellation()

  /// Writes to `path`, which must not exist, and reads it back.
  ///
  /// - Throws: `.diskFull`, `.inputOutput`, `.cancelled`.
  func write(to path: String) throws(EncryptedStorageError) -> (file: OutputFile, report: Report) {
    let output = try OutputFile(creating: path)
    let report: Report
    do {
      let session = try CopySessions.openTarget(path, keys: targetKeys, pageSize: targetKeys.format.pageSize)
      defer { session.close() }
      // With a journal, so that a statement that fails half way is undone. It is in memory, and small: the pages of a new
      // database have no former content.
      try session.executeScript("PRAGMA journal_mode=MEMORY")
      let work = try Work(self, session)
      report = try work.run()
    } catch { throw EncryptedStorageError(error, file: image.path) }
    try output.synchronize()
    var check = RecoveredFileCheck(path: path, keys: targetKeys)
    check.progress = progress
    check.cancellation = cancellation
    guard try check.isSound() else {
      throw EncryptedStorageError(
        .damaged, operation: "recover", file: image.path, detail: "the saved rows do not make a sound database",
        hint: "please report this with the schema of the database")
    }
    return (output, report)
  }

  /// One run, from the first table to the last setting.
  private final class Work {
    private let recovery: RowRecovery
    private let session: Session
    private let reader: RowReader
    private let freeList: FreeList
    private let schema: SalvagedSchema
    private let lostAndFound: LostAndFound
    private var salvaged = SalvagedTables()
    /// Rows of `sqlite_sequence`: they are put in last, because every insert changes them.
    private var sequences: [SalvagedRow] = []
    /// Whether every table of the schema could be created.
    private var isSchemaUsable = true
    private var unreadableOrphanCount = 0
    private var notes: [String] = []

    init(_ recovery: RowRecovery, _ session: Session) throws(EncryptedStorageError) {
      self.recovery = recovery
      self.session = session
      let pages = try AuthenticPages(recovery.image, census: recovery.census)
      freeList = try FreeList(pages)
      reader = RowReader(pages, cancellation: recovery.cancellation)
      recovery.progress?.step("reading schema")
      schema = try SalvagedSchema(reader)
      lostAndFound = LostAndFound(in: session, otherNames: Set(schema.objects.map(\.name)))
    }

    func run() throws -> Report {
      try session.execute("PRAGMA encoding='\(schema.encoding.name)'")
      recovery.progress?.step("salvaging")
      recovery.progress?.begin(total: Int64(schema.objects.count))
      try session.transaction(.exclusive) { _ in
        createTables()
        try saveTables()
        try saveOrphans()
        try putBackSequences()
        createIndexesViewsAndTriggers()
        try insertVirtualTables()
        try applySettings()
      }
      return report()
    }

    // MARK: - Tables

    private func createTables() {
      for object in schema.objects where object.type == "table" && !object.isInternal && !object.isVirtualTable {
        create(object)
      }
      if schema.objects.contains(where: \.isStatistics) { attempt("ANALYZE sqlite_schema", "the statistics") }
    }

    private func create(_ object: SalvagedSchema.Object) {
      guard let sql = object.sql, attempt(sql, "\(object.type) \(object.name)") else {
        if object.type == "table" { isSchemaUsable = false }
        return
      }
    }

    /// Runs one statement of the old schema; its failure is noted, not fatal.
    @discardableResult
    private func attempt(_ sql: String, _ what: String) -> Bool {
      do throws(EncryptedStorageError) {
        try session.execute(sql)
        return true
      } catch {
        notes.append("\(what) could not be created: \(error.detail)")
        return false
      }
    }

    private func saveTables() throws {
      for object in schema.objects {
        recovery.progress?.advance(by: 1)
        guard object.rootPage > 0 else { continue }
        switch object.type {
        case "table": try save(object)
        case "index":
          let gaps = try BTreeWalk(reader: reader, family: .index).run(root: object.rootPage) { _ in }
          salvaged.addIndex(gaps: gaps)
        default: continue
        }
      }
    }

    private func save(_ object: SalvagedSchema.Object) throws {
      let isThere = try session.value(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(object.name)])
      guard isThere == .integer(1) else { return }
      let table = try TargetTable(object.name, in: session)
      if object.isInternal { try session.execute("DELETE FROM \(TargetTable.quoted(object.name))") }
      let family: BTreePage.Family = table.isWithoutRowid ? .index : .table
      let gaps = try BTreeWalk(reader: reader, family: family).run(root: object.rootPage) {
        (page) throws(EncryptedStorageError) in
        table.unreadableCount += try reader.forEachRow(of: page) { (row) throws(EncryptedStorageError) in
          if object.isSequence { sequences.append(row) } else { try insert(row, into: table, root: object.rootPage) }
        }
      }
      salvaged.add(table, gaps: gaps)
      if !table.keepsRowids { notes.append("table \(table.name): its columns hide the rowid; rows got new ones") }
    }

    private func insert(_ row: SalvagedRow, into table: TargetTable, root: UInt32) throws(EncryptedStorageError) {
      if try table.insert(row) == .misfit { try lostAndFound.insert(row, root: root) }
    }

    // MARK: - Pages without a table

    private func saveOrphans() throws(EncryptedStorageError) {
      let isCertain = schema.isComplete && isSchemaUsable && freeList.isComplete
      try OrphanPages(reader: reader, freeList: freeList).forEachTree {
        (root, pages, profile) throws(EncryptedStorageError) in
        guard let family = try reader.pages.bTreePage(root)?.kind.family else { return }
        let owner = isCertain ? salvaged.owner(of: profile, family) : nil
        // The entries of an index are copies of what is in its table, unless the tree may be a WITHOUT ROWID table.
        if owner == nil, family == .index, isCertain, !salvaged.mayMissRecordsOfIndexTrees { return }
        for number in pages {
          guard let page = try reader.pages.bTreePage(number) else { continue }
          let unreadable = try reader.forEachRow(of: page) { (row) throws(EncryptedStorageError) in
            if let owner { try insert(row, into: owner, root: root) } else { try lostAndFound.insert(row, root: root) }
          }
          if let owner { owner.unreadableCount += unreadable } else { unreadableOrphanCount += unreadable }
        }
      }
    }

    // MARK: - The rest of the schema

    /// A counter never goes back, so that no rowid is used twice.
    private func putBackSequences() throws {
      guard try session.value("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'") == .integer(1) else {
        return
      }
      for row in sequences {
        guard row.values.count == 2, case .text(let bytes) = row.values[0], let name = schema.encoding.decode(bytes),
          case .integer(let counter) = row.values[1]
        else { continue }
        let present = try session.value("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", [.text(name)]).integer
        guard counter > present ?? .min else { continue }
        try session.execute("DELETE FROM sqlite_sequence WHERE name = ?", [.text(name)])
        try session.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [.text(name), .integer(counter)])
      }
    }

    private func createIndexesViewsAndTriggers() {
      for type in ["index", "view", "trigger"] {
        for object in schema.objects where object.type == type && object.sql != nil { create(object) }
      }
    }

    /// The module of a virtual table need not be here: its text is put back without running it.
    private func insertVirtualTables() throws {
      let objects = schema.objects.filter { $0.isVirtualTable && $0.sql != nil }
      guard !objects.isEmpty else { return }
      try session.execute("PRAGMA writable_schema=ON")
      for object in objects {
        try session.execute(
          "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)",
          [.text(object.name), .text(object.tableName), object.sql.map { .text($0) } ?? .null])
      }
      try session.execute("PRAGMA writable_schema=OFF")
    }

    private func applySettings() throws {
      guard let header = recovery.image.header else { return }
      try session.execute("PRAGMA user_version=\(Int32(bitPattern: header.userVersion))")
      try session.execute("PRAGMA application_id=\(Int32(bitPattern: header.applicationID))")
      if header.largestRootPage > 0 { notes.append("auto-vacuum is off in the new file") }
    }

    // MARK: - The report

    private func report() -> Report {
      var report = Report()
      report.tables = salvaged.tables.filter { !$0.name.lowercased().hasPrefix("sqlite_") }.map {
        Recovery.Table(
          name: $0.name, recoveredRowCount: $0.insertedCount, unreadableRowCount: $0.unreadableCount,
          refusedRowCount: $0.refusedCount)
      }
      report.orphanRowCount = lostAndFound.rowCount
      report.isSchemaLost = schema.isRootLost
      report.notes = notes
      if schema.isRootLost {
        report.notes.append(
          schema.objects.isEmpty
            ? "page 1 is lost, and with it the schema: text is taken for \(schema.encoding.name)"
            : "page 1 is lost; \(schema.objects.count) objects of the schema were found on other pages")
      } else if !schema.isComplete {
        report.notes.append("part of the schema is lost")
      }
      if lostAndFound.rowCount > 0 {
        report.notes.append(
          "rows without a table are in \(lostAndFound.name); those without id may be entries of indexes")
      }
      if !freeList.isComplete {
        report.notes.append("the free list is damaged: some of these rows may have been deleted")
      }
      let unreadable = unreadableOrphanCount + lostAndFound.refusedCount
      if unreadable > 0 { report.notes.append("\(unreadable) rows without a table could not be read") }
      return report
    }
  }
}
