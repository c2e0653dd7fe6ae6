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

  @Test func aNewPrimaryIsADatabaseOfOnePage() async throws {
    let factory = try Fixture.factory()
    let store = try await PageStore.create(path, role: .primary, factory: factory)
    #expect(try await store.state().image?.pageCount == 1)
    #expect(try await store.pages(changedSince: 0) == [1])
    let page = try #require(try await store.page(1))
    await store.close()
    let reader = try await factory.open(path)
    #expect(try await values(reader, ["PRAGMA integrity_check", "PRAGMA page_count"]) == ["ok", 1])
    await reader.close()
    // The same bytes as a program that is not ours, but for counters and the version of the library.
    let made = try Fixture.image(folder.file("plain.db"), "PRAGMA journal_mode=WAL; PRAGMA user_version=0;")
    let other = try #require(made.first?.bytes)
    #expect(made.count == 1)
    let counters = Set(24..<28).union(92..<100)
    #expect(page.bytes.indices.filter { !counters.contains($0) && page.bytes[$0] != other[$0] } == [])
  }

  /// SQLite takes a database that was empty when the connection was opened for one that is empty still.
  @Test func aSavepointRolledBackOnAConnectionOlderThanTheTablesLosesNothing() async throws {
    let factory = try Fixture.factory()
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let maker = try await factory.open(path, .writer)
    let other = try await factory.open(path, .writer)
    try await maker.run { try $0.executeScript(Sample.sql) }
    try await other.run { session in
      try session.execute("SAVEPOINT one")
      #expect(throws: EncryptedStorageError.self) { try session.execute("CREATE TABLE pilgrim (id)") }
      try session.execute("INSERT INTO pilgrim (name) VALUES ('undone')")
      try session.execute("ROLLBACK TO one")
      try session.execute("COMMIT")
    }
    #expect(try await values(maker, ["PRAGMA integrity_check", "SELECT count(*) FROM pilgrim"]) == ["ok", 400])
    await maker.close()
    await other.close()
  }
}
