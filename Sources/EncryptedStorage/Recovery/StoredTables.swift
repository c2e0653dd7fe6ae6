package import EncryptionKeys

/// Reads rows out of the stored pages of a database: the newest committed ones, without SQLite, without a lock, and
/// without writing anything. For databases whose text is UTF-8.
///
/// Not Sendable: files and codecs belong to one thread.
package struct StoredTables {
  /// One row as it is stored: an `INTEGER PRIMARY KEY` is the rowid, and `.null` among the values.
  package struct Row {
    package let rowid: Int64
    package let values: [Value]
  }

  private let pages: AuthenticPages

  /// A program that is writing cannot empty its log at each of these tries.
  private static let tries = 5

  /// Hands the tables of one commit to `body`.
  ///
  /// Nothing keeps writers out meanwhile. What they commit goes to the end of the log, and from there to the file. So what
  /// was read belongs together as long as the log has not been begun anew, and no page that came from the file has got a
  /// newer version in the log. Otherwise `body` is called again.
  /// - Throws: what `body` throws; `.wrongKey`, `.damaged`; `.busy` when every try is disturbed.
  package static func read<T>(
    _ path: String, keys: [KeyMaterial], _ body: (StoredTables) throws(EncryptedStorageError) -> T
  ) throws(EncryptedStorageError) -> T {
    let absolute = try FileSystem.existingFile(path)
    for _ in 1...tries {
      let log = try logHeader(absolute)
      let tables = try StoredTables(absolute, keys: keys)
      do throws(EncryptedStorageError) {
        let result = try body(tables)
        if try tables.belongsTogether(since: log) { return result }
      } catch {
        guard try !tables.belongsTogether(since: log) else { throw error }
      }
    }
    throw EncryptedStorageError(
      .busy, operation: "read", file: path, detail: "the file is being written all the time", hint: "try again")
  }

  private static func logHeader(_ path: String) throws(EncryptedStorageError) -> [UInt8] {
    do throws(EncryptedStorageError) {
      return try RawDatabaseFile(path: path + "-wal").bytes(at: 0, count: WriteAheadLog.headerByteCount)
    } catch {
      guard error.code == .missing else { throw error }
      return []
    }
  }

  private func belongsTogether(since header: [UInt8]) throws(EncryptedStorageError) -> Bool {
    let path = pages.image.path
    guard try Self.logHeader(path) == header else { return false }
    var scan = WriteAheadLogScan(path: path + "-wal", keys: pages.image.keys.candidates[0].keys)
    scan.checksChainOnly = true
    do throws(EncryptedStorageError) {
      let newest = try scan.run().newestFrames
      return pages.fileReads?.allSatisfy { newest[$0] == nil } ?? false
    } catch {
      guard error.code == .missing else { throw error }
      return false
    }
  }

  private init(_ path: String, keys: [KeyMaterial]) throws(EncryptedStorageError) {
    pages = try AuthenticPages(DatabaseImage(path, materials: keys))
  }

  /// The header of the database; nil when page 1 is lost.
  package var header: DatabaseHeader? { pages.image.header }

  /// All rows of a table, which should be small.
  ///
  /// - Throws: `.damaged` when the table is not there, or any of its pages is lost.
  package func rows(of table: String) throws(EncryptedStorageError) -> [Row] {
    let reader = RowReader(pages, cancellation: Cancellation())
    return try rows(from: try root(of: table), reader).map { (row) throws(EncryptedStorageError) in
      try decode(row, of: table)
    }
  }

  /// The row with the largest rowid, read along one path of the tree; nil when the table is empty.
  ///
  /// - Throws: as ``rows(of:)``.
  package func lastRow(of table: String) throws(EncryptedStorageError) -> Row? {
    let reader = RowReader(pages, cancellation: Cancellation())
    var number = try root(of: table)
    // Claiming each page ends a cycle.
    while let page = try pages.bTreePage(number), page.kind.family == .table, reader.claim(number) {
      guard page.kind.isLeaf else {
        number = page.rightChild ?? 0
        continue
      }
      var last: SalvagedRow?
      let droppedCount = try reader.forEachRow(of: page, from: max(0, page.cellCount - 1)) { last = $0 }
      guard droppedCount == 0 else { break }
      return try last.map { (row) throws(EncryptedStorageError) in try decode(row, of: table) }
    }
    throw lost(table)
  }

  private func root(of table: String) throws(EncryptedStorageError) -> UInt32 {
    let reader = RowReader(pages, cancellation: Cancellation())
    for row in try rows(from: 1, reader) {
      guard let object = SalvagedSchema.Object(row, .utf8, pageCount: pages.pageCount) else { continue }
      if object.type == "table", object.name == table { return object.rootPage }
    }
    throw lost(table)
  }

  private func rows(from root: UInt32, _ reader: RowReader) throws(EncryptedStorageError) -> [SalvagedRow] {
    var rows: [SalvagedRow] = []
    var droppedCount = 0
    let gaps = try BTreeWalk(reader: reader, family: .table).run(root: root) { (page) throws(EncryptedStorageError) in
      droppedCount += try reader.forEachRow(of: page) { rows.append($0) }
    }
    guard gaps.isEmpty, droppedCount == 0 else {
      throw EncryptedStorageError(
        .damaged, operation: "read", file: pages.image.path, detail: "a page of its schema or of a table is lost",
        hint: "run albergue-crypt verify")
    }
    return rows
  }

  private func decode(_ row: SalvagedRow, of table: String) throws(EncryptedStorageError) -> Row {
    var values: [Value] = []
    for value in row.values {
      switch value {
      case .null: values.append(.null)
      case .integer(let number): values.append(.integer(number))
      case .real(let number): values.append(.real(number))
      case .blob(let bytes): values.append(.blob(bytes))
      case .text(let bytes):
        guard let text = TextEncoding.utf8.decode(bytes) else { throw lost(table) }
        values.append(.text(text))
      }
    }
    guard let rowid = row.rowid else { throw lost(table) }
    return Row(rowid: rowid, values: values)
  }

  private func lost(_ table: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "read", file: pages.image.path, detail: "the table \(table) cannot be read",
      hint: "run albergue-crypt verify")
  }
}
