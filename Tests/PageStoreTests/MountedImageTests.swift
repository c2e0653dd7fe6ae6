import EncryptedStorage
import PageStore
import TestSupport
import Testing

@Suite struct MountedImageTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
  }

  private func values(_ connection: Connection, _ texts: [String]) async throws -> [Value] {
    try await connection.run { session in try texts.map { try session.value($0) } }
  }

  @Test func aPrimaryIsAnOrdinaryDatabase() async throws {
    let factory = try Fixture.factory()
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(Sample.sql) }
    let written = try await values(writer, ["PRAGMA integrity_check", "SELECT count(*) FROM pilgrim"])
    #expect(written == ["ok", 400])
    await writer.close()
    let reader = try await factory.open(path)
    #expect(try await values(reader, ["SELECT count(*) FROM pilgrim", "PRAGMA user_version"]) == [400, 42])
    await reader.close()
  }

  @Test func aReplicaShowsTheImageOfItsRemote() async throws {
    let factory = try Fixture.factory()
    let pages = try Fixture.image(folder.file("plain.db"), "PRAGMA journal_mode=WAL; " + Sample.sql)
    let store = try await Fixture.replica(path, pages, factory: factory)
    #expect(try await store.state().image?.position == 100)
    let reader = try await factory.open(path)
    let digest = try await reader.run { try $0.value(Sample.digestSQL) }
    let expected = try SQLCipherShell.lines(folder.file("plain.db"), Sample.digestSQL)
    #expect(digest.text == expected.first)
    await reader.close()
    await store.close()
    #expect(throws: EncryptedStorageError.self) { try factory.openSession(path, .writer) }
  }
}
