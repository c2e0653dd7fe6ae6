import CSQLCipher
import EncryptedStorage
import EncryptionKeys

/// Measures inside one process what whole-process runs cannot: opening, and a scan through our connection and through the
/// library alone, in turns. Prints one JSON object of medians in microseconds. Started by taskfiles/bench/run.py.
@main
enum StorageBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, let rounds = Int(arguments[4]) else {
      return print("usage: storage-benchmark PLAINTEXT-FILE SQLCIPHER4-FILE 64-HEX-DIGITS ROUNDS")
    }
    let plain = arguments[1]
    let encrypted = arguments[2]
    let hexDigits = arguments[3]
    let text = Array(hexDigits.utf8)
    let key = try text.withUnsafeBytes { try KeyMaterial(id: KeyID("benchmark"), parsing: $0) }
    let factory = ConnectionFactory(key: key, profile: .sqlcipher4)
    var times: [String: [Double]] = [:]
    func measure(_ name: String, _ body: () throws -> Void) rethrows {
      let start = ContinuousClock.now
      try body()
      let elapsed = (ContinuousClock.now - start).components
      times[name, default: []].append(Double(elapsed.seconds) * 1e6 + Double(elapsed.attoseconds) / 1e12)
    }
    for round in 0..<(rounds * 20 + 20) {
      if round == 20 { times.removeAll() }
      try measure("open_plain") { try LibraryAlone(plain, nil).close() }
      try measure("open_library") { try LibraryAlone(encrypted, hexDigits).close() }
      try measure("open_ours") { try factory.openSession(encrypted, .reader).close() }
    }
    let sql = "SELECT count(*), sum(length(a)), sum(length(b)) FROM t"
    let rows = "SELECT id FROM t NOT INDEXED"
    let alone = try LibraryAlone(encrypted, hexDigits)
    let session = try factory.openSession(encrypted, .reader)
    for round in 0...rounds {
      if round == 1 { for name in times.keys where name.hasPrefix("scan") { times[name] = nil } }
      try measure("scan_library") { _ = try alone.scan(sql) }
      try measure("scan_ours") { _ = try session.value(sql) }
      try measure("scan_rows_library") { _ = try alone.scan(rows) }
      try measure("scan_rows_ours") {
        var sum: Int64 = 0
        try session.forEachRow(rows) { sum &+= $0[0].integer ?? 0 }
      }
    }
    session.close()
    alone.close()
    let medians = times.mapValues { $0.sorted()[$0.count / 2] }
    let fields = medians.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
    print("{" + fields.joined(separator: ", ") + "}")
  }
}

/// SQLCipher without anything of ours: open, key, settings as our connections have them, first read.
///
/// Unsafe code: owns one handle until `close`; for measuring only.
final class LibraryAlone {
  private var database: OpaquePointer?

  struct Failure: Error { let result: Int32 }

  init(_ path: String, _ hexDigits: String?) throws {
    try check(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil))
    if let hexDigits {
      let literal = "x'\(hexDigits)'"
      try check(sqlite3_key_v2(database, "main", literal, Int32(literal.utf8.count)))
      try check(sqlite3_exec(database, "PRAGMA temp_store=MEMORY", nil, nil, nil))
    }
    try check(sqlite3_exec(database, "SELECT count(*) FROM sqlite_schema", nil, nil, nil))
  }

  func close() {
    sqlite3_close_v2(database)
    database = nil
  }

  func scan(_ sql: String) throws -> Int64 {
    var statement: OpaquePointer?
    try check(sqlite3_prepare_v2(database, sql, -1, &statement, nil))
    defer { sqlite3_finalize(statement) }
    var sum: Int64 = 0
    while sqlite3_step(statement) == SQLITE_ROW { sum &+= sqlite3_column_int64(statement, 0) }
    return sum
  }

  private func check(_ result: Int32) throws {
    guard result == SQLITE_OK else { throw Failure(result: result) }
  }
}
