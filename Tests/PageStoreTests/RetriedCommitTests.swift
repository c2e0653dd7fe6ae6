import EncryptedStorage
import FaultInjection
import PageStore
import TestSupport
import Testing

@Suite struct RetriedCommitTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let disk: FaultyDisk

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("primary.db")
    disk = try FaultyDisk()
  }

  /// SQLite counts on from the commit that failed, since an image without pages has no counter to read.
  @Test func theFirstTransactionIsKeptWhenItSucceedsOnlyTheSecondTime() async throws {
    try await PageStore.create(path, role: .primary, factory: Fixture.factory()).close()
    let session = try Fixture.factory { $0.fileSystem = disk.name }.openSession(path, .writer)
    let create = "CREATE TABLE pilgrim (name TEXT)"
    disk.failOperation(1, with: .diskFull)
    #expect(throws: EncryptedStorageError.self) { try session.execute(create) }
    #expect(disk.failureCount == 1)
    try session.execute(create)
    #expect(try session.execute("INSERT INTO pilgrim VALUES ('Ana')") == 1)
    session.close()
    let reader = try Fixture.factory().openSession(path, .reader)
    defer { reader.close() }
    #expect(try reader.value("SELECT name FROM pilgrim") == "Ana")
  }
}
