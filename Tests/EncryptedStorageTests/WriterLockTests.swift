import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Writer lock")
struct WriterLockTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = try FileSystem.absolutePath(folder.path) + "/a.db"
  }

  /// A lock of a session of its own. It waits for an hour where a test must not depend on the time limit.
  private static func lock(_ path: String, timeout: Duration = .seconds(3600)) -> WriterLock {
    WriterLock(database: path, timeout: timeout, interrupter: Interrupter())
  }

  private func codeOfAcquiring(_ lock: WriterLock) -> EncryptedStorageError.Code? {
    do throws(EncryptedStorageError) {
      try lock.acquire()
      return nil
    } catch { return error.code }
  }

  /// Starts a writer on a thread of its own and returns when it waits as number `position`. It then runs `body` with the
  /// lock.
  private func startWaiting(_ position: Int, _ body: @escaping @Sendable () -> Void) async -> Task<Void, any Error> {
    let path = path
    let writer = Task {
      try await BlockingWork.run { _ in
        let lock = Self.lock(path)
        try lock.acquire()
        body()
        lock.release()
      }
    }
    await waitUntil { WriterQueue.waitingCount(path) == position }
    return writer
  }

  private func waitUntil(_ condition: () -> Bool) async { while !condition() { await Task.yield() } }

  private func connections(_ count: Int) async throws -> [Connection] {
    try await Sample.make(path, key: TestKeys.first(), sql: "CREATE TABLE t (a INTEGER)")
    var configuration = ConnectionFactory.Configuration()
    configuration.busyTimeout = .seconds(3600)
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let path = path
    return try await (0..<count).asyncMap { _ in try await factory.open(path, .writer) }
  }

  // MARK: - SQLite's own lock

  @Test func whatWaitedForTheTurnWaitsForSQLiteOnlyForTheRestOfTheTime() async throws {
    let connections = try await connections(2)
    let gate = Locked(false)
    let holder = Task { try await connections[0].transaction { _ in while !gate.withLock({ $0 }) { usleep(200) } } }
    await waitUntil { WriterQueue.waitingCount(path) == 0 }
    // A statement that writes, and sees its own time limit.
    let sql = "INSERT INTO t SELECT timeout FROM pragma_busy_timeout"
    let waiter = Task { try await connections[1].run { _ = try $0.execute(sql) } }
    await waitUntil { WriterQueue.waitingCount(path) == 1 }
    gate.withLock { $0 = true }
    try await holder.value
    try await waiter.value
    // Nobody is in the way this time.
    let limits = try await connections[1].run { session in
      try session.execute(sql)
      return try session.query("SELECT a FROM t ORDER BY rowid") { $0[0].integer ?? 0 }
    }
    #expect(limits.count == 2 && (0..<3_600_000).contains(limits[0]) && limits[1] == 3_600_000, "\(limits)")
    for connection in connections { await connection.close() }
  }

  // MARK: - In one process

  @Test func writersTakeTurnsInTheOrderOfTheirArrival() async throws {
    let connections = try await connections(9)
    let gate = Locked(false)
    var writers = [
      Task { try await connections[0].transaction { _ in while !gate.withLock({ $0 }) { usleep(200) } } }
    ]
    await waitUntil { WriterQueue.waitingCount(path) == 0 }
    for number in 1...8 {
      writers.append(
        Task {
          try await connections[number].transaction {
            _ = try $0.execute("INSERT INTO t VALUES (?)", [.integer(Int64(number))])
          }
        })
      await waitUntil { WriterQueue.waitingCount(path) == number }
    }
    gate.withLock { $0 = true }
    for writer in writers { try await writer.value }
    let order = try await connections[0].run { try $0.query("SELECT a FROM t ORDER BY rowid") { $0[0].integer } }
    #expect(order == Array(1...8))
    #expect(WriterQueue.waitingCount(path) == nil)
    for connection in connections { await connection.close() }
  }

  @Test func manyWritersAllFinishAndLeaveNothingBehind() async throws {
    let connections = try await connections(6)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for connection in connections {
        group.addTask {
          for _ in 0..<50 {
            try await connection.transaction { _ = try $0.execute("INSERT INTO t VALUES (1)") }
            try await connection.run { _ = try $0.checkpoint() }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await connections[0].run { try $0.value("SELECT count(*) FROM t") } == 300)
    for connection in connections { await connection.close() }
    #expect(WriterQueue.waitingCount(path) == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.db"])
  }

  @Test func aReleaseHandsTheLockToTheNextWriterAtOnce() async throws {
    let holder = Self.lock(path)
    try holder.acquire()
    let gate = Locked(false)
    let next = await startWaiting(1) { while !gate.withLock({ $0 }) { usleep(200) } }
    holder.release()
    // Nobody overtakes, not even before the next writer's thread runs again.
    #expect(codeOfAcquiring(Self.lock(path, timeout: .zero)) == .busy)
    gate.withLock { $0 = true }
    try await next.value
    #expect(codeOfAcquiring(Self.lock(path, timeout: .zero)) == nil)
  }

  @Test func aWriterThatWaitsDoesNotTouchTheLockFile() async throws {
    let holder = Self.lock(path)
    try holder.acquire()
    // Whoever tried the file now would get the lock.
    try FileManager.default.removeItem(atPath: path + "-writer.lock")
    let taken = Locked(false)
    let next = await startWaiting(1) { taken.withLock { $0 = true } }
    #expect(codeOfAcquiring(Self.lock(path, timeout: .milliseconds(20))) == .busy)
    #expect(!taken.withLock { $0 })
    #expect(!Bytes.exists(path + "-writer.lock"))
    holder.release()
    try await next.value
    #expect(Bytes.exists(path + "-writer.lock"))
  }

  @Test func aWriterThatTimesOutLeavesTheQueueIntact() async throws {
    let holder = Self.lock(path)
    try holder.acquire()
    let order = Locked<[Int]>([])
    let first = await startWaiting(1) { order.withLock { $0.append(1) } }
    let limit = Duration.milliseconds(20)
    let start = ContinuousClock.now
    #expect(codeOfAcquiring(Self.lock(path, timeout: limit)) == .busy)
    #expect(ContinuousClock.now - start >= limit)
    #expect(WriterQueue.waitingCount(path) == 1)
    let second = await startWaiting(2) { order.withLock { $0.append(2) } }
    holder.release()
    try await first.value
    try await second.value
    #expect(order.withLock { $0 } == [1, 2])
    #expect(WriterQueue.waitingCount(path) == nil)
  }

  @Test func aCancelledTaskLeavesTheQueue() async throws {
    let connections = try await connections(3)
    let gate = Locked(false)
    let holder = Task { try await connections[0].transaction { _ in while !gate.withLock({ $0 }) { usleep(200) } } }
    await waitUntil { WriterQueue.waitingCount(path) == 0 }
    let cancelled = Task { try await connections[1].run { try $0.execute("INSERT INTO t VALUES (1)") } }
    await waitUntil { WriterQueue.waitingCount(path) == 1 }
    let patient = Task { try await connections[2].run { try $0.execute("INSERT INTO t VALUES (2)") } }
    await waitUntil { WriterQueue.waitingCount(path) == 2 }
    cancelled.cancel()
    await #expect { try await cancelled.value } throws: { ($0 as? EncryptedStorageError)?.code == .cancelled }
    #expect(WriterQueue.waitingCount(path) == 1)
    gate.withLock { $0 = true }
    try await holder.value
    #expect(try await patient.value == 1)
    #expect(try await connections[1].run { try $0.execute("INSERT INTO t VALUES (3)") } == 1)
    for connection in connections { await connection.close() }
  }

  @Test func holdingTheLockAlreadyIsEnoughAndOneReleaseFreesIt() throws {
    let lock = Self.lock(path)
    let other = Self.lock(path, timeout: .zero)
    for _ in 1...3 { try lock.acquire() }
    #expect(codeOfAcquiring(other) == .busy)
    lock.release()
    lock.release()
    #expect(codeOfAcquiring(other) == nil)
    #expect(codeOfAcquiring(Self.lock(path + "2", timeout: .zero)) == nil)
    other.removeFile()
    #expect(!Bytes.exists(path + "-writer.lock"))
    #expect(WriterQueue.waitingCount(path) == nil)
  }

  @Test func aFailureToMakeTheLockFileGivesTheTurnBack() throws {
    let missing = folder.file("missing/a.db")
    #expect(codeOfAcquiring(Self.lock(missing)) == .missing)
    #expect(WriterQueue.waitingCount(missing) == nil)
  }

  @Test func theLockFileStaysWhileAnotherWriterHoldsIt() throws {
    let closing = Self.lock(path)
    try closing.acquire()
    closing.release()
    let holder = Self.lock(path)
    try holder.acquire()
    closing.removeFile()
    #expect(Bytes.exists(path + "-writer.lock"))
    holder.removeFile()
    #expect(!Bytes.exists(path + "-writer.lock"))
  }

  // MARK: - Between processes

  /// Another process that holds the lock file.
  private struct OtherProcess {
    private let process = ChildProgram()
    private let input = Pipe()

    init(_ path: String) throws {
      let output = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      // Ends with its input, so also with this process.
      process.arguments = ["flock", path + "-writer.lock", "sh", "-c", "echo held; exec cat"]
      process.setInput(input)
      process.setOutput(output)
      try process.run()
      #expect(try output.fileHandleForReading.read(upToCount: 5) == Data("held\n".utf8))
    }

    func end() throws {
      try input.fileHandleForWriting.close()
      process.waitUntilExit()
    }
  }

  @Test func aHolderInAnotherProcessMakesAWriterBusy() throws {
    let other = try OtherProcess(path)
    let limit = Duration.milliseconds(20)
    let lock = Self.lock(path, timeout: limit)
    let start = ContinuousClock.now
    #expect(codeOfAcquiring(lock) == .busy)
    #expect(ContinuousClock.now - start >= limit)
    #expect(WriterQueue.waitingCount(path) == nil)
    try other.end()
    #expect(codeOfAcquiring(lock) == nil)
  }

  @Test func writersGetTheLockOneByOneWhenTheOtherProcessHasEnded() async throws {
    let other = try OtherProcess(path)
    let order = Locked<[Int]>([])
    let first = await startWaiting(0) { order.withLock { $0.append(1) } }
    let second = await startWaiting(1) { order.withLock { $0.append(2) } }
    try other.end()
    try await first.value
    try await second.value
    #expect(order.withLock { $0 } == [1, 2])
  }

  @Test func aCancelledTaskStopsWaitingForAnotherChildProgram() async throws {
    let connections = try await connections(1)
    let other = try OtherProcess(path)
    let writer = Task { try await connections[0].run { try $0.execute("INSERT INTO t VALUES (1)") } }
    await waitUntil { WriterQueue.waitingCount(path) == 0 }
    writer.cancel()
    await #expect { try await writer.value } throws: { ($0 as? EncryptedStorageError)?.code == .cancelled }
    #expect(WriterQueue.waitingCount(path) == nil)
    try other.end()
    #expect(try await connections[0].run { try $0.execute("INSERT INTO t VALUES (2)") } == 1)
    await connections[0].close()
  }

  @Test func noticesThatTheLockFileWasRemovedAndMadeAnew() throws {
    let lock = Self.lock(path, timeout: .zero)
    try lock.acquire()
    lock.release()
    try FileManager.default.removeItem(atPath: path + "-writer.lock")
    // Holds a new file of that name; the lock of the old one would keep nobody out.
    let other = try OtherProcess(path)
    #expect(codeOfAcquiring(lock) == .busy)
    try other.end()
    #expect(codeOfAcquiring(lock) == nil)
    lock.release()
    try FileManager.default.removeItem(atPath: path + "-writer.lock")
    try lock.acquire()
    #expect(Bytes.exists(path + "-writer.lock"))
  }

  @Test func theLockIsNoLongerHeldByWhatIsGone() throws {
    do {
      let forgotten = Self.lock(path)
      try forgotten.acquire()
    }
    #expect(codeOfAcquiring(Self.lock(path, timeout: .zero)) == nil)
  }
}
