import CSQLCipher
import EncryptedStorage
import Glibc
import TestSupport
import Testing

@testable import PageStore

/// What a connection to an image answers when the container below it fails.
@Suite struct MountedImageFailureTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory()
  }

  private func read(_ image: MountedImage, page: Int64) -> (result: Int32, first: UInt8) {
    let buffer = PageBuffer(byteCount: StoreFormat.pageByteCount)
    return buffer.withMutableSpan(0..<StoreFormat.pageByteCount) { span in
      (image.read(into: &span, at: (page - 1) * Int64(StoreFormat.pageByteCount)), span.bytes.byte(at: 0))
    }
  }

  private func write(_ image: MountedImage, page: Int64, byte: UInt8) -> Int32 {
    let buffer = PageBuffer(byteCount: StoreFormat.pageByteCount)
    return buffer.withMutableSpan(0..<StoreFormat.pageByteCount) { span in
      for offset in 0..<span.byteCount { span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
      return image.write(span.bytes, at: (page - 1) * Int64(StoreFormat.pageByteCount))
    }
  }

  private func makePrimary() async throws {
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(Sample.sql) }
    await writer.close()
  }

  /// Changes the container as no program of ours does.
  private func alter(_ script: String) throws {
    _ = try SQLCipherShell.lines(path, key: TestKeys.firstHex, script)
  }

  @Test func nothingIsReadInATransactionWhoseWritingHasFailed() async throws {
    try await makePrimary()
    try alter("CREATE TRIGGER t BEFORE UPDATE ON head WHEN NEW.page = 9 BEGIN SELECT RAISE(ABORT, 'no'); END;")
    let image = MountedImage(try ContainerStatements(factory.openSession(path, .writer, view: .container)))
    defer { image.close() }
    #expect(image.lock(SQLITE_LOCK_SHARED) == SQLITE_OK)
    let before = read(image, page: 8)
    #expect(image.lock(SQLITE_LOCK_RESERVED) == SQLITE_OK)
    #expect(write(image, page: 8, byte: 0xaa) == SQLITE_OK)
    #expect(read(image, page: 8) == (SQLITE_OK, 0xaa))
    #expect(write(image, page: 9, byte: 0xbb) != SQLITE_OK)
    // The container is back where it was; as the content of this transaction that would be wrong.
    for page in [1, 8, 20] as [Int64] { #expect(read(image, page: page).result == SQLITE_IOERR | (1 << 8)) }
    #expect(image.unlock(SQLITE_LOCK_SHARED) == SQLITE_OK)
    #expect(read(image, page: 8) == before)
  }

  @Test func aLogCutShortUnderAReaderIsAnErrorAndNeverOtherRows() async throws {
    let pages = try Fixture.image(folder.file("plain.db"), Sample.sql)
    let store = try await Fixture.replica(path, pages, factory: factory)
    // Most of what the reader will need is in the log, and nothing of it in the reader's cache.
    let later = try Fixture.image(
      folder.file("later.db"), Sample.sql + "; DELETE FROM pilgrim WHERE id % 3 = 0; VACUUM;")
    try await store.apply(
      PageBatch(
        remote: Fixture.remote, basePosition: 100, position: 101, pageCount: UInt32(later.count), pages: later))
    let reader = try factory.openSession(path, .reader)
    #expect(try reader.value("PRAGMA schema_version").integer ?? 0 > 0)
    let log = path + "-wal"
    #expect(Bytes.size(log) > 4120 * later.count / 2)
    #expect(truncate(log, 32 + 4120 * 3) == 0)
    for sql in ["SELECT count(*) FROM pilgrim", Sample.digestSQL] {
      #expect { try reader.value(sql) } throws: { ($0 as? EncryptedStorageError)?.code == .inputOutput }
    }
    reader.close()
    await store.close()
  }

  @Test func damageMetWhileTheChangesAreCompactedIsDamage() async throws {
    try await makePrimary()
    // Long enough for the next commit to look at all rows; zeros are no list of pages.
    try alter("INSERT INTO change SELECT position - 1, epoch - 1, page_count, zeroblob(40000) FROM change LIMIT 1;")
    let writer = try factory.openSession(path, .writer)
    #expect { try writer.execute("DELETE FROM pilgrim WHERE id = 1") } throws: {
      ($0 as? EncryptedStorageError)?.code == .damaged
    }
    #expect(try writer.value("SELECT count(*) FROM pilgrim") == 400)
    writer.close()
  }

  @Test(arguments: [
    "position + 1, epoch + 4294967296, page_count", "position + 1, epoch + 1, page_count + 4294967296",
    "position + 1, -1, page_count", "position + 1, epoch + 1, -1",
  ])
  func aStateThatIsNoneIsDamageAlsoUnderAnOpenImage(_ columns: String) async throws {
    try await makePrimary()
    let reader = try factory.openSession(path, .reader)
    #expect(try reader.value("SELECT count(*) FROM pilgrim") == 400)
    try alter("INSERT INTO change SELECT \(columns), pages FROM change ORDER BY position DESC LIMIT 1;")
    #expect { try reader.value("SELECT count(*) FROM pilgrim") } throws: {
      ($0 as? EncryptedStorageError)?.code == .damaged
    }
    reader.close()
    #expect { try factory.openSession(path, .reader) } throws: { ($0 as? EncryptedStorageError)?.code == .damaged }
  }

  @Test func aPositionAfterWhichThereIsNoneIsDamage() async throws {
    try await makePrimary()
    try alter("UPDATE change SET position = 9223372036854775807 WHERE position = (SELECT max(position) FROM change);")
    let writer = try factory.openSession(path, .writer)
    #expect { try writer.execute("DELETE FROM pilgrim WHERE id = 1") } throws: {
      ($0 as? EncryptedStorageError)?.code == .damaged
    }
    writer.close()
  }

  @Test func aPageWithoutAValidNumberIsDamage() async throws {
    let store = try await Fixture.replica(path, Fixture.image(folder.file("plain.db"), Sample.sql), factory: factory)
    await store.close()
    try alter("UPDATE head SET page = -5 WHERE page = 5;")
    let again = try await PageStore.open(path, factory: factory)
    await #expect { try await again.pages(changedSince: 0) } throws: {
      ($0 as? EncryptedStorageError)?.code == .damaged
    }
    await again.close()
  }
}
