import CommandSupport
import EncryptedStorage

/// Rows of a query and the ways to print them.
struct QueryResult: Sendable {
  let columns: [String]
  let rows: [[Value]]

  func print(as format: QueryCommand.Format) throws {
    guard !columns.isEmpty else { return }
    switch format {
    case .table: try printTable()
    case .csv: try printCSV()
    case .json: try JSONOutput.print(["columns": JSONValue.array(columns.map(JSONValue.string)), "rows": jsonRows])
    }
  }

  private func printTable() throws {
    let texts = rows.map { $0.map(Self.text) }
    let widths = columns.indices.map { column in
      ([columns[column]] + texts.map { $0[column] }).map(\.count).max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      let padded = zip(cells, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
      return String(padded.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
    }
    try StandardOutput.line(line(columns))
    try StandardOutput.line(widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "))
    for row in texts { try StandardOutput.line(line(row)) }
  }

  /// RFC 4180 quoting; a NULL is an empty field, an empty text is `""`.
  private func printCSV() throws {
    func field(_ text: String) -> String {
      let needsQuotes = text.isEmpty || text.contains { $0 == "," || $0 == "\"" || $0.isNewline }
      return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
    try StandardOutput.line(columns.map(field).joined(separator: ","))
    for row in rows {
      try StandardOutput.line(row.map { $0 == .null ? "" : field(Self.text($0)) }.joined(separator: ","))
    }
  }

  private var jsonRows: JSONValue {
    .array(
      rows.map { row in
        .array(
          row.map { value in
            switch value {
            case .null: .null
            case .integer(let number): .integer(number)
            case .real(let number): number.isFinite ? .real(number) : .string("\(number)")
            case .text(let text): .string(text)
            case .blob: .string(Self.text(value))
            }
          })
      })
  }

  /// Blobs as hexadecimal digits, as SQL writes them.
  private static func text(_ value: Value) -> String {
    switch value {
    case .null: "NULL"
    case .integer(let number): String(number)
    case .real(let number): String(number)
    case .text(let text): text
    case .blob(let bytes): "X'" + bytes.map(hexadecimal).joined() + "'"
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
  }
}

/// JSON whose shape is known only at run time.
enum JSONValue: Encodable, Sendable {
  case null
  case integer(Int64)
  case real(Double)
  case string(String)
  case array([JSONValue])

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .integer(let number): try container.encode(number)
    case .real(let number): try container.encode(number)
    case .string(let text): try container.encode(text)
    case .array(let values): try container.encode(values)
    }
  }
}
