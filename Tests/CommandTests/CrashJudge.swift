import Foundation
import TestSupport
import Testing

/// What must hold after a run of `rekey`, `import` or `recover` that was ended in the middle.
struct CrashJudge {
  let work: Workspace
  /// What ended the run, for messages.
  let cause: String

  /// One key that opens the file, and all rows; then the next run settles everything.
  func judgeRekey(_ name: String, digest: String, newSettings: String = "") throws {
    let old = work.digest(name, key: TestKeys.firstHex)
    let hex = newSettings.isEmpty ? TestKeys.secondHex : TestKeys.firstHex
    let new = work.digest(name, key: hex, settings: newSettings)
    #expect((old == digest) != (new == digest), "\(cause): old \(old != nil), new \(new != nil)")
    #expect([old, new].allSatisfy { $0 == nil || $0 == digest }, "\(cause): rows differ")
    // Whatever the state, one more run brings the new key, and nothing else stays.
    let target = newSettings.isEmpty ? ["--new-key-file", "second.key"] : ["--cipher", "sqlcipher4-sha256"]
    let again = try Tool.run(["rekey", name, "--key-file", "first.key"] + target, directory: work.folder.path)
    #expect(again.status == 0, "\(cause): \(again.errors)")
    #expect(try work.leftovers() == [], "\(cause)")
    let key = newSettings.isEmpty ? "second.key" : "first.key"
    let verified = try work.run("verify", name, "--key-file", key)
    #expect(verified.status == 0, "\(cause): \(verified.output)\(verified.errors)")
    #expect(work.digest(name, key: hex, settings: newSettings) == digest, "\(cause)")
  }

  /// A plain open, too, settles what a killed rotation left.
  func judgeOpen(_ name: String, digest: String) throws {
    let isOld = work.digest(name, key: TestKeys.firstHex) == digest
    let key = isOld ? "first.key" : "second.key"
    let opened = try work.run("query", name, "SELECT count(*) FROM pilgrim", "--key-file", key)
    #expect(opened.status == 0, "\(cause): \(opened.errors)")
    #expect(try work.leftovers() == [], "\(cause)")
    let verified = try work.run("verify", name, "--key-file", key)
    #expect(verified.status == 0, "\(cause): \(verified.output)\(verified.errors)")
    #expect(work.digest(name, key: isOld ? TestKeys.firstHex : TestKeys.secondHex) == digest, "\(cause)")
  }

  /// The destination is complete or absent; the next run makes it, or finds it made; nothing else stays.
  func judgeCopy(
    _ command: String, _ source: String, sourceKey: String?, _ destination: String, digest: String
  ) throws {
    let wasThere = Bytes.exists(work.file(destination))
    if wasThere { #expect(work.digest(destination, key: TestKeys.firstHex) == digest, "\(cause): incomplete") }
    #expect(work.digest(source, key: sourceKey) == digest, "\(cause): the source changed")
    let again = try work.runWithFirstKey(command, source, destination)
    #expect(again.status == (wasThere ? 73 : 0), "\(cause): \(again.errors)")
    #expect(try work.leftovers() == [], "\(cause)")
    try work.runWithFirstKey("verify", destination).expectSuccess()
    #expect(work.digest(destination, key: TestKeys.firstHex) == digest, "\(cause)")
    // Not on disk under another name either.
    let status = try Subprocess.run("stat", ["-c", "%h", work.file(destination)])
    #expect(status.output == "1\n", "\(cause): the destination has a second name")
  }
}
