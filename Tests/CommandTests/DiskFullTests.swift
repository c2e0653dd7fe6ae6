import Foundation
import TestSupport
import Testing

/// A disk, or a limit, that leaves no room: exit code 74, the old data as it was, and a next run that works.
@Suite("Disk full")
struct DiskFullTests {
  let work: Workspace
  let digest: String

  init() throws {
    try Tool.require("prlimit")
    work = try Workspace()
    try work.makeSample()
    try work.runWithFirstKey("export", "hostel.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    digest = try #require(work.digest("hostel.db", key: TestKeys.firstHex))
  }

  private static let commands: [String: [String]] = [
    "init": ["init", "new.db"], "import": ["import", "plain.db", "new.db"],
    "export": ["export", "hostel.db", "new.db", "--plaintext", "--yes-write-plaintext"],
    "rekey": ["rekey", "hostel.db", "--new-key-file", "second.key"],
    "profile": ["rekey", "hostel.db", "--cipher", "sqlcipher4-sha256"],
    "query": ["query", "hostel.db", "INSERT INTO pilgrim SELECT NULL, name, note FROM pilgrim"],
    "index": ["query", "hostel.db", "CREATE INDEX longer ON pilgrim (note)"],
    "vacuum": ["query", "hostel.db", "VACUUM"],
  ]

  /// Nothing but the new file under its name may tell of a run that succeeded; a failed one leaves nothing.
  private func expectUnchanged(_ cause: String) throws {
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) == digest, "\(cause): the old data is not what it was")
    #expect(!Bytes.exists(work.file("new.db")), "\(cause): an unfinished file")
    #expect(try work.leftovers() == [], "\(cause)")
    let verified = try work.runWithFirstKey("verify", "hostel.db")
    #expect(verified.status == 0, "\(cause): \(verified.output)\(verified.errors)")
  }

  /// Limits from no byte to three fourths of what is needed.
  @Test(arguments: ["init", "import", "export", "rekey", "profile", "query", "index", "vacuum"])
  func aFileSizeLimitIsAnErrorThatChangesNothing(name: String) throws {
    let command = try #require(Self.commands[name])
    let size = Bytes.size(work.file("hostel.db"))
    let limits = name == "init" ? [0, 1, 2048, 4095] : [0, 100, 4096, 40960, size / 2, size * 3 / 4]
    for limit in limits {
      let result = try Tool.run(
        command + ["--key-file", "first.key"], wrapper: ["prlimit", "--fsize=\(limit)"], directory: work.folder.path)
      let cause = "\(name) with \(limit) bytes"
      // The result goes to a file, too: with no room at all, not even the message of success can be written.
      #expect(result.status == 74, "\(cause): \(result.status) \(result.errors)")
      try expectUnchanged(cause)
    }
    let next = try Tool.run(command + ["--key-file", "first.key"], directory: work.folder.path)
    #expect(next.status == 0, "\(name): \(next.errors)")
    if name == "rekey" { #expect(work.digest("hostel.db", key: TestKeys.secondHex) == digest) }
  }

  /// The same on a file system that is really full; only root can mount one, others have the test above.
  @Test(
    .enabled(if: Tool.isRoot, "mounting a tmpfs needs root"),
    arguments: ["init", "import", "rekey", "profile", "query", "index", "vacuum"])
  func aFullFileSystemIsAnErrorThatChangesNothing(name: String) throws {
    let command = try #require(Self.commands[name])
    try FileManager.default.createDirectory(atPath: work.file("disk"), withIntermediateDirectories: false)
    let size = Bytes.size(work.file("hostel.db"))
    let room = size * 3 / 2 + Bytes.size(work.file("plain.db"))
    let mounted = try Subprocess.run(
      "mount", ["-t", "tmpfs", "-o", "size=\(room + 65536)", "tmpfs", work.file("disk")])
    try #require(mounted.status == 0, "root without the right to mount: run the tests with it, or as another user")
    defer { _ = try? Subprocess.run("umount", ["-l", work.file("disk")]) }
    for file in ["hostel.db", "plain.db", "first.key", "second.key"] { try work.copy(file, to: "disk/" + file) }
    let filler = work.file("disk/filler")
    if name == "init" { _ = try Subprocess.run("dd", ["if=/dev/zero", "of=" + filler, "bs=4096"]) }
    let full = try Tool.run(command + ["--key-file", "first.key"], directory: work.file("disk"))
    #expect(full.status == 74, "\(full.status) \(full.errors)")
    full.expectFailure(74, hint: true)
    #expect(work.digest("disk/hostel.db", key: TestKeys.firstHex) == digest)
    #expect(!Bytes.exists(work.file("disk/new.db")))
    let names = try FileManager.default.contentsOfDirectory(atPath: work.file("disk"))
    #expect(!names.contains { $0.contains(".albergue-") || $0.hasSuffix("-journal") }, "\(names)")
    try? FileManager.default.removeItem(atPath: filler)
    let larger = try Subprocess.run("mount", ["-o", "remount,size=64m", work.file("disk")])
    #expect(larger.status == 0)
    let next = try Tool.run(command + ["--key-file", "first.key"], directory: work.file("disk"))
    #expect(next.status == 0, "\(next.errors)")
  }
}
