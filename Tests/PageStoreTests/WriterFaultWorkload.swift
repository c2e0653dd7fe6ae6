import EncryptedStorage
import FaultInjection
import TestSupport
import Testing

@testable import PageStore

/// What a service does with a primary store through SQL: transactions larger than every cache, some of them rolled back,
/// VACUUM, checkpoints, and readers all the time.
///
/// Each transaction adds its number to `history`, so that the database itself says which ones it holds.
final class WriterFaultWorkload: StoreWorkload {
  enum Action: Equatable {
    case create, open, commit(Int), rollBack, vacuum, checkpoint, beginSnapshot, endSnapshot, close
  }

  static let actions: [Action] = [
    .create, .open, .commit(1), .commit(2), .beginSnapshot, .commit(3), .rollBack, .checkpoint, .commit(4), .vacuum,
    .endSnapshot, .checkpoint, .close, .open, .rollBack, .commit(5), .vacuum, .close,
  ]

  /// New tables; rows with overflow pages; a savepoint that is rolled back; deletions; pages that change places.
  private static let statements: [Int: String] = [
    1: """
    CREATE TABLE history (number INTEGER PRIMARY KEY);
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    """ + ImageHistory.rows(1...6, noteByteCount: 1500),
    2: ImageHistory.rows(20...25, noteByteCount: 8000),
    3: """
    UPDATE pilgrim SET name = name || '!', note = 'x' || note WHERE id % 2 = 0;
    SAVEPOINT half; \(large) ROLLBACK TO half; RELEASE half;
    """,
    4: "DELETE FROM pilgrim WHERE id % 3 > 0; UPDATE pilgrim SET name = 'moved' WHERE id = 3;",
    5: ImageHistory.rows(60...62, noteByteCount: 12000) + "DELETE FROM pilgrim WHERE id = 61;",
  ]

  /// More pages than both caches hold, so that the log has some of them before the transaction ends.
  private static let large =
    "DELETE FROM pilgrim WHERE id = 21;" + ImageHistory.rows(80...83, noteByteCount: 16000)

  let path: String
  let disk: FaultyDisk
  private let folder: TemporaryDirectory
  private let contents: [[String]]
  private let isStore: Bool
  private let factory: ConnectionFactory
  private var writer: Session?
  private var reader: Session?
  /// In a snapshot of an older version.
  private var olderReader: Session?
  private var olderVersion: Int?

  private(set) var acknowledged = 0
  private(set) var attempted = 0

  /// - Parameters:
  ///   - contents: rows after each transaction.
  ///   - isStore: false for an ordinary encrypted database.
  init(
    _ contents: [[String]], isStore: Bool = true, in folder: TemporaryDirectory, on disk: FaultyDisk,
    waitsForDisk: Bool = true
  ) throws {
    path = folder.file("primary.db")
    self.folder = folder
    self.disk = disk
    self.contents = contents
    self.isStore = isStore
    factory = try Fixture.factory { configuration in
      configuration.fileSystem = disk.name
      configuration.waitsForDisk = waitsForDisk
      configuration.cacheKibibytes = 32
      configuration.containerCacheKibibytes = 32
    }
  }

  /// The rows after each transaction, as an ordinary encrypted database on a disk that works has them.
  static func contents() async throws -> [[String]] {
    let workload = try WriterFaultWorkload([], isStore: false, in: TemporaryDirectory(), on: FaultyDisk())
    var contents: [[String]] = [[]]
    for action in actions {
      switch action {
      // No reader looks.
      case .beginSnapshot, .endSnapshot: continue
      case .commit:
        try await workload.perform(action)
        contents.append(try #require(try workload.writer.map(rows)))
      default: try await workload.perform(action)
      }
    }
    return contents
  }

  func perform(_ action: Action) async throws {
    switch action {
    case .create: try await create()
    case .open:
      if writer == nil { writer = try factory.openSession(path, .writer) }
      if reader == nil, isStore { reader = try factory.openSession(path, .reader) }
    case .commit(let number):
      attempted = number
      try writer?.transaction { session in
        try session.executeScript(Self.statements[number] ?? "")
        try session.execute("INSERT INTO history VALUES (?)", [.integer(Int64(number))])
      }
      acknowledged = number
    case .rollBack: try rollBack()
    case .vacuum: try writer?.execute("VACUUM")
    case .checkpoint:
      let isEmpty = try writer?.checkpoint()
      #expect(isEmpty == (olderVersion == nil))
    case .beginSnapshot:
      if olderReader == nil { olderReader = try factory.openSession(path, .reader) }
      try olderReader?.execute("BEGIN")
      olderVersion = acknowledged
      _ = try olderReader?.value("SELECT count(*) FROM history")
    case .endSnapshot:
      try olderReader?.execute("COMMIT")
      olderVersion = nil
      olderReader?.close()
      olderReader = nil
    case .close: await close()
    }
  }

  private func create() async throws {
    guard !Bytes.exists(path) else { return }
    if isStore {
      try await PageStore.create(path, role: .primary, factory: factory).close()
    } else {
      try factory.createDatabase(path)
    }
  }

  private func rollBack() throws {
    struct Abandoned: Error {}
    do {
      try writer?.transaction { session in
        try session.executeScript(Self.large)
        throw Abandoned()
      }
    } catch is Abandoned {}
  }

  func checkReaders() async throws {
    if let writer {
      #expect(!writer.isInTransaction)
      #expect(try Self.rows(of: writer) == contents[acknowledged], "the writer")
    }
    if let olderReader, let olderVersion {
      #expect(try Self.rows(of: olderReader) == contents[olderVersion], "the reader of a snapshot")
    }
    if let reader { #expect(try Self.rows(of: reader) == contents[acknowledged], "the reader") }
  }

  func close() async {
    olderReader?.close()
    reader?.close()
    writer?.close()
    (olderReader, olderVersion, reader, writer) = (nil, nil, nil, nil)
  }
}

// MARK: - What is in the store

extension WriterFaultWorkload {
  func version(_ place: String) async throws -> Int {
    // A writer, which puts away what a power cut left of the log.
    let session = try Fixture.factory().openSession(path, .writer)
    defer { session.close() }
    let version = try Self.version(of: session)
    #expect(try Self.rows(of: session) == contents[version], "\(place): rows of version \(version)")
    return version
  }

  func goOn(from version: Int) async throws {
    let session = try Fixture.factory().openSession(path, .writer)
    defer { session.close() }
    try session.transaction { session in
      try session.executeScript(Self.statements[version + 1] ?? "")
      try session.execute("INSERT INTO history VALUES (?)", [.integer(Int64(version + 1))])
    }
  }

  /// The last transaction in the database; all before it must be there.
  private static func version(of session: Session) throws -> Int {
    guard try session.value("SELECT count(*) FROM sqlite_schema WHERE name = 'history'") == 1 else { return 0 }
    let numbers = try session.query("SELECT number FROM history ORDER BY number") { $0[0].integer ?? 0 }
    #expect(numbers == numbers.indices.map { Int64($0 + 1) }, "a transaction is missing")
    return numbers.count
  }

  private static func rows(of session: Session) throws -> [String] {
    guard try version(of: session) > 0 else { return [] }
    return try session.query(ImageHistory.rowsSQL) { $0[0].text ?? "" }
  }
}
