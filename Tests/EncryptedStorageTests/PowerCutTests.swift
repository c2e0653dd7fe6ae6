import EncryptedStorage
import EncryptionKeys
import FaultInjection
import Foundation
import TestSupport
import Testing
import Verification

@Suite("Power cuts")
struct PowerCutTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("cut.db")
  }

  private func factory(on disk: FaultyDisk? = nil, waitsForDisk: Bool = true) throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration()
    if let disk { configuration.fileSystem = disk.name }
    configuration.waitsForDisk = waitsForDisk
    return ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
  }

  private func rowCount() throws -> Value {
    let session = try factory().openSession(path, .reader)
    defer { session.close() }
    return try session.value("SELECT count(*) FROM guest")
  }

  // MARK: - The disk of the tests itself

  @Test(arguments: [true, false]) func losesACommitOnlyWhenItDidNotWaitForTheDisk(waits: Bool) throws {
    let disk = try FaultyDisk()
    let factory = try factory(on: disk, waitsForDisk: waits)
    try factory.createDatabase(path)
    let session = try factory.openSession(path, .writer)
    try session.executeScript("CREATE TABLE guest (name TEXT)")
    try session.checkpoint()
    try session.execute("INSERT INTO guest VALUES ('Ana')")
    #expect(throws: FaultyDisk.FilesAreOpen.self) { try disk.losePower() }
    disk.crash(atOperation: 1)
    session.close()
    try disk.losePower()
    #expect(!Bytes.exists(path + "-shm"))
    #expect(try rowCount() == .integer(waits ? 1 : 0))
  }

  @Test func everyKindOfFaultHasItsResultCode() throws {
    // Source: https://www.sqlite.org/rescode.html
    let codes: [FaultInjection.Operation.Kind: Int32] = [.write: 778, .sync: 1034, .truncate: 1546, .delete: 2570]
    let counting = try FaultyDisk()
    try FaultWorkload(folder.file("count.db"), on: counting).run()
    for (kind, code) in codes {
      let number = try #require(counting.operations.firstIndex { $0.kind == kind }) + 1
      for fault in [Fault.inputOutput, .diskFull] {
        let disk = try FaultyDisk()
        disk.failOperation(number, with: fault)
        let workload = try FaultWorkload(folder.file("\(kind)-\(fault).db"), on: disk)
        workload.run(expecting: fault == .diskFull ? .diskFull : .inputOutput)
        #expect(workload.failures.map(\.resultCode) == [fault == .diskFull ? 13 : code], "\(kind)")
      }
    }
  }

  @Test func cannotBeOpenedThroughADiskThatIsClosed() throws {
    let disk = try FaultyDisk()
    try factory().createDatabase(path)
    disk.close()
    #expect(throws: EncryptedStorageError.self) { try factory(on: disk).openSession(path, .reader) }
  }

  // MARK: - What a cut leaves that a key trial and a verification could mistake for damage

  /// A database whose first checkpoint stopped in the middle of page 1: all else of it is in the log alone.
  private func tearPage1InACheckpoint() async throws {
    let live = folder.file("live.db")
    let connection = try await factory().create(live)
    try await connection.run { session in
      try session.executeScript("CREATE TABLE guest (name TEXT); INSERT INTO guest VALUES ('Ana'), ('Luis')")
    }
    let database = try Bytes.read(live)
    #expect(database.count == 4096)
    var generator = SeededGenerator(seed: 1)
    let other = Data((0..<2048).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    try Bytes.write(database[..<2048] + other, to: path)
    try FileManager.default.copyItem(atPath: live + "-wal", toPath: path + "-wal")
    await connection.close()
  }

  @Test func opensADatabaseWhosePage1IsTornAndWholeInTheLog() async throws {
    try await tearPage1InACheckpoint()
    let report = try await Verifier(factory: factory()).run(path)
    #expect(report.isClean, "\(report.findings)")
    let status = try await FileClassifier(keys: [TestKeys.first()]).run(path)
    #expect(status.kind == .sqlcipher, "\(status.detail)")
    #expect(try rowCount() == .integer(2))
    let copy = DatabaseCopy(sourceKeys: [try TestKeys.first()], target: .encrypted(try TestKeys.second(), .sqlcipher4))
    #expect(try await copy.run(from: path, to: folder.file("copy.db")).tableCount == 1)
  }

  @Test func findsPage1TornWhenTheLogIsGoneOrAltered() async throws {
    try await tearPage1InACheckpoint()
    let log = try Bytes.read(path + "-wal")
    try Bytes.flip(path + "-wal", byte: 32 + 24 + 100)
    #expect(throws: EncryptedStorageError.self) { try factory().openSession(path, .reader) }
    try FileManager.default.removeItem(atPath: path + "-wal")
    #expect(throws: EncryptedStorageError.self) { try factory().openSession(path, .reader) }
    #expect(try await FileClassifier(keys: [TestKeys.first()]).run(path).kind == .wrongKey)
    // Another key stays wrong, whatever the log holds.
    try Bytes.write(log, to: path + "-wal")
    let other = ConnectionFactory(key: try TestKeys.second())
    let error = #expect(throws: EncryptedStorageError.self) { try other.openSession(path, .reader) }
    #expect(error?.code == .wrongKey)
  }

  @Test func opensADatabaseWhosePage1IsTornAndWholeInTheJournal() async throws {
    let disk = try FaultyDisk()
    try factory(on: disk).createDatabase(path)
    // The switch to WAL writes page 1: the disk is full in the middle of it, and so there is no rolling back either.
    disk.failOperation(try numberOfTheWriteOfPage1(), with: .diskFull, .everyOneAfter)
    let error = #expect(throws: EncryptedStorageError.self) { try factory(on: disk).openSession(path, .writer) }
    #expect(error?.code == .diskFull)
    #expect(Bytes.size(path + "-journal") > 0)
    let status = try await FileClassifier(keys: [TestKeys.first()]).run(path)
    #expect(status.kind == .sqlcipher, "\(status.detail)")
    let session = try factory().openSession(path, .writer)
    try session.executeScript("CREATE TABLE guest (name TEXT)")
    session.close()
    #expect(try await Verifier(factory: factory()).run(path).isClean)
  }

  /// Counted on another file: which operation of opening a new database is the first write to it.
  private func numberOfTheWriteOfPage1() throws -> Int {
    let disk = try FaultyDisk()
    let other = folder.file("other.db")
    try factory(on: disk).createDatabase(other)
    let before = disk.operations.count
    try factory(on: disk).openSession(other, .writer).close()
    return try #require(disk.operations.dropFirst(before).firstIndex { $0.kind == .write && $0.file == other }) - before
      + 1
  }
}
