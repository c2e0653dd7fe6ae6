import Dispatch
import EncryptedStorage
import PageStore
import TestSupport
import Testing

@Suite struct ImageWriterTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory
  private let writer: Connection

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory { $0.waitsForDisk = false }
    try await PageStore.create(path, role: .primary, factory: factory).close()
    writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(Sample.sql) }
  }

  private func values(_ texts: String...) async throws -> [Value] {
    try await writer.run { session in try texts.map { try session.value($0) } }
  }

  /// SQLite rewrites a database in another page size when it is not in WAL mode, which an image is not.
  @Test(arguments: [1024, 8192, 65536]) func thePageSizeCannotBeChanged(pageSize: Int) async throws {
    await #expect { try await writer.run { _ = try $0.execute("PRAGMA page_size = \(pageSize)") } } throws: {
      ($0 as? EncryptedStorageError)?.code == .denied
    }
    try await writer.run { _ = try $0.execute("VACUUM") }
    #expect(
      try await values("PRAGMA integrity_check", "SELECT count(*) FROM pilgrim", "PRAGMA page_size") == [
        "ok", 400, 4096,
      ])
  }

  /// The moments go from the statement to behind its commit, which is the longer part.
  @Test func aCommitThatIsCancelledIsReportedAsThatAndChangesNothing() async throws {
    try await writer.run { session in
      try session.execute("CREATE TABLE counter AS SELECT 0 AS n")
      for _ in 0..<3 { try session.execute("INSERT INTO pilgrim (name) SELECT name FROM pilgrim") }
      try session.execute("UPDATE pilgrim SET note = zeroblob(3900)")
      // Everything that is written waits for the commit.
      try session.execute("PRAGMA cache_size = 100000")
    }
    var count: Int64 = 0
    for number in 0..<20 {
      let writer = writer
      let hasBegun = DispatchSemaphore(value: 0)
      let task = Task {
        try await writer.transaction { session in
          try session.execute("UPDATE pilgrim SET note = CAST(printf('%03900d', \(number)) AS BLOB)")
          try session.execute("UPDATE counter SET n = n + 1")
          hasBegun.signal()
        }
      }
      await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
          hasBegun.wait()
          DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(number * 5)) { continuation.resume() }
        }
      }
      task.cancel()
      switch await task.result {
      case .success: count += 1
      case .failure(let error): #expect((error as? EncryptedStorageError)?.code == .cancelled, "\(error)")
      }
      #expect(try await values("SELECT n FROM counter") == [.integer(count)], "after \(number * 5) ms")
    }
    #expect(count < 20, "no commit was cancelled")
    #expect(try await StoreJudge.findings(path, factory) == [])
  }
}
