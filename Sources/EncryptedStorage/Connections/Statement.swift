internal import CSQLCipher
internal import Glibc

/// A prepared statement of one session. Steps run on the thread of the session; not Sendable.
///
/// Unsafe code: owns the `sqlite3_stmt` until `finalize` or `deinit`, whichever is first, and keeps the handle alive;
/// what a column pointer points to is copied before the next step.
@safe public final class Statement {
  private let handle: DatabaseHandle
  private(set) var pointer: OpaquePointer?
  /// The SQL text it was made from.
  public let sql: String

  init(handle: DatabaseHandle, statement: OpaquePointer, sql: String) {
    self.handle = handle
    unsafe pointer = statement
    self.sql = sql
  }

  deinit { finalize() }

  /// Frees the statement; any later use throws `.closed`.
  func finalize() {
    unsafe sqlite3_finalize(pointer)
    unsafe pointer = nil
  }

  /// Whether the statement makes no direct change to the database file.
  /// Source: https://www.sqlite.org/c3ref/stmt_readonly.html
  public var isReadOnly: Bool { unsafe sqlite3_stmt_readonly(pointer) != 0 }

  /// Whether it reads rows: `SELECT`, `WITH … SELECT`, `VALUES`. Found out once: looking at the text takes as long as
  /// reading a row.
  private(set) lazy var isQuery: Bool = {
    guard isReadOnly, unsafe sqlite3_column_count(pointer) > 0 else { return false }
    let keyword = sql.drop { $0.isWhitespace }.prefix { $0.isLetter }.uppercased()
    return keyword != "PRAGMA" && keyword != "EXPLAIN"
  }()

  /// Whether it has been stepped and neither finished nor been reset.
  var isBusy: Bool { unsafe sqlite3_stmt_busy(pointer) != 0 }

  /// Number of parameters, `?` and named ones.
  public var parameterCount: Int { Int(unsafe sqlite3_bind_parameter_count(pointer)) }

  /// Names of the result columns, in order; empty for a statement without a result.
  public var columnNames: [String] {
    let count = unsafe sqlite3_column_count(pointer)
    return (0..<count).map { index in
      guard let name = unsafe sqlite3_column_name(pointer, index) else { return "" }
      return unsafe String(cString: name)
    }
  }

  /// Binds `values` to the parameters 1, 2, … and forgets former ones.
  ///
  /// - Throws: `.statement` when the number of values differs from the number of parameters.
  func bind(_ values: [Value]) throws(EncryptedStorageError) {
    reset()
    guard values.count == parameterCount else {
      throw EncryptedStorageError(
        .statement, operation: "bind", file: handle.path,
        detail: "\(values.count) values for \(parameterCount) parameters")
    }
    for (offset, value) in values.enumerated() {
      let result = bind(value, at: Int32(offset) + 1)
      guard result == SQLITE_OK else { throw handle.error(result, operation: "bind") }
    }
  }

  func bind(_ value: Value, at index: Int32) -> Int32 {
    switch value {
    case .null: return unsafe sqlite3_bind_null(pointer, index)
    case .integer(let number): return unsafe sqlite3_bind_int64(pointer, index, number)
    case .real(let number): return unsafe sqlite3_bind_double(pointer, index, number)
    case .text(var text):
      return text.withUTF8 { bytes in
        guard let base = bytes.baseAddress else {
          return unsafe sqlite3_bind_text64(pointer, index, "", 0, CSQLCipher_transient(), UInt8(SQLITE_UTF8))
        }
        return unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
          unsafe sqlite3_bind_text64(
            pointer, index, $0, UInt64(bytes.count), CSQLCipher_transient(), UInt8(SQLITE_UTF8))
        }
      }
    case .blob(let blob):
      guard !blob.isEmpty else { return unsafe sqlite3_bind_zeroblob(pointer, index, 0) }
      return unsafe blob.withUnsafeBytes {
        unsafe sqlite3_bind_blob64(pointer, index, $0.baseAddress, UInt64($0.count), CSQLCipher_transient())
      }
    }
  }

  /// Advances to the next row; false when there is none.
  ///
  /// - Throws: `.cancelled`, `.busy`, `.constraint`, `.damaged`, `.diskFull`, …; no text of it quotes a value.
  func step() throws(EncryptedStorageError) -> Bool {
    guard unsafe pointer != nil else {
      throw EncryptedStorageError(.closed, operation: "step", file: handle.path, detail: "the connection is closed")
    }
    switch unsafe sqlite3_step(pointer) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let result:
      let error = handle.error(result, operation: "step")
      reset()
      throw error
    }
  }

  /// Back to the start, without parameters. The result repeats what `step` already reported.
  func reset() {
    guard unsafe pointer != nil else { return }
    _ = unsafe sqlite3_reset(pointer)
    _ = unsafe sqlite3_clear_bindings(pointer)
  }

  /// Back to the start, for a statement without parameters.
  func rewind() {
    guard unsafe pointer != nil else { return }
    _ = unsafe sqlite3_reset(pointer)
  }

  // MARK: - Pages

  /// Runs a statement that takes a number and a blob, without copying the blob: for stores that write pages by the
  /// thousand.
  ///
  /// The blob is bound for this call only.
  /// - Returns: rows changed.
  @discardableResult
  package func run(_ number: Int64, _ blob: RawSpan) throws(EncryptedStorageError) -> Int {
    let database = try unsafe handle.opened("step")
    try handle.checkUsable("step")
    defer { reset() }
    let result = unsafe blob.withUnsafeBytes { bytes in
      unsafe sqlite3_bind_int64(pointer, 1, number)
      // nil: SQLite neither copies nor frees it.
      unsafe sqlite3_bind_blob64(pointer, 2, bytes.baseAddress, UInt64(bytes.count), nil)
      return unsafe sqlite3_step(pointer)
    }
    guard result == SQLITE_DONE else { throw handle.error(result, operation: "step") }
    return Int(unsafe sqlite3_changes(database))
  }

  // MARK: - Two statements side by side

  /// Binds the current row of `source` to the parameters 1, 2, … as stored, whatever the classes of its values.
  ///
  /// SQLite copies the values. Source: https://www.sqlite.org/c3ref/bind_blob.html (`sqlite3_bind_value`)
  func bindCurrentRow(of source: Statement) throws(EncryptedStorageError) {
    for column in 0..<Int32(source.columnCount) {
      let result = unsafe sqlite3_bind_value(pointer, column + 1, sqlite3_column_value(source.pointer, column))
      guard result == SQLITE_OK else { throw handle.error(result, operation: "bind") }
    }
  }

  /// Whether the current rows of both have the same classes and the same bytes.
  func currentRowEquals(_ other: Statement) -> Bool {
    guard columnCount == other.columnCount else { return false }
    return (0..<Int32(columnCount)).allSatisfy { columnEquals(other, $0) }
  }

  private func columnEquals(_ other: Statement, _ column: Int32) -> Bool {
    let type = unsafe sqlite3_column_type(pointer, column)
    guard unsafe sqlite3_column_type(other.pointer, column) == type else { return false }
    switch type {
    case SQLITE_NULL: return true
    case SQLITE_INTEGER:
      return unsafe sqlite3_column_int64(pointer, column) == sqlite3_column_int64(other.pointer, column)
    case SQLITE_FLOAT:
      return unsafe sqlite3_column_double(pointer, column).bitPattern
        == (unsafe sqlite3_column_double(other.pointer, column).bitPattern)
    default:
      let left = unsafe sqlite3_column_blob(pointer, column)
      let right = unsafe sqlite3_column_blob(other.pointer, column)
      let count = unsafe sqlite3_column_bytes(pointer, column)
      guard unsafe sqlite3_column_bytes(other.pointer, column) == count else { return false }
      guard count > 0, let left = unsafe left, let right = unsafe right else { return count == 0 }
      return unsafe memcmp(left, right, Int(count)) == 0
    }
  }

  // MARK: - The current row

  fileprivate var columnCount: Int { Int(unsafe sqlite3_data_count(pointer)) }

  func value(at index: Int) -> Value {
    let column = Int32(truncatingIfNeeded: index)
    switch unsafe sqlite3_column_type(pointer, column) {
    case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(pointer, column))
    case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(pointer, column))
    case SQLITE_TEXT: return .text(text(at: column))
    case SQLITE_BLOB: return .blob(bytes(at: column))
    default: return .null
    }
  }

  private func text(at column: Int32) -> String {
    // The text call comes before the byte count: it may convert the encoding. Source: c3ref/column_blob.html
    guard let start = unsafe sqlite3_column_text(pointer, column) else { return "" }
    let count = Int(unsafe sqlite3_column_bytes(pointer, column))
    return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  private func bytes(at column: Int32) -> [UInt8] {
    guard let start = unsafe sqlite3_column_blob(pointer, column) else { return [] }
    let count = Int(unsafe sqlite3_column_bytes(pointer, column))
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
  }
}

/// The current row of a statement. Valid only until the next step, so it can be neither copied nor kept.
public struct Row: ~Copyable {
  private let statement: Statement

  init(_ statement: Statement) { self.statement = statement }

  /// Number of columns.
  public var count: Int { statement.columnCount }

  /// The value of the 0-based column `index`; `.null` outside the columns.
  public subscript(index: Int) -> Value {
    index >= 0 && index < count ? statement.value(at: index) : .null
  }

  /// All values, in column order.
  public var values: [Value] { (0..<count).map { statement.value(at: $0) } }
}
