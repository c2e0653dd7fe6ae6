import Foundation
import TestSupport
import Testing

/// The built `albergue-crypt`, run the way a user runs it.
enum Tool {
  /// Where the build puts the executables: beside the running test bundle.
  static let folder: String = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (program as NSString).deletingLastPathComponent
  }()
  static let path = folder + "/albergue-crypt"

  /// The top of the project, for tests of its source text.
  static let project: String = {
    let tests = (#filePath as NSString).deletingLastPathComponent
    return ((tests as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent
  }()

  /// A program that hangs is killed, so that it fails its test and not the run.
  static let timeLimit = ["timeout", "-s", "KILL", "600"]

  /// Runs to the end. `wrapper` is put in front: `prlimit`, `setpriv`, `strace`.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], wrapper: [String] = [], directory: String? = nil
  ) throws -> Subprocess {
    let line = timeLimit + wrapper + [path] + arguments
    return try Subprocess.run(line[0], Array(line.dropFirst()), environment: environment, directory: directory)
  }

  /// Programs the tests cannot do without: a missing one fails by name.
  static func require(_ programs: String...) throws {
    for program in programs {
      let found = try Subprocess.run("sh", ["-c", "command -v \"$0\"", program])
      try #require(found.status == 0, "\(program) is not installed; ./taskw deps:judges installs it")
    }
  }

  static let isRoot = getuid() == 0

  /// Why a test is not run for other users: the tool forbids it, as it should.
  static let needsRootToTrace: Comment = "only root may read the memory of a process that must not be dumped"
}

/// A folder with key files and databases for one test.
struct Workspace: Sendable {
  let folder: TemporaryDirectory
  /// Key files that hold the first and second of ``TestKeys``.
  let firstKey: String
  let secondKey: String

  init(named name: String = "albergue-command") throws {
    folder = try TemporaryDirectory(named: name)
    firstKey = folder.file("first.key")
    secondKey = folder.file("second.key")
    try write(TestKeys.firstHex + "\n", to: "first.key", mode: 0o600)
    try write(TestKeys.secondHex + "\n", to: "second.key", mode: 0o600)
  }

  func file(_ name: String) -> String { folder.file(name) }

  /// Writes a file; a key file unless told otherwise.
  @discardableResult
  func write(_ text: String, to name: String, mode: Int = 0o600) throws -> String {
    try Bytes.write(Data(text.utf8), to: file(name))
    try Bytes.setMode(file(name), mode)
    return file(name)
  }

  /// Runs the tool in the folder, without any key in the environment.
  func run(_ arguments: String..., environment: [String: String] = [:], wrapper: [String] = []) throws -> Subprocess {
    try Tool.run(arguments, environment: environment, wrapper: wrapper, directory: folder.path)
  }

  /// Runs the tool with the first key.
  func runWithFirstKey(
    _ arguments: String..., environment: [String: String] = [:], wrapper: [String] = []
  ) throws -> Subprocess {
    try Tool.run(
      arguments + ["--key-file", firstKey], environment: environment, wrapper: wrapper, directory: folder.path)
  }

  /// An encrypted database with ``Sample/sql`` under the first key, made by the `sqlcipher` command line.
  @discardableResult
  func makeSample(
    _ name: String = "hostel.db", key: String = TestKeys.firstHex, settings: String = "", sql: String = Sample.sql
  ) throws -> String {
    let result = try SQLCipherShell.run(file(name), key: key, settings: settings, sql)
    try #require(result.status == 0, "\(result.errors)")
    try Bytes.setMode(file(name), 0o600)
    return file(name)
  }

  /// An unencrypted database with ``Sample/sql``.
  @discardableResult
  func makePlaintext(_ name: String = "plain.db", sql: String = Sample.sql) throws -> String {
    let result = try SQLCipherShell.run(file(name), sql)
    try #require(result.status == 0, "\(result.errors)")
    return file(name)
  }

  /// Puts a fresh copy of `source` in the place of `target`.
  func copy(_ source: String, to target: String) throws {
    try Bytes.write(try Bytes.read(file(source)), to: file(target))
    try Bytes.setMode(file(target), 0o600)
  }

  /// Names in the folder that begin with `name`, sorted.
  func names(beginningWith name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix(name) }.sorted()
  }

  /// What a killed or failed run must not leave for good.
  func leftovers() throws -> [String] {
    try names().filter { name in
      name.contains(".albergue-tmp") || name.hasSuffix(".albergue-rotation") || name.hasSuffix("-journal")
    }
  }

  /// The digest as the `sqlcipher` command line computes it; nil when the key does not open the file.
  func digest(_ name: String, key: String?, settings: String = "") -> String? {
    (try? SQLCipherShell.lines(file(name), key: key, settings: settings, Sample.digestSQL + ";"))?.first.map(Self.short)
  }

  /// A digest in few characters, for messages. FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
  static func short(_ digest: String) -> String {
    let hash = digest.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return digest.prefix(24) + "…" + String(hash, radix: 16)
  }
}

extension Subprocess {
  /// An error as every command reports it: an exit code, `error:` and perhaps `hint:` on stderr, nothing on stdout.
  func expectFailure(
    _ code: Int32, saying texts: String..., hint: Bool? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(status == code, "\(errors)", sourceLocation: sourceLocation)
    #expect(output == "", sourceLocation: sourceLocation)
    let lines = errors.split(separator: "\n")
    let errorLines = lines.filter { $0.hasPrefix("albergue-crypt: error: ") }
    #expect(errorLines.count == 1, "\(errors)", sourceLocation: sourceLocation)
    for text in texts { #expect(errors.contains(text), "\(errors)", sourceLocation: sourceLocation) }
    if let hint {
      #expect(errors.contains("\nalbergue-crypt: hint: ") == hint, "\(errors)", sourceLocation: sourceLocation)
    }
  }

  /// Success, and nothing on stderr.
  func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(status == 0, "\(errors)", sourceLocation: sourceLocation)
    #expect(errors == "", sourceLocation: sourceLocation)
  }

  /// The one JSON object on stdout.
  func object(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
    #expect(output.filter { $0 == "\n" }.count == 1 && output.hasSuffix("\n"), sourceLocation: sourceLocation)
    return try #require(
      try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], sourceLocation: sourceLocation)
  }
}

/// SQLCipher settings of a file under the profile `sqlcipher4-sha256`, for its own command line.
let sha256Settings = "PRAGMA cipher_hmac_algorithm = HMAC_SHA256;"
