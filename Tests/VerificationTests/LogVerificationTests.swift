import EncryptedStorage
import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import Verification

@Suite("Verification of the write-ahead log")
struct LogVerificationTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("crashed.db")
  }

  /// A file and its log as a killed writer leaves them, with `transactions` commits in the log.
  private func makeCrashed(transactions: Int = 3) async throws {
    let live = folder.file("live.db")
    try await Sample.make(live, key: TestKeys.first())
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(live, .writer)
    for number in 0..<transactions {
      try await writer.transaction { session in
        _ = try session.execute(
          "UPDATE pilgrim SET name = name || ? WHERE id % 50 = ?", [.text("!"), .integer(Int64(number))])
      }
    }
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: live + suffix, toPath: path + suffix)
    }
    await writer.close()
  }

  private func verify() async throws -> VerificationReport {
    let factory = try ConnectionFactory(candidates: [TestKeys.first()])
    return try await Verifier(factory: factory, isQuick: true).run(path)
  }

  private let frameSize = 24 + 4096

  @Test func checksEveryCommittedFrame() async throws {
    try await makeCrashed()
    let frames = (Bytes.size(path + "-wal") - 32) / frameSize
    let report = try await verify()
    #expect(report.isClean)
    #expect(report.logFrameCount == frames)
    #expect(frames > 5)
  }

  @Test func findsOneFlippedBitAnywhereInTheLog() async throws {
    try await makeCrashed()
    let database = try Bytes.read(path)
    let log = try Bytes.read(path + "-wal")
    var generator = SeededGenerator(seed: 7)
    // Every byte of the header and of the frame headers of the first, a middle and the last frame; random bytes of pages.
    let frameCount = (log.count - 32) / frameSize
    var offsets = Array(0..<32)
    for frame in [0, frameCount / 2, frameCount - 1] { offsets += (0..<24).map { 32 + frame * frameSize + $0 } }
    for _ in 0..<40 { offsets.append(Int.random(in: 32..<log.count, using: &generator)) }
    for offset in offsets {
      var damaged = log
      damaged[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      try Bytes.write(database, to: path)
      try Bytes.write(damaged, to: path + "-wal")
      try? FileManager.default.removeItem(atPath: path + "-shm")
      let findings = try await verify().findings.map(\.kind)
      #expect(!findings.isEmpty, "byte \(offset) of the log (in frame: \((offset - 32) % frameSize))")
    }
  }

  @Test func ignoresWhatAnUnfinishedTransactionLeft() async throws {
    try await makeCrashed()
    let log = try Bytes.read(path + "-wal")
    // A frame that was only half written when the process died.
    try Bytes.write(log + Data(repeating: 0x5a, count: 1000), to: path + "-wal")
    #expect(try await verify().isClean)
    // A whole frame without a commit: its checksum does not continue the chain.
    var torn = Data(log[32..<(32 + frameSize)])
    torn.replaceSubrange(4..<8, with: Data(count: 4))
    torn.replaceSubrange(1000..<1016, with: Data(count: 16))
    try Bytes.write(log + torn, to: path + "-wal")
    #expect(try await verify().isClean)
  }

  @Test func aTornPageThatTheLogReplacesBeforeItBreaksIsNoDamage() async throws {
    try await makeCrashed()
    var log = try Bytes.read(path + "-wal")
    // The last frame is torn, as after a power cut that nobody waited for; the page of the first is torn in the file.
    log.replaceSubrange((log.count - 512)..<log.count, with: Data(count: 512))
    try Bytes.write(log, to: path + "-wal")
    let page = log[32..<36].reduce(0) { $0 << 8 | Int($1) }
    var database = try Bytes.read(path)
    database.replaceSubrange(((page - 1) * 4096 + 512)..<(page * 4096), with: Data(count: 3584))
    try Bytes.write(database, to: path)
    #expect(try await verify().findings.map(\.kind) == [.logBroken])
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    await writer.close()
    #expect(try await verify().isClean)
  }

  @Test(arguments: [ConnectionFactory.Access.reader, .writer])
  func anOpeningThatFailsLeavesFileAndLogAsTheyAre(access: ConnectionFactory.Access) async throws {
    try await makeCrashed()
    // A frame whose page is damaged, under a checksum that is right: everything SQLite looks at is in order.
    try forgeFirstFrame()
    let before = try [Bytes.read(path), Bytes.read(path + "-wal")]
    let factory = try ConnectionFactory(candidates: [TestKeys.first()])
    do {
      let connection = try await factory.open(path, access)
      // A reader of other pages may succeed.
      #expect(access == .reader)
      await connection.close()
    } catch { #expect((error as? EncryptedStorageError)?.code == .damaged) }
    #expect(try await verify().findings.contains { $0.kind == .frameNotAuthentic })
    #expect(try [Bytes.read(path), Bytes.read(path + "-wal")] == before)
  }

  /// Damages the page of the first frame and makes the whole chain of checksums right again.
  private func forgeFirstFrame() throws {
    var log = try Bytes.read(path + "-wal")
    log[32 + 24 + 2000] ^= 1
    let bigEndian = log[3] & 1 == 1
    func word(_ offset: Int) -> UInt32 {
      let bytes = log[offset..<(offset + 4)]
      return bytes.reduce(0) { $0 << 8 | UInt32($1) }.convert(bigEndian)
    }
    func stored(_ offset: Int) -> UInt32 { log[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
    var sums = (stored(24), stored(28))
    for frame in 0..<((log.count - 32) / frameSize) {
      let start = 32 + frame * frameSize
      let offsets = [start] + stride(from: start + 24, to: start + frameSize, by: 8)
      for offset in offsets {
        sums.0 = sums.0 &+ word(offset) &+ sums.1
        sums.1 = sums.1 &+ word(offset + 4) &+ sums.0
      }
      for (index, sum) in [sums.0, sums.1].enumerated() {
        for byte in 0..<4 { log[start + 16 + index * 4 + byte] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * byte)) }
      }
    }
    try Bytes.write(log, to: path + "-wal")
  }

  @Test func ignoresWhatARolledBackTransactionLeft() async throws {
    // A large transaction spills whole, authentic frames into the log; a smaller one then overwrites only the first.
    let live = folder.file("live.db")
    try await Sample.make(live, key: TestKeys.first())
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(live, .writer)
    try await writer.run { session in
      _ = try session.execute("PRAGMA cache_size = 5")
      _ = try session.execute("BEGIN IMMEDIATE")
      _ = try session.execute("UPDATE pilgrim SET note = randomblob(length(note))")
      _ = try session.execute("ROLLBACK")
      _ = try session.execute("UPDATE pilgrim SET name = name || '!' WHERE id < 4")
    }
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: live + suffix, toPath: path + suffix)
    }
    let frames = (Bytes.size(path + "-wal") - 32) / frameSize
    let report = try await verify()
    #expect(report.isClean, "\(report.findings)")
    #expect(report.logFrameCount < frames, "the transaction has not spilled")
    await writer.close()
  }

  @Test func findsACommitMarkThatWasTakenAway() async throws {
    try await makeCrashed()
    var log = try Bytes.read(path + "-wal")
    let last = (log.count - 32) / frameSize - 1
    log.replaceSubrange((32 + last * frameSize + 4)..<(32 + last * frameSize + 8), with: Data(count: 4))
    try Bytes.write(log, to: path + "-wal")
    #expect(try await verify().findings.map(\.kind) == [.logBroken])
  }

  @Test func verifiesWhileAWriterIsAtWork() async throws {
    let live = folder.file("live.db")
    try await Sample.make(live, key: TestKeys.first())
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(live, .writer)
    let writing = Task {
      for number in 0..<300 {
        try await writer.transaction { session in
          _ = try session.execute("UPDATE pilgrim SET name = ? WHERE id = ?", ["x", .integer(Int64(number))])
        }
      }
    }
    let factory = try ConnectionFactory(candidates: [TestKeys.first()])
    for _ in 0..<20 { #expect(try await Verifier(factory: factory, isQuick: true).run(live).isClean) }
    try await writing.value
    await writer.close()
  }

  @Test func findsPagesThatAreInNeitherFileNorLog() async throws {
    try await makeCrashed()
    let data = try Bytes.read(path)
    try Bytes.write(data.prefix(data.count / 2 / 4096 * 4096), to: path)
    #expect(try await verify().findings.contains { $0.kind == .truncated })
  }
}

extension UInt32 {
  /// A big-endian word, read in the byte order that the log's checksums use.
  fileprivate func convert(_ bigEndian: Bool) -> UInt32 { bigEndian ? self : byteSwapped }
}
