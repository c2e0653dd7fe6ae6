/// The SQL that inserts stored values unchanged.
enum RowInsertion {
  /// What the text of the statement depends on.
  struct Shape: Hashable {
    let count: Int
    let textPositions: [Int]

    init(_ values: [StoredValue]) {
      count = values.count
      textPositions = values.indices.filter { values[$0].isNonEmptyText }
    }
  }

  /// `CAST(blob AS TEXT)` takes the bytes as text in the encoding of the database without looking at them, so that a byte
  /// order mark, a NUL or an invalid sequence stays what it was. Source: https://www.sqlite.org/lang_expr.html#castexpr
  /// Of a parameter it takes them for UTF-8, whatever the encoding (measured on 4.6.1); the result of a function is taken
  /// as documented, hence `substr`, which makes NULL of an empty blob, hence the exception for empty text.
  static func sql(table: String, columns: [String], _ shape: Shape) -> String {
    guard !columns.isEmpty else { return "INSERT OR IGNORE INTO \(table) DEFAULT VALUES" }
    let texts = Set(shape.textPositions)
    let parameters = columns.indices.map { texts.contains($0) ? "CAST(substr(?, 1) AS TEXT)" : "?" }
    return """
      INSERT OR IGNORE INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(parameters.joined(separator: ", ")))
      """
  }
}
