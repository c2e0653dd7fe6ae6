import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage
@testable import PageStore

/// Waiting for programs that hold SQLite's locks on a container and do not know the writer lock.
@Suite struct BusyContainerTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = try FileSystem.absolutePath(folder.path) + "/store.db"
  }

  @Test func onlyTheConnectionOfTheImageWaits() async throws {
    let factory = try Fixture.factory { $0.busyTimeout = .seconds(3600) }
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let container = try factory.openSession(path, .reader, view: .container)
    #expect(try container.value("PRAGMA busy_timeout") == 3_600_000)
    let image = try factory.openImage(of: container)
    // Each time that the image asks, the container would wait as long as the image.
    #expect(try container.value("PRAGMA busy_timeout") == 0)
    #expect(try image.value("PRAGMA busy_timeout") == 3_600_000)
    image.close()
  }

  @Test func aProgramThatDoesNotKnowOurLockIsWaitedFor() async throws {
    let factory = try Fixture.factory { $0.busyTimeout = .seconds(3600) }
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(Sample.sql) }
    // Another connection to the container, below the writer lock, as a program has it that is not ours.
    let foreign = try Opening.open(path, Opening.Mode())
    let keys = try factory.matchingKey(of: OpenedFile(foreign), path: path).keys
    try Opening.applyKey(keys, to: foreign)
    try Opening.run("BEGIN IMMEDIATE; UPDATE meta SET last_sync = 7", on: foreign)
    let write = Task { try await writer.run { try $0.execute("DELETE FROM pilgrim WHERE id > 10") } }
    // It has its turn, and so waits for the other's transaction.
    while WriterQueue.waitingCount(path) == nil { await Task.yield() }
    try Opening.run("COMMIT", on: foreign)
    foreign.close()
    #expect(try await write.value == 390)
    await writer.close()
    #expect(try SQLCipherShell.lines(path, key: TestKeys.firstHex, "SELECT last_sync FROM meta;") == ["7"])
  }
}
