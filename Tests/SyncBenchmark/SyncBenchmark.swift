import CSQLCipher
import EncryptedStorage
import EncryptionKeys
import Foundation
import LibSQLClient
import PageStore
import ReplicaSync

/// Works on an encrypted replica as a service does, in one process, and measures what it is told to on standard input.
/// Prints one line of seconds for each line. Started by taskfiles/bench/sync.py.
///
/// | line | what is measured |
/// |---|---|
/// | `sync` | one sync |
/// | `points PLAINTEXT ROWS COUNT` | that many reads by key of the first rows of `big`: from the replica, and through the C API from a plaintext file |
/// | `scan PLAINTEXT ROWS` | the first rows of `big`, in the same two ways |
@main
struct SyncBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 else { return print("usage: sync-benchmark REPLICA URL 64-HEX-DIGITS") }
    let key = try Array(arguments[3].utf8).withUnsafeBytes { try KeyMaterial(id: KeyID("benchmark"), parsing: $0) }
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    let factory = ConnectionFactory(key: key, configuration: configuration)
    configuration.cacheKibibytes = PlainReader.cacheKibibytes
    let readers = ConnectionFactory(key: key, configuration: configuration)
    let url = try RemoteURL(arguments[2])
    let syncer = Syncer(
      ReplicaSettings(path: arguments[1], url: url), remote: Remote(url, tokens: .none, transport: try Transport()),
      factory: factory)
    while let line = readLine() {
      let words = line.split(separator: " ").map(String.init)
      switch words.first {
      case "sync":
        let start = ContinuousClock.now
        _ = try await syncer.sync()
        say("\((ContinuousClock.now - start) / .seconds(1))")
      case "points":
        try compare(words, arguments[1], readers) {
          try $0.points(Int(words[3]) ?? 1, among: Int64(words[2]) ?? 1)
        }
      case "scan": try compare(words, arguments[1], readers) { try $0.scan(Int64(words[2]) ?? 1) }
      default: say("unknown: \(line)")
      }
    }
    await syncer.close()
  }

  /// At once: whoever asked waits for the line.
  private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

  /// Prints two medians of five rounds in turns, after one that is not counted.
  private static func compare(
    _ words: [String], _ replica: String, _ factory: ConnectionFactory, _ work: (any Reader) throws -> Void
  ) throws {
    let session = try factory.openSession(replica, .reader)
    defer { session.close() }
    let plain = try PlainReader(words[1])
    defer { plain.close() }
    var ours: [Duration] = []
    var theirs: [Duration] = []
    for round in 0...5 {
      let clock = ContinuousClock()
      let one = try clock.measure { try work(session) }
      let other = try clock.measure { try work(plain) }
      if round > 0 {
        ours.append(one)
        theirs.append(other)
      }
    }
    say("\(ours.sorted()[2] / .seconds(1)) \(theirs.sorted()[2] / .seconds(1))")
  }
}

/// Reads table `big (id INTEGER PRIMARY KEY, a TEXT, b BLOB)`.
private protocol Reader {
  func points(_ count: Int, among rowCount: Int64) throws
  func scan(_ rowCount: Int64) throws
}

private enum Query {
  static let point = "SELECT id, a FROM big WHERE id = ?"
  static let scan = "SELECT id, a FROM big WHERE id <= ?"

  /// Rows in no order that a cache would like, the same for both.
  static func keys(_ count: Int, of rowCount: Int64, _ body: (Int64) throws -> Void) rethrows {
    var state: UInt64 = 42
    for _ in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      try body(Int64(state >> 33) % rowCount + 1)
    }
  }
}

extension Session: Reader {
  func points(_ count: Int, among rowCount: Int64) throws {
    try Query.keys(count, of: rowCount) { key in
      try forEachRow(Query.point, [.integer(key)]) { _ = ($0[0].integer, $0[1].text) }
    }
  }

  func scan(_ rowCount: Int64) throws {
    try forEachRow(Query.scan, [.integer(rowCount)]) { _ = ($0[0].integer, $0[1].text) }
  }
}

/// A plaintext file through the C API, with the cache that the replica's connection has.
///
/// Unsafe code: owns one handle until `close`; for measuring only.
private final class PlainReader: Reader {
  /// Of both.
  static let cacheKibibytes = 64 << 10

  private var database: OpaquePointer?

  struct Failure: Error { let result: Int32 }

  init(_ path: String) throws {
    try check(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil))
    try check(sqlite3_exec(database, "PRAGMA cache_size=-\(Self.cacheKibibytes); PRAGMA query_only=1", nil, nil, nil))
  }

  func close() {
    sqlite3_close_v2(database)
    database = nil
  }

  func points(_ count: Int, among rowCount: Int64) throws {
    try run(Query.point) { statement in Query.keys(count, of: rowCount) { read(statement, $0) } }
  }

  func scan(_ rowCount: Int64) throws { try run(Query.scan) { read($0, rowCount) } }

  private func run(_ sql: String, _ work: (OpaquePointer?) -> Void) throws {
    var statement: OpaquePointer?
    try check(sqlite3_prepare_v2(database, sql, -1, &statement, nil))
    defer { sqlite3_finalize(statement) }
    work(statement)
  }

  private func read(_ statement: OpaquePointer?, _ argument: Int64) {
    sqlite3_bind_int64(statement, 1, argument)
    while sqlite3_step(statement) == SQLITE_ROW { read(statement) }
    sqlite3_reset(statement)
  }

  /// As a program does that wants the text: copied into a string.
  private func read(_ statement: OpaquePointer?) {
    _ = sqlite3_column_int64(statement, 0)
    _ = sqlite3_column_text(statement, 1).map { String(cString: $0) }
  }

  private func check(_ result: Int32) throws {
    guard result == SQLITE_OK else { throw Failure(result: result) }
  }
}
