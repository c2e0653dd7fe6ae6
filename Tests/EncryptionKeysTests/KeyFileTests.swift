import Glibc
import Logging
import Synchronization
import Testing

@testable import EncryptionKeys

/// Keeps what is logged.
final class RecordingLog: LogHandler, Sendable {
  private let lines = Mutex<[String]>([])

  var messages: [String] { lines.withLock { $0 } }
  var logger: Logger { Logger(label: "test") { _ in self } }

  var logLevel: Logger.Level {
    get { .trace }
    set {}
  }
  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  func log(event: LogEvent) {
    lines.withLock { $0.append("\(event.level): \(event.message)") }
  }
}

@Suite("Key files")
struct KeyFileTests {
  @Test(arguments: ["", "\n", "\r\n"])
  func removesOneLineBreakAtTheEnd(ending: String) throws {
    let folder = try TemporaryFolder()
    let material = try KeySources.loadKeyFile(path: folder.write(Fixtures.hex + ending, to: "key"))
    #expect(try material.bytes() == Fixtures.bytes)
    #expect(material.id.name == "file:key")
  }

  @Test(arguments: ["\n\n", " \n", "\r", "\t", "\r\n\n", "\n "])
  func refusesOtherWhitespaceAround(ending: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Fixtures.hex + ending, to: "key")
    let error = try keyError { _ = try KeySources.loadKeyFile(path: path) }
    #expect(error.message.contains("whitespace"))
    #expect(error.message.contains(path))
  }

  @Test(arguments: [mode_t(0o640), 0o604, 0o660, 0o644, 0o777, 0o610])
  func refusesAFileThatOthersCanAccess(mode: mode_t) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Fixtures.hex, to: "key", mode: mode)
    let error = try keyError { _ = try KeySources.loadKeyFile(path: path) }
    #expect(error.code == .permission)
    #expect(error.code.exitCode == 77)
    #expect(error.message.contains("0" + String(mode, radix: 8)))
    #expect(error.hint == "chmod 600 \(path)")
  }

  @Test(arguments: [mode_t(0o600), 0o400])
  func readsAFileOfItsOwnerOnly(mode: mode_t) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Fixtures.hex, to: "key", mode: mode)
    #expect(try KeySources.loadKeyFile(path: path).bytes() == Fixtures.bytes)
  }

  @Test func theOverrideReadsAnOpenFileWithOneWarning() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Fixtures.hex, to: "key", mode: 0o644)
    let log = RecordingLog()
    let options = KeyLoadingOptions(allowInsecurePermissions: true, logger: log.logger)
    #expect(try KeySources.loadKeyFile(path: path, options: options).bytes() == Fixtures.bytes)
    #expect(log.messages.count == 1)
    #expect(log.messages.first?.contains("0644") == true)
  }

  @Test func aMissingFileIsAMissingInput() throws {
    let folder = try TemporaryFolder()
    let error = try keyError { _ = try KeySources.loadKeyFile(path: folder("absent")) }
    #expect(error.code == .missing)
    #expect(error.code.exitCode == 66)
  }

  @Test func followsSymbolicLinks() throws {
    let folder = try TemporaryFolder()
    try folder.write(Fixtures.hex, to: "..data")
    #expect(symlink("..data", folder("key")) == 0)
    #expect(try KeySources.loadKeyFile(path: folder("key")).bytes() == Fixtures.bytes)
  }

  @Test(.timeLimit(.minutes(20)))
  func refusesAFIFOWithoutWaitingForAWriter() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo(folder("key"), 0o600) == 0)
    let error = try keyError { _ = try KeySources.loadKeyFile(path: folder("key")) }
    #expect(error.message.contains("not a regular file"))
  }

  @Test func refusesAFolder() throws {
    let folder = try TemporaryFolder()
    #expect(try keyError { _ = try KeySources.loadKeyFile(path: folder.path) }.code == .unusable)
  }

  @Test func refusesAFileOfMoreThan64KiB() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write([UInt8](repeating: 0x61, count: 65_537), to: "key")
    #expect(try keyError { _ = try KeySources.loadKeyFile(path: path) }.message.contains("65537"))
    let largest = try folder.write("passphrase:" + String(repeating: "a", count: 65_536 - 11), to: "largest")
    #expect(try KeySources.loadKeyFile(path: largest).isPassphrase)
  }
}
