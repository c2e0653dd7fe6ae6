import Foundation
import TestSupport
import Testing

/// No row and no key outside the encrypted file: not in files, writes, logs, arguments, environments.
@Suite("Secrecy")
struct SecrecyTests {
  let work: Workspace
  /// A folder of its own for the plaintext source, so that everything beside the target can be searched.
  let source: Workspace

  /// The key as it might be written: text, bytes, base64 in any alignment of its repeated byte.
  private static let keyForms: [Data] = [
    Data(String(TestKeys.firstHex.prefix(24)).utf8), Data(String(TestKeys.firstHex.prefix(24)).uppercased().utf8),
    Data(repeating: 0xa1, count: 12), Data(Data(repeating: 0xa1, count: 24).base64EncodedString().prefix(16).utf8),
  ]
  private static let rowForms = [Data(Canary.text.utf8), Data("SQLite format 3".utf8), Data("CREATE TABLE".utf8)]

  private static let rows = """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
      INSERT INTO pilgrim
        SELECT i, '\(Canary.text)' || (i * 7919 % 20011), '\(Canary.text)' || hex(randomblob(60)) FROM n;
    """

  init() throws {
    work = try Workspace()
    source = try Workspace(named: "albergue-source")
    try source.makePlaintext("plain.db", sql: Self.rows)
    try FileManager.default.createDirectory(atPath: work.file("tmp"), withIntermediateDirectories: false)
  }

  private var environment: [String: String] {
    ["TMPDIR": work.file("tmp"), "SQLITE_TMPDIR": work.file("tmp"), "ALBERGUE_LOG": "trace"]
  }

  /// Statements whose sorting or copying would spill to a temporary file: 4 MB of text, 2 MB of cache.
  private static let statements = [
    "CREATE INDEX pilgrim_note ON pilgrim (note, name)",
    "SELECT count(*) FROM (SELECT DISTINCT note || name AS x FROM pilgrim ORDER BY x DESC)",
    "SELECT count(*) FROM (SELECT name FROM pilgrim UNION SELECT note FROM pilgrim)",
    "SELECT count(*) FROM (SELECT group_concat(note), name FROM pilgrim GROUP BY name ORDER BY 1)",
    "WITH big AS MATERIALIZED (SELECT * FROM pilgrim) SELECT count(*) FROM big a, big b WHERE a.note = b.note",
    "CREATE TEMP TABLE copy AS SELECT * FROM pilgrim", "UPDATE pilgrim SET note = note || 'x' WHERE id % 3 = 0",
    "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY note) AS n FROM pilgrim) WHERE n = 1", "VACUUM",
    "ANALYZE", "REINDEX",
  ]

  private func expectFree(_ data: Data, of forms: [Data], _ place: String) {
    for form in forms {
      #expect(data.range(of: form) == nil, "\(place) holds \(String(decoding: form, as: UTF8.self))")
    }
  }

  @Test func noFileAndNoOutputHoldsARowOrTheKey() throws {
    var outputs: [(String, Subprocess)] = []
    func run(_ arguments: String...) throws {
      let result = try Tool.run(
        arguments + ["--key-file", "first.key"], environment: environment, directory: work.folder.path)
      #expect(result.status == 0, "\(arguments): \(result.errors)")
      outputs.append((arguments.joined(separator: " "), result))
    }
    try run("import", source.file("plain.db"), "hostel.db")
    for statement in Self.statements { try run("query", "hostel.db", statement) }
    try run("status", "hostel.db")
    try run("verify", "hostel.db")
    try run("rekey", "hostel.db", "--cipher", "sqlcipher4-sha256")
    try run("export", "hostel.db", "copy.db", "--dest-key-file", "second.key")
    // What killed runs leave is part of what lies on the disk.
    for (point, command) in [
      ("rewritten", ["rekey", "hostel.db", "--new-key-file", "second.key"]),
      ("copy synchronized", ["import", source.file("plain.db"), "n.db"]),
    ] {
      let killed = try Tool.run(
        command + ["--key-file", "first.key"],
        environment: environment.merging(["ALBERGUE_CRASH_POINT": point]) { $1 }, directory: work.folder.path)
      #expect(killed.status == 137)
    }
    #expect(try work.leftovers().count == 3)
    let contents = try work.folder.contents()
    #expect(contents.keys.contains("hostel.db") && contents.keys.contains("copy.db"))
    #expect(!contents.keys.contains { $0.hasPrefix("tmp/") }, "\(contents.keys.sorted())")
    for (name, data) in contents where !name.hasSuffix(".key") {
      expectFree(data, of: Self.rowForms + Self.keyForms, name)
    }
    for (command, result) in outputs {
      expectFree(Data((result.output + result.errors).utf8), of: Self.rowForms + Self.keyForms, "output of \(command)")
    }
  }

  /// All bytes that all threads hand to the system, as strace sees them, and the names of the files they make.
  private func trace(_ arguments: [String], calls: String, environment extra: [String: String] = [:]) throws -> Data {
    try Tool.require("strace")
    let log = work.file("trace.log")
    let result = try Tool.run(
      arguments, environment: environment.merging(extra) { $1 },
      wrapper: ["strace", "-f", "-qq", "-v", "-s", "200000", "-o", log, "-e", "trace=\(calls)"],
      directory: work.folder.path)
    #expect(result.status == 0, "\(arguments): \(result.errors)")
    return try Bytes.read(log)
  }

  private static let writes =
    "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,copy_file_range,sendfile,memfd_create"

  @Test(.enabled(if: Tool.isRoot, Tool.needsRootToTrace))
  func noWriteHoldsARowOrTheKey() throws {
    let key = ["--key-file", "first.key"]
    // First that a row would be seen.
    _ = try trace(["import", source.file("plain.db"), "hostel.db"] + key, calls: Self.writes)
    let shown = try trace(["query", "hostel.db", "SELECT name FROM pilgrim LIMIT 1"] + key, calls: Self.writes)
    try #require(shown.range(of: Data(Canary.text.utf8)) != nil)
    var commands = Self.statements.map { ["query", "hostel.db", $0] }
    commands += [
      ["rekey", "hostel.db", "--cipher", "sqlcipher4-sha256"], ["import", source.file("plain.db"), "again.db"],
      ["export", "hostel.db", "copy.db", "--dest-key-file", "second.key"],
      ["rekey", "hostel.db", "--new-key-file", "second.key"],
    ]
    let octal = Data(String(repeating: #"\241"#, count: 8).utf8)
    for command in commands {
      let log = try trace(command + key, calls: Self.writes)
      // Statements are in no write either; the arguments are not traced here.
      expectFree(log, of: Self.rowForms + Self.keyForms + [octal], command.joined(separator: " "))
      #expect(log.range(of: Data("memfd_create".utf8)) == nil)
    }
  }

  @Test(.enabled(if: Tool.isRoot, Tool.needsRootToTrace))
  func everyFileThatIsMadeLiesBesideTheDatabase() throws {
    let key = ["--key-file", "first.key"]
    var commands = [["import", source.file("plain.db"), "hostel.db"]]
    commands += Self.statements.map { ["query", "hostel.db", $0] }
    commands += [["rekey", "hostel.db", "--new-key-file", "second.key"]]
    for command in commands {
      let log = String(decoding: try trace(command + key, calls: "open,openat,creat,openat2"), as: UTF8.self)
      for line in log.split(separator: "\n") where line.contains("O_CREAT") || line.contains("O_TMPFILE") {
        #expect(line.contains("\"\(work.file("hostel.db"))"), "\(command): \(line)")
        #expect(line.contains("O_CLOEXEC"), "\(command): \(line)")
      }
    }
  }

  // MARK: - The key

  @Test func aKeyCommandSeesNoKeyVariableAndNoOpenFile() throws {
    try work.makeSample("hostel.db")
    let command = "sh -c 'env > seen; ls -l /proc/self/fd > descriptors; cat first.key'"
    let result = try work.run(
      "query", "hostel.db", "SELECT 1",
      environment: [
        "TURSO_ENCRYPTION_KEY_COMMAND": command, "TURSO_ENCRYPTION_KEY_NOTE": "canary-note",
        "TURSO_REMOTE_ENCRYPTION_KEY": "canary-remote", "OTHER": "kept",
      ])
    result.expectSuccess()
    let seen = String(decoding: try Bytes.read(work.file("seen")), as: UTF8.self)
    #expect(seen.contains("OTHER=kept"))
    #expect(!seen.contains("TURSO_ENCRYPTION_KEY") && !seen.contains("canary"), "\(seen)")
    let descriptors = String(decoding: try Bytes.read(work.file("descriptors")), as: UTF8.self)
    #expect(!descriptors.contains("hostel.db"))
  }

  @Test(.enabled(if: Tool.isRoot, Tool.needsRootToTrace))
  func noArgumentAndNoEnvironmentOfAChildHoldsTheKey() throws {
    try work.makeSample("hostel.db")
    try work.write(
      """
      a 2026-01-01 active sqlcipher4 env:HOSTEL_KEY
      b 2026-01-02 retiring sqlcipher4 command:cat second.key

      """, to: "ring")
    // The variable of the first key is taken out before the command of the second one is started.
    let log = try trace(
      ["rekey", "hostel.db", "--to-key-id", "b", "--keyring", "ring"], calls: "execve",
      environment: ["HOSTEL_KEY": TestKeys.firstHex])
    let lines = String(decoding: log, as: UTF8.self).split(separator: "\n").filter { $0.contains("execve(") }
    let children = lines.filter { !$0.contains("\"\(Tool.path)\"") }
    #expect(children.contains { $0.contains("cat") })
    for line in children { expectFree(Data(line.utf8), of: Self.keyForms, "a child") }
    #expect(work.digest("hostel.db", key: TestKeys.secondHex) != nil)
  }

  /// Looked at from outside while it stands still with the key in use.
  @Test func aRunningProcessShowsNoKeyAndCannotBeDumped() throws {
    try Tool.require("strace", "setpriv")
    try work.makeSample("hostel.db")
    var wrapper: [String] = []
    if Tool.isRoot {
      wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
      let paths = ["hostel.db", "second.key", "."].map { work.file($0) }
      #expect(try Subprocess.run("chown", ["65534:65534"] + paths).status == 0)
    }
    let tool = try RunningTool(
      ["rekey", "hostel.db", "--new-key-file", "second.key"],
      environment: ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex, "OTHER": "kept"], directory: work.folder.path,
      stoppingAt: "rename", wrapper: wrapper)
    let id = try tool.waitUntilStopped()
    let limits = String(decoding: try Bytes.read("/proc/\(id)/limits"), as: UTF8.self)
    #expect(limits.contains(#/Max core file size +0 +0 /#))
    // A process that must not be dumped has /proc files of root, whoever runs it. Source: proc(5).
    let owner = try FileManager.default.attributesOfItem(atPath: "/proc/\(id)/environ")[.ownerAccountID] as? Int
    #expect(owner == 0)
    let status = String(decoding: try Bytes.read("/proc/\(id)/status"), as: UTF8.self)
    #expect(!status.contains("Uid:\t0"))
    expectFree(try Bytes.read("/proc/\(id)/cmdline"), of: Self.keyForms, "cmdline")
    // Root can read it; for the user itself the kernel refuses, which is the stronger answer.
    if let environment = try? Bytes.read("/proc/\(id)/environ") {
      #expect(environment.range(of: Data("OTHER=kept".utf8)) != nil)
      expectFree(environment, of: Self.keyForms, "environ")
    } else {
      #expect(!Tool.isRoot)
    }
    tool.send(SIGCONT)
    #expect(tool.finish() == 0, "\(tool.errors)")
  }
}
