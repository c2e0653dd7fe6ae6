import EncryptedStorage
import Foundation
import Glibc
import TestSupport
import Testing

/// SQLite's locks on a store are POSIX locks, which a process loses when it closes any descriptor of the file.
@Suite struct StoreLockTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// The process that has locked what SQLite locks for reading; nil when nobody has. To be asked by a process that has not:
  /// looking opens the file and closes it. `/proc/locks` would not do: lines are missed while others lock and unlock.
  /// Source of the places: https://www.sqlite.org/src/file/src/os_unix.c, SHARED_FIRST and SHARED_SIZE.
  private func reader(of path: String) throws -> Int32? {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var lock = flock(
      l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0x4000_0002, l_len: 510, l_pid: 0)
    try #require(fcntl(descriptor, F_GETLK, &lock) == 0)
    return lock.l_type == Int16(F_UNLCK) ? nil : lock.l_pid
  }

  @Test func aStoreKeepsItsLocksAfterItsBootstrapAndWhileItIsLookedAt() throws {
    let path = folder.file("store.db")
    _ = try ImageSeries(making: 2, in: folder.file("series"), seed: 1)
    let process = try StoreProcess(["hold", path, folder.file("series"), "1"], folder: folder)
    while let line = process.line(), line != "refusal" {}
    #expect(process.lastLine == "refusal")
    // Without them another process takes itself for the last one, and removes the log of a store that is in use.
    #expect(try reader(of: path) == process.identifier)
    process.kill()
    #expect(try reader(of: path) == nil)
  }

  @Test func aFileOfThisProcessInTheMakingIsNotTakenForAnAbandonedOne() throws {
    let target = folder.file("database.db")
    let own = TemporaryFile(beside: target)
    let output = try OutputFile(creating: own.path)
    let abandoned = target + ".x" + TemporaryFile.suffix
    try Bytes.write(Data(), to: abandoned)
    #expect(throws: EncryptedStorageError.self) { try OpenFiles.requireClosedHere(own.path) }
    // From here on it is locked no more, and may get its name at any moment.
    output.close()
    try OpenFiles.requireClosedHere(own.path)
    TemporaryFile.removeAbandoned(beside: target)
    #expect(Bytes.exists(own.path))
    #expect(!Bytes.exists(abandoned))
  }
}
