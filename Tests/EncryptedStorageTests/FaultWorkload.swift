import EncryptedStorage
import EncryptionKeys
import FaultInjection
import Foundation
import TestSupport
import Testing

/// What a service does with its database, on a disk that fails: create it, commit, empty the log, close.
///
/// Each transaction adds its number to `history`, so that the file itself says which ones it holds.
final class FaultWorkload {
  enum Action: Equatable {
    case create, commit(Int), checkpoint
  }

  static let actions: [Action] = [
    .create, .commit(1), .commit(2), .commit(3), .checkpoint, .commit(4), .commit(5), .checkpoint, .commit(6),
  ]
  static let lastCommit = 6

  /// Tables; small rows and overflow pages; updates; deletions; more pages than the cache holds; the start of a new log.
  private static let statements: [Int: String] = [
    1: """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    """,
    2: rows(1...8, noteByteCount: 1500),
    3: "UPDATE pilgrim SET name = name || '!', note = note || id WHERE id % 2 = 0;",
    4: "DELETE FROM pilgrim WHERE id % 3 = 0; UPDATE pilgrim SET note = '' WHERE id = 4;",
    5: rows(20...29, noteByteCount: 6000),
    6: "UPDATE pilgrim SET name = 'last' WHERE id = 1;",
  ]

  private static func rows(_ range: ClosedRange<Int>, noteByteCount: Int) -> String {
    """
    WITH RECURSIVE n(i) AS (SELECT \(range.lowerBound) UNION ALL SELECT i + 1 FROM n WHERE i < \(range.upperBound))
      INSERT INTO pilgrim SELECT i, '\(Canary.text)-' || i, printf('%.*c', \(noteByteCount) + i * 7, 'n') FROM n;
    """
  }

  let path: String
  private let disk: FaultyDisk
  private let factory: ConnectionFactory
  private var session: Session?

  /// The last transaction that was reported as committed.
  private(set) var acknowledged = 0
  /// The last transaction that was begun.
  private(set) var attempted = 0
  private(set) var failures: [EncryptedStorageError] = []

  init(_ path: String, on disk: FaultyDisk, waitsForDisk: Bool = true) throws {
    self.path = path
    self.disk = disk
    var configuration = ConnectionFactory.Configuration()
    configuration.fileSystem = disk.name
    configuration.waitsForDisk = waitsForDisk
    // Small enough for one of the transactions to write to the log before it commits.
    configuration.cacheKibibytes = 32
    factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
  }

  /// Runs everything; each failure must have the code `expected`.
  func run(expecting expected: EncryptedStorageError.Code? = nil, _ reaction: FaultScenario.Reaction = .giveUp) {
    defer { session?.close() }
    for action in Self.actions {
      var tries = 0
      while true {
        do {
          try perform(action)
          break
        } catch {
          failures.append(error)
          #expect(error.code == expected, "\(action): \(error), result code \(error.resultCode ?? 0)")
          checkThatFailureChangedNothing(after: action)
          tries += 1
          switch reaction {
          case .tryAgain where tries == 1: continue
          case .tryAgainWhenHealed where tries <= 3:
            if tries == 3 { disk.heal() }
          case .giveUp: return
          default:
            Issue.record("\(action) fails on a disk that works: \(error)")
            return
          }
        }
      }
    }
  }

  private func perform(_ action: Action) throws(EncryptedStorageError) {
    switch action {
    case .create:
      if !Bytes.exists(path) { try factory.createDatabase(path) }
      session = try factory.openSession(path, .writer)
    case .commit(let number):
      attempted = number
      do {
        try session?.transaction { session in
          if number == 1 { try session.execute("CREATE TABLE history (number INTEGER PRIMARY KEY)") }
          try session.execute("INSERT INTO history VALUES (?)", [.integer(Int64(number))])
          try session.executeScript(Self.statements[number] ?? "")
        }
      } catch { throw EncryptedStorageError(error, file: path) }
      acknowledged = number
    case .checkpoint:
      let isEmpty = try session?.checkpoint()
      #expect(isEmpty == true)
    }
  }

  /// The connection must see what was acknowledged, and nothing of the transaction that failed.
  private func checkThatFailureChangedNothing(after action: Action) {
    guard let session else { return }
    #expect(!session.isInTransaction, "after \(action)")
    do { #expect(try Self.lastCommit(of: session) == acknowledged, "after \(action)") } catch {
      Issue.record("the connection cannot read after \(action): \(error)")
    }
  }

  // MARK: - What is in a file

  /// The last transaction in the file; all before it must be there.
  static func lastCommit(of session: Session) throws -> Int {
    guard try session.value("SELECT count(*) FROM sqlite_schema WHERE name = 'history'") == .integer(1) else {
      return 0
    }
    let numbers = try session.query("SELECT number FROM history ORDER BY number") { row in row[0].integer ?? 0 }
    #expect(numbers == (0..<numbers.count).map { Int64($0 + 1) }, "a transaction is missing")
    return numbers.count
  }

  /// All rows, as one text; empty before there are tables.
  static func content(of session: Session) throws -> String {
    guard try lastCommit(of: session) > 0 else { return "" }
    return try session.query("SELECT id, name, length(note), hex(note) FROM pilgrim ORDER BY id") { row in
      row.values.map { "\($0)" }.joined(separator: " ")
    }.joined(separator: "\n")
  }

  /// The content after each transaction, on a disk that works.
  static func contents(in folder: TemporaryDirectory) throws -> [String] {
    let path = folder.file("expected.db")
    let workload = try FaultWorkload(path, on: FaultyDisk())
    var contents = [""]
    for action in actions {
      try workload.perform(action)
      if case .commit = action, let session = workload.session { contents.append(try content(of: session)) }
    }
    workload.session?.close()
    return contents
  }
}
