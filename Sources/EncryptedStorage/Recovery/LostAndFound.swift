/// The table for rows of which nobody knows the table: `lost_and_found(rootpgno, pgno, nfield, id, c0, c1, …)`, the same
/// columns as the `.recover` command of sqlite3 makes. Source: https://www.sqlite.org/recovery.html
final class LostAndFound {
  /// A name that no table of the schema has.
  let name: String
  private(set) var rowCount = 0
  /// Rows with more values than a table can have columns.
  private(set) var refusedCount = 0
  private let session: Session
  private var valueColumnCount: Int?
  private var statements: [RowInsertion.Shape: String] = [:]

  /// Source: https://www.sqlite.org/limits.html (SQLITE_MAX_COLUMN), less the four columns in front.
  private static let valueColumnCountMax = 1996
  private static let frontColumns = ["rootpgno", "pgno", "nfield", "id"]

  init(in session: Session, otherNames: Set<String>) {
    self.session = session
    let taken = Set(otherNames.map { $0.lowercased() })
    var name = "lost_and_found"
    var number = 0
    while taken.contains(name) {
      name = "lost_and_found_\(number)"
      number += 1
    }
    self.name = name
  }

  /// - Parameter root: topmost page of the b-tree that the row's page is in, as far as it is known.
  func insert(_ row: SalvagedRow, root: UInt32) throws(EncryptedStorageError) {
    guard row.values.count <= Self.valueColumnCountMax else {
      refusedCount += 1
      return
    }
    try makeRoom(row.values.count)
    let front: [StoredValue] = [
      .integer(Int64(root)), .integer(Int64(row.page)), .integer(Int64(row.values.count)),
      row.rowid.map { .integer($0) } ?? .null,
    ]
    let values = front + row.values
    let shape = RowInsertion.Shape(values)
    let sql =
      statements[shape]
      ?? RowInsertion.sql(table: name, columns: Self.frontColumns + row.values.indices.map { "c\($0)" }, shape)
    statements[shape] = sql
    try session.execute(sql, values.map(\.bindable))
    rowCount += 1
  }

  /// The value columns have no type, so that every value stays as it is.
  private func makeRoom(_ count: Int) throws(EncryptedStorageError) {
    guard let present = valueColumnCount else {
      let columns = ["rootpgno INTEGER", "pgno INTEGER", "nfield INTEGER", "id INTEGER"] + (0..<count).map { "c\($0)" }
      try session.execute("CREATE TABLE \(name) (\(columns.joined(separator: ", ")))")
      valueColumnCount = count
      return
    }
    guard count > present else { return }
    for index in present..<count { try session.execute("ALTER TABLE \(name) ADD COLUMN c\(index)") }
    valueColumnCount = count
  }
}
