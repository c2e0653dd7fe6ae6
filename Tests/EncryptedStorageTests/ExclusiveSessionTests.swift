import EncryptionKeys
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite struct ExclusiveSessionTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("database.db")
  }

  @Test func aFileThatWasReplacedBetweenOpeningAndLockingIsNotReplacedAgain() throws {
    let factory = ConnectionFactory(key: try TestKeys.first())
    try factory.createDatabase(path, script: "CREATE TABLE old (a);")
    let new = folder.file("new.db")
    try factory.createDatabase(new, script: "CREATE TABLE new (a);")
    let opened = try Opening.open(path, Opening.Mode())
    try FileSystem.rename(new, to: path)
    #expect { try ExclusiveSession(opened, factory: factory) } throws: {
      ($0 as? EncryptedStorageError)?.code == .busy
    }
    // The file that has the name can be locked.
    let session = try ExclusiveSession(path, factory: factory)
    #expect(try session.session.value("SELECT name FROM sqlite_schema") == "new")
    session.close()
  }
}
