import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

/// A file system that is really full; only root can mount one. `FaultyDisk` stands in for it in the other suites.
@Suite("Page stores on a full disk", .enabled(if: getuid() == 0, "mounting a tmpfs needs root"))
struct FullDiskTests {
  private let disk: SmallDisk
  private let path: String
  private let factory: ConnectionFactory

  init() throws {
    disk = try SmallDisk(kibibytes: 1024)
    path = disk.path + "/store.db"
    factory = try Fixture.factory { configuration in
      // What is written reaches the disk long before the commit.
      configuration.cacheKibibytes = 64
      configuration.containerCacheKibibytes = 64
    }
  }

  private func rows(_ session: Session) throws -> [String] {
    try session.query(ImageHistory.rowsSQL) { $0[0].text ?? "" }
  }

  @Test func aStatementFailsReadersGoOnAndWithSpaceTheNextOneWorks() async throws {
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try factory.openSession(path, .writer)
    try writer.executeScript(
      "CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);"
        + ImageHistory.rows(1...4, noteByteCount: 3000))
    let first = try rows(writer)
    let older = try factory.openSession(path, .reader)
    try older.execute("BEGIN")
    #expect(try rows(older) == first)
    let reader = try factory.openSession(path, .reader)
    try writer.executeScript(ImageHistory.rows(10...11, noteByteCount: 3000))
    let second = try rows(writer)

    for statement in [
      ImageHistory.rows(20...60, noteByteCount: 30000), "UPDATE pilgrim SET note = hex(zeroblob(200000 + id));",
    ] {
      #expect { try writer.executeScript(statement) } throws: { ($0 as? EncryptedStorageError)?.code == .diskFull }
      #expect(!writer.isInTransaction)
      #expect(try rows(writer) == second)
      #expect(try rows(reader) == second)
      #expect(try rows(older) == first)
      // A transaction that is rolled back needs no more room than it has found.
      try? writer.transaction { session in
        try session.executeScript(ImageHistory.rows(70...71, noteByteCount: 3000))
        throw CancellationError()
      }
      #expect(try rows(writer) == second)
    }
    try disk.grow(toKibibytes: 65536)
    try writer.executeScript(ImageHistory.rows(20...60, noteByteCount: 30000))
    let third = try rows(writer)
    #expect(third.count == second.count + 41)
    #expect(try rows(reader) == third)
    #expect(try rows(older) == first)
    for session in [older, reader, writer] { session.close() }
    try await StoreJudge.expectSound(path, "a primary")
  }

  @Test func aBatchFailsReadersGoOnAndWithSpaceItIsApplied() async throws {
    let folder = try TemporaryDirectory()
    let history = try ImageHistory(
      in: folder,
      scripts: [
        "CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);"
          + ImageHistory.rows(1...20, noteByteCount: 6000),
        "UPDATE pilgrim SET name = name || '!';" + ImageHistory.rows(30...60, noteByteCount: 30000),
      ])
    try await history.replica(path)
    let store = try await PageStore.open(path, factory: factory)
    let reader = try factory.openSession(path, .reader)
    for _ in 1...2 {
      await #expect { try await store.apply(history.batch(1)) } throws: { error in
        (error as? EncryptedStorageError)?.code == .diskFull
      }
      #expect(try await store.state().image?.position == history.versions[0].position)
      #expect(try rows(reader) == history.versions[0].rows)
    }
    try disk.grow(toKibibytes: 65536)
    try await store.apply(history.batch(1))
    #expect(try rows(reader) == history.versions[1].rows)
    reader.close()
    await store.close()
    try await StoreJudge.expectSound(path, "a replica")
  }
}

/// A tmpfs of its own.
private final class SmallDisk {
  let path: String
  private let folder: TemporaryDirectory

  init(kibibytes: Int) throws {
    folder = try TemporaryDirectory()
    path = folder.file("disk")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    let mounted = try Subprocess.run("mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", path])
    try #require(mounted.status == 0, "root without the right to mount: run the tests with it, or as another user")
  }

  func grow(toKibibytes kibibytes: Int) throws {
    let grown = try Subprocess.run("mount", ["-o", "remount,size=\(kibibytes)k", path])
    #expect(grown.status == 0, "\(grown.errors)")
  }

  deinit { _ = try? Subprocess.run("umount", ["-l", path]) }
}
