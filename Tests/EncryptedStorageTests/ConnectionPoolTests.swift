import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Connection pool")
struct ConnectionPoolTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("a.db")
  }

  private func pool(readers: Int = 2, busyTimeout: Duration = .seconds(5)) async throws -> ConnectionPool {
    var configuration = ConnectionFactory.Configuration()
    configuration.busyTimeout = busyTimeout
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let connection = try await factory.create(path)
    try await connection.run { try $0.executeScript("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER)") }
    await connection.close()
    return try await factory.openPool(path, readerCount: readers)
  }

  @Test func readersNeverSeeHalfATransaction() async throws {
    let pool = try await pool()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for number in 1...200 {
          try await pool.write { session in
            _ = try session.execute("INSERT INTO t VALUES (?)", [.integer(Int64(number))])
            _ = try session.execute("INSERT INTO u VALUES (?)", [.integer(Int64(number))])
          }
        }
      }
      for _ in 0..<4 {
        group.addTask {
          var last: Int64 = 0
          for _ in 0..<100 {
            let counts = try await pool.read { session in
              try ["t", "u"].map { try session.value("SELECT count(*) FROM \($0)").integer ?? -1 }
            }
            #expect(counts[0] == counts[1])
            #expect(counts[0] >= last)
            last = counts[0]
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await pool.read { try $0.value("SELECT sum(a) FROM t") } == 20100)
    await pool.close()
    #expect(!Bytes.exists(path + "-wal"))
  }

  @Test func aReaderKeepsItsSnapshotWhileTheWriterCommits() async throws {
    let pool = try await pool()
    let inside = Locked(false)
    let written = Locked(false)
    let reading = Task {
      try await pool.read { session in
        let before = try session.value("SELECT count(*) FROM t")
        inside.withLock { $0 = true }
        while !written.withLock({ $0 }) { usleep(200) }
        return [before, try session.value("SELECT count(*) FROM t")]
      }
    }
    while !inside.withLock({ $0 }) { await Task.yield() }
    try await pool.write { _ = try $0.execute("INSERT INTO t VALUES (1)") }
    written.withLock { $0 = true }
    #expect(try await reading.value == [0, 0])
    #expect(try await pool.read { try $0.value("SELECT count(*) FROM t") } == 1)
    await pool.close()
  }

  @Test func aLongReaderDelaysNoWriterAndTheLogIsEmptiedAfterIt() async throws {
    // A write that waited for the reader would not end within this test.
    let pool = try await pool(busyTimeout: .seconds(3600))
    let inside = Locked(false)
    let written = Locked(false)
    let reading = Task {
      try await pool.read { session in
        let before = try session.value("SELECT count(*) FROM t")
        inside.withLock { $0 = true }
        while !written.withLock({ $0 }) { usleep(200) }
        return [before, try session.value("SELECT count(*) FROM t")]
      }
    }
    while !inside.withLock({ $0 }) { await Task.yield() }
    // From the first one on, the log is beyond the size at which it is emptied.
    for _ in 0..<3 { try await pool.write { _ = try $0.execute("INSERT INTO t SELECT zeroblob(5000000)") } }
    #expect(Bytes.size(path + "-wal") > 15_000_000)
    written.withLock { $0 = true }
    #expect(try await reading.value == [0, 0])
    try await pool.write { _ = try $0.execute("INSERT INTO t VALUES (1)") }
    #expect(Bytes.size(path + "-wal") == 0)
    #expect(try await pool.read { try $0.value("SELECT count(*) FROM t") } == 4)
    await pool.close()
  }

  @Test func keepsTheLogSmallOverManyTransactions() async throws {
    let pool = try await pool()
    for _ in 0..<60 {
      try await pool.write { session in
        _ = try session.execute(
          "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n"
        )
      }
    }
    #expect(Bytes.size(path + "-wal") < 8_000_000)
    #expect(try await pool.read { try $0.value("SELECT count(*) FROM t") } == 1_200_000)
    await pool.close()
  }

  @Test func refusesAWriteOnAReader() async throws {
    let pool = try await pool()
    await #expect { try await pool.read { try $0.execute("DELETE FROM t") } } throws: {
      ($0 as? EncryptedStorageError)?.code == .readOnly
    }
    await pool.close()
  }

  @Test func aCancelledCallerStopsWaitingForAReader() async throws {
    let pool = try await pool(readers: 1)
    let gate = Locked(false)
    let inside = Locked(false)
    let holder = Task {
      try await pool.read { _ in
        inside.withLock { $0 = true }
        while !gate.withLock({ $0 }) { usleep(200) }
      }
    }
    while !inside.withLock({ $0 }) { await Task.yield() }
    let waiter = Task { try await pool.read { try $0.value("SELECT 1") } }
    await Task.yield()
    waiter.cancel()
    await #expect { try await waiter.value } throws: { ($0 as? EncryptedStorageError)?.code == .cancelled }
    gate.withLock { $0 = true }
    try await holder.value
    #expect(try await pool.read { try $0.value("SELECT 1") } == 1)
    await pool.close()
    await #expect { try await pool.read { try $0.value("SELECT 1") } } throws: {
      ($0 as? EncryptedStorageError)?.code == .closed
    }
  }

  @Test func twoPoolsOnOneFileLoseNoTransaction() async throws {
    let first = try await pool()
    let second = try await ConnectionFactory(key: TestKeys.first()).openPool(path)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for pool in [first, second] {
        group.addTask {
          for _ in 0..<150 { try await pool.write { _ = try $0.execute("INSERT INTO t VALUES (1)") } }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await first.read { try $0.value("SELECT count(*) FROM t") } == 300)
    #expect(try await second.read { try $0.value("PRAGMA integrity_check") } == "ok")
    await first.close()
    await second.close()
  }
}
