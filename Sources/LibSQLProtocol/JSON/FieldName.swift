/// Every name the protocol gives to a field or a `type`, so that keys are recognised without making strings of them.
///
/// - Source: HRANA_3_SPEC.md; `replication_index` and the counts of rows are additions of the reference server.
enum FieldName: String, CaseIterable {
  case type, value, base64, name, decltype, message, code
  case sql, args, condition, stmt, steps, step, cond, conds, cols, rows, row, params
  case sqlID = "sql_id"
  case namedArgs = "named_args"
  case wantRows = "want_rows"
  case replicationIndex = "replication_index"
  case affectedRowCount = "affected_row_count"
  case lastInsertRowID = "last_insert_rowid"
  case rowsRead = "rows_read"
  case rowsWritten = "rows_written"
  case queryDurationMS = "query_duration_ms"
  case stepResults = "step_results"
  case stepErrors = "step_errors"
  case isExplain = "is_explain"
  case isReadOnly = "is_readonly"
  case isAutocommit = "is_autocommit"
  case baton, requests, results, response, result, request, batch, error, jwt, entries, done
  case baseURL = "base_url"
  case requestID = "request_id"
  case streamID = "stream_id"
  case cursorID = "cursor_id"
  case maxCount = "max_count"

  case null, integer, float, text, blob, ok, not, and, or
  case execute, sequence, describe, close, hello
  case storeSQL = "store_sql"
  case closeSQL = "close_sql"
  case getAutocommit = "get_autocommit"
  case stepBegin = "step_begin"
  case stepEnd = "step_end"
  case stepError = "step_error"
  case helloOK = "hello_ok"
  case helloError = "hello_error"
  case responseOK = "response_ok"
  case responseError = "response_error"
  case openStream = "open_stream"
  case closeStream = "close_stream"
  case openCursor = "open_cursor"
  case closeCursor = "close_cursor"
  case fetchCursor = "fetch_cursor"
}

/// Finds a ``FieldName`` by its bytes: a hash table with open addressing, at most half full.
struct FieldNames: Sendable {
  static let shared = FieldNames()

  let all = FieldName.allCases
  private let spellings: [[UInt8]]
  private let slots: [UInt8]
  private static let slotCount = 256
  private static let empty: UInt8 = 0xff

  private init() {
    var slots = [UInt8](repeating: Self.empty, count: Self.slotCount)
    spellings = all.map { Array($0.rawValue.utf8) }
    for (index, spelling) in spellings.enumerated() {
      var hash = Hash()
      for byte in spelling { hash.add(byte) }
      var slot = hash.slot
      while slots[slot] != Self.empty { slot = (slot + 1) % Self.slotCount }
      slots[slot] = UInt8(index)
    }
    self.slots = slots
  }

  /// FNV-1a. Nobody gains by collisions: only names of the protocol are in the table.
  struct Hash {
    private var state: UInt32 = 0x811c_9dc5
    var slot: Int { Int((state ^ state >> 16) & UInt32(FieldNames.slotCount - 1)) }
    mutating func add(_ byte: UInt8) { state = (state ^ UInt32(byte)) &* 0x0100_0193 }
  }

  /// The index in ``all`` of the name in `range` of `bytes`, whose hash is `hash`; nil if the protocol has no such name.
  func index(_ hash: Hash, _ bytes: [UInt8], _ range: Range<Int>) -> Int? {
    var slot = hash.slot
    while slots[slot] != Self.empty {
      let index = Int(slots[slot])
      if spells(index, bytes, range) { return index }
      slot = (slot + 1) % Self.slotCount
    }
    return nil
  }

  /// The same for a name of which the hash is not known.
  func index(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
    var hash = Hash()
    for position in range { hash.add(bytes[position]) }
    return index(hash, bytes, range)
  }

  private func spells(_ index: Int, _ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    let spelling = spellings[index]
    guard spelling.count == range.count else { return false }
    var position = range.lowerBound
    for byte in spelling {
      guard bytes[position] == byte else { return false }
      position += 1
    }
    return true
  }
}
