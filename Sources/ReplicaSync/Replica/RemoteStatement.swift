public import EncryptedStorage
internal import LibSQLProtocol

/// A statement for the remote.
public struct RemoteStatement: Sendable, Hashable {
  /// One statement.
  public var sql: String
  /// Its arguments, the first for parameter 1.
  public var values: [Value]

  /// A statement.
  public init(_ sql: String, _ values: [Value] = []) {
    self.sql = sql
    self.values = values
  }

  /// As it is sent.
  ///
  /// - Throws: ``SyncError`` `.statement` for a number that the protocol has no form for.
  func hrana() throws(SyncError) -> Hrana.Statement {
    var arguments: [Hrana.Value] = []
    for value in values { arguments.append(try Self.hrana(value)) }
    return Hrana.Statement(.text(sql), arguments: arguments)
  }

  private static func hrana(_ value: Value) throws(SyncError) -> Hrana.Value {
    switch value {
    case .null: return .null
    case .integer(let number): return .integer(number)
    case .real(let number):
      guard number.isFinite else {
        throw SyncError(.statement, "an infinite number, or none, cannot be sent to the remote")
      }
      return .float(number)
    case .text(let text): return .text(text)
    case .blob(let bytes): return .blob(bytes)
    }
  }
}

/// What a statement has produced, on the remote or in the replica.
public struct StatementResult: Sendable, Hashable {
  /// Names of the columns; empty where the server gives none.
  public let columns: [String]
  /// Rows, each with one value for each column.
  public let rows: [[Value]]
  /// Rows that it has inserted, updated or deleted.
  public let affectedRowCount: Int
  /// The rowid of the last row that it has inserted, where it has.
  public let lastInsertedRowID: Int64?

  init(columns: [String], rows: [[Value]], affectedRowCount: Int = 0, lastInsertedRowID: Int64? = nil) {
    self.columns = columns
    self.rows = rows
    self.affectedRowCount = affectedRowCount
    self.lastInsertedRowID = lastInsertedRowID
  }

  init(_ result: Hrana.StatementResult) {
    self.init(
      columns: result.columns.map { $0.name ?? "" }, rows: result.rows.map { $0.map(Self.value) },
      affectedRowCount: Int(clamping: result.affectedRowCount), lastInsertedRowID: result.lastInsertRowID)
  }

  private static func value(_ value: Hrana.Value) -> Value {
    switch value {
    case .null: .null
    case .integer(let number): .integer(number)
    case .float(let number): .real(number)
    case .text(let text): .text(text)
    case .blob(let bytes): .blob(bytes)
    }
  }
}
