/// A table of the new database, and how records of the old one become its rows.
final class TargetTable {
  /// What the values at one position of a record are.
  struct Field {
    let name: String
    /// False for a generated column, which is stored but computed again.
    let isInsertable: Bool
    /// The column is the rowid: its stored value is NULL.
    let isRowid: Bool
    let isNotNull: Bool
    /// Text affinity never leaves a number in a record. Source: https://www.sqlite.org/datatype3.html
    let hasTextAffinity: Bool
  }

  /// What became of a row.
  enum Outcome {
    case inserted
    /// Its key is there already, or a constraint refuses it.
    case refused
    /// It has more values than the table has columns.
    case misfit
  }

  let name: String
  let isWithoutRowid: Bool
  private(set) var insertedCount = 0
  private(set) var refusedCount = 0
  /// Rows whose record is partly on a lost page.
  var unreadableCount = 0
  private let fields: [Field]
  private let rowidName: String?
  private let session: Session
  private var statements: [RowInsertion.Shape: String] = [:]

  /// Whether rows keep their rowid.
  var keepsRowids: Bool { isWithoutRowid || rowidName != nil || fields.contains(where: \.isRowid) }

  /// - Throws: when the table is not there.
  init(_ name: String, in session: Session) throws {
    self.name = name
    self.session = session
    let isWithoutRowid =
      try session.value("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", [.text(name)]).integer
      == 1
    self.isWithoutRowid = isWithoutRowid
    // hidden: 0 ordinary, 2 virtual generated (not stored), 3 stored generated.
    // Source: https://www.sqlite.org/pragma.html#pragma_table_xinfo
    let columns = try session.query(
      "SELECT cid, name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?)", [.text(name)]
    ) {
      Column(
        id: $0[0].integer ?? 0, name: $0[1].text ?? "", type: ($0[2].text ?? "").uppercased(),
        isNotNull: $0[3].integer == 1, isKey: ($0[4].integer ?? 0) > 0, hidden: $0[5].integer ?? 0)
    }
    let keyIndexCount = try session.value(
      "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'", [.text(name)]
    ).integer
    let keys = columns.filter(\.isKey)
    // `INTEGER PRIMARY KEY DESC` looks like the rowid and is not: it has an index.
    let hasRowidColumn = !isWithoutRowid && keys.count == 1 && keys[0].type == "INTEGER" && keyIndexCount == 0
    var stored = columns.filter { $0.hidden != 2 }
    if isWithoutRowid {
      // The key first, then the rest; SQLite knows the order best.
      let order = try session.query(
        """
        SELECT x.cid FROM pragma_index_list(?1) AS l, pragma_index_xinfo(l.name) AS x WHERE l.origin = 'pk' ORDER BY x.seqno
        """, [.text(name)]
      ) { $0[0].integer ?? -1 }
      stored = order.compactMap { id in columns.first { $0.id == id } }
    }
    fields = stored.map {
      Field(
        name: Self.quoted($0.name), isInsertable: $0.hidden == 0, isRowid: hasRowidColumn && $0.isKey,
        isNotNull: $0.isNotNull || (isWithoutRowid && $0.isKey), hasTextAffinity: $0.hasTextAffinity)
    }
    let taken = Set(columns.map { $0.name.lowercased() })
    rowidName = isWithoutRowid || hasRowidColumn ? nil : ["_rowid_", "rowid", "oid"].first { !taken.contains($0) }
  }

  private struct Column {
    let id: Int64
    let name: String
    let type: String
    let isNotNull: Bool
    let isKey: Bool
    let hidden: Int64

    /// Source: https://www.sqlite.org/datatype3.html#determination_of_column_affinity
    var hasTextAffinity: Bool {
      !type.contains("INT") && (type.contains("CHAR") || type.contains("CLOB") || type.contains("TEXT"))
    }
  }

  /// Whether records that look like `profile` can be rows of this table.
  func fits(_ profile: RecordProfile) -> Bool {
    guard profile.columns.count <= fields.count else { return false }
    return zip(profile.columns, fields).allSatisfy { seen, field in
      if field.isRowid { return !seen.contains(.number) && !seen.contains(.bytes) }
      if field.isNotNull, seen.contains(.null) { return false }
      return !(field.hasTextAffinity && seen.contains(.number))
    }
  }

  /// Inserts a row; the first of two with the same key stays.
  ///
  /// A record may have fewer values than the table has columns: those were added later, and take their default.
  func insert(_ row: SalvagedRow) throws(EncryptedStorageError) -> Outcome {
    guard row.values.count <= fields.count else { return .misfit }
    var columns: [String] = []
    var values: [StoredValue] = []
    if let rowidName, let rowid = row.rowid {
      columns.append(rowidName)
      values.append(.integer(rowid))
    }
    for (field, value) in zip(fields, row.values) where field.isInsertable {
      columns.append(field.name)
      values.append(field.isRowid ? row.rowid.map { .integer($0) } ?? .null : value)
    }
    let shape = RowInsertion.Shape(values)
    let sql = statements[shape] ?? RowInsertion.sql(table: Self.quoted(name), columns: columns, shape)
    statements[shape] = sql
    do throws(EncryptedStorageError) {
      if try session.execute(sql, values.map(\.bindable)) > 0 {
        insertedCount += 1
        return .inserted
      }
    } catch {
      // STRICT tables refuse a wrong type with an error; a value can be too large for this build of SQLite.
      guard error.code == .constraint || error.code == .statement else { throw error }
    }
    refusedCount += 1
    return .refused
  }

  static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
}
