import Foundation
import TestSupport
import Testing

/// kill -9 cannot show what a power failure would lose; the order of the system calls can.
@Suite("Durability", .enabled(if: Tool.isRoot, Tool.needsRootToTrace))
struct DurabilityTests {
  let work: Workspace

  init() throws {
    try Tool.require("strace")
    work = try Workspace()
    try work.makeSample()
    try work.runWithFirstKey("export", "hostel.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
  }

  /// Each call as one word: what is made durable, put in place or removed; data written to the new file as `write`.
  private func calls(_ arguments: [String]) throws -> [String] {
    let log = work.file("trace.log")
    let result = try Tool.run(
      arguments + ["--key-file", "first.key"],
      wrapper: [
        "strace", "-f", "-qq", "-y", "-o", log, "-e",
        "trace=fsync,fdatasync,rename,renameat2,link,unlink,pwrite64,ftruncate",
      ], directory: work.folder.path)
    try #require(result.status == 0, "\(result.errors)")
    let folder = work.folder.path
    return String(decoding: try Bytes.read(log), as: UTF8.self).split(separator: "\n").compactMap { line in
      guard !line.contains(" ENOENT ") else { return nil }
      let isNew = line.contains(".albergue-tmp")
      let isJournal = line.contains(".albergue-rotation")
      let place = isNew ? "new" : isJournal ? "journal" : line.contains("<\(folder)>") ? "folder" : "other"
      let call = line.drop { $0 != " " }.drop { $0 == " " }.prefix { $0.isLetter || $0.isNumber }
      switch call {
      case "rename", "renameat2", "link": return "in place"
      case "pwrite64", "ftruncate": return "write \(place)"
      case "fdatasync", "fsync": return "sync \(place)"
      default: return "\(call) \(place)"
      }
    }
  }

  private func positions(_ call: String, _ calls: [String]) -> [Int] { calls.indices.filter { calls[$0] == call } }

  @Test(arguments: [["--new-key-file", "second.key"], ["--cipher", "sqlcipher4-sha256"]])
  func aRotationIsDurableBeforeItIsInPlaceAndInPlaceBeforeItsJournalGoes(arguments: [String]) throws {
    let calls = try calls(["rekey", "hostel.db"] + arguments)
    let inPlace = try #require(positions("in place", calls).first, "\(calls)")
    #expect(positions("in place", calls).count == 1)
    let lastWrite = try #require(positions("write new", calls).last)
    #expect(positions("sync new", calls).contains { lastWrite < $0 && $0 < inPlace }, "\(calls)")
    // The journal is on the disk, with its name, before there is anything that it would have to clean up.
    let firstWrite = try #require(positions("write new", calls).first)
    let journal = try #require(positions("sync journal", calls).first)
    #expect(journal < firstWrite)
    #expect(positions("sync folder", calls).contains { journal < $0 && $0 < firstWrite }, "\(calls)")
    let removed = try #require(positions("unlink journal", calls).first)
    #expect(positions("sync folder", calls).contains { inPlace < $0 && $0 < removed }, "\(calls)")
    #expect(positions("sync folder", calls).contains { $0 > removed }, "\(calls)")
  }

  @Test(arguments: [
    ["import", "plain.db", "new.db"], ["export", "hostel.db", "new.db", "--dest-key-file", "second.key"],
    ["init", "new.db"],
  ])
  func aNewFileIsDurableBeforeItHasItsName(arguments: [String]) throws {
    let calls = try calls(arguments)
    let inPlace = try #require(positions("in place", calls).first, "\(calls)")
    let lastWrite = try #require(positions("write new", calls).last { $0 < inPlace })
    #expect(positions("sync new", calls).contains { lastWrite < $0 && $0 < inPlace }, "\(calls)")
    #expect(positions("sync folder", calls).contains { $0 > inPlace }, "\(calls)")
  }

  @Test func aCommitWaitsForTheDisk() throws {
    let calls = try calls(["query", "hostel.db", "DELETE FROM pilgrim WHERE id = 1"])
    #expect(calls.contains("sync other"), "\(calls)")
  }
}
