import CSQLCipher
import EncryptedStorage

/// A plaintext database in memory, through the C API and nothing of ours: what SQLite itself answers.
///
/// Unsafe code: owns one handle until `close`; used by one task at a time.
final class PlainDatabase {
  /// What one statement answered.
  struct Answer: Equatable {
    var rows: [[Value]] = []
    /// The primary result code, if it failed.
    var failure: Int32?
    var isAutocommit = true
  }

  struct Failure: Error { let result: Int32 }

  private var handle: OpaquePointer?

  /// Makes an empty database with the settings that clients of the primary have.
  init() throws {
    try check(sqlite3_open_v2(":memory:", &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, nil))
    try check(CSQLCipher_db_config_foreign_keys(handle, 1))
    try check(CSQLCipher_db_config_defensive(handle, 1))
    try check(CSQLCipher_db_config_trusted_schema(handle, 0))
  }

  func close() {
    sqlite3_close_v2(handle)
    handle = nil
  }

  deinit { sqlite3_close_v2(handle) }

  var isAutocommit: Bool { sqlite3_get_autocommit(handle) != 0 }

  /// Runs one statement to its end.
  func run(_ sql: String) -> Answer {
    var answer = Answer()
    var statement: OpaquePointer?
    var result = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
    if result == SQLITE_OK {
      result = sqlite3_step(statement)
      while result == SQLITE_ROW {
        answer.rows.append((0..<sqlite3_column_count(statement)).map { Self.value(statement, $0) })
        result = sqlite3_step(statement)
      }
      sqlite3_finalize(statement)
    }
    if result != SQLITE_DONE, result != SQLITE_OK {
      answer.failure = result & 0xff
      answer.rows = []
    }
    answer.isAutocommit = isAutocommit
    return answer
  }

  private static func value(_ statement: OpaquePointer?, _ index: Int32) -> Value {
    switch sqlite3_column_type(statement, index) {
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
    case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, index))
    case SQLITE_NULL: return .null
    case SQLITE_TEXT:
      let start = sqlite3_column_text(statement, index)
      let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
      return .text(String(decoding: bytes, as: UTF8.self))
    default:
      let start = sqlite3_column_blob(statement, index)
      return .blob([UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))))
    }
  }

  private func check(_ result: Int32) throws {
    guard result == SQLITE_OK else { throw Failure(result: result) }
  }
}
