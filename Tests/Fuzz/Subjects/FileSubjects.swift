#if DEBUG
  @testable import EncryptedStorage
  import EncryptionKeys
  import Foundation
  import Mutation
  @testable import PageStore
  import TestSupport

  extension Subject {
    /// Files, in folders of their own: logs, journals, and whole databases whose pages are authentic or not.
    static let files: [Subject] = [
      Subject("wal", .binary, cost: 4) { try await LogBench().examination(mendingChecksums: false) },
      // Its checksums have no key: whoever alters a frame can put them right. Then only the MAC is left.
      Subject("wal-mended", .binary, cost: 4) { try await LogBench().examination(mendingChecksums: true) },
      Subject("rollback-journal", .binary, cost: 2) {
        let bench = try FileBench()
        let pages = try SealedPages()
        let image = Array(try await SealedPages.databaseImage().prefix(3 * 4096))
        return Examination([FileBench.journal(of: try pages.seal(image))]) { input, _ in
          try Bytes.write(Data(input.bytes), to: bench.path + "-journal")
          let journal = try Rule.attempt(EncryptedStorageError.self) {
            try RollbackJournal(path: bench.path + "-journal")
          }
          guard let journal, let journal else { return .refused }
          for (_, offset) in journal.pageOffsets {
            try Rule.require(
              offset >= 0 && Int(offset) + journal.pageSize <= input.bytes.count, "a page outside of the journal")
          }
          return .accepted
        }
      },
      // Bytes as they are stored are changed: what is still read is what was there.
      Subject("store-state", .binary, cost: 20) {
        let bench = try FileBench()
        let sound = try SealedPages().seal(try await SealedPages.storeImage())
        let state = try await bench.state(of: sound)
        return Examination(waiting: [sound]) { input, _ in
          guard let found = try await bench.stateIfAny(of: input.bytes) else { return .refused }
          try Rule.require(found == state, "an altered store has another state: \(found)")
          return .accepted
        }
      },
      // Pages are changed and encrypted again: what somebody with the key, or a bug, can have written.
      Subject("store-state-sealed", .binary, cost: 20) {
        let bench = try FileBench()
        let pages = try SealedPages()
        return Examination(waiting: [try await SealedPages.storeImage()]) { input, _ in
          try await bench.stateIfAny(of: try pages.seal(input.bytes)) == nil ? .refused : .accepted
        }
      },
      Subject("classifier", .binary, cost: 40) {
        let bench = try FileBench()
        let image = try await SealedPages.databaseImage()
        let key = try TestKeys.first()
        return Examination(waiting: [
          try SealedPages().seal(image), image, try SealedPages().seal(await SealedPages.storeImage()),
        ]) {
          input, _ in
          try Bytes.write(Data(input.bytes), to: bench.path)
          let status = try await Rule.attemptAsync(EncryptedStorageError.self) {
            try await FileClassifier(keys: [key]).run(bench.path)
          }
          return status == nil ? .refused : .accepted
        }
      },
      Subject("recovery-readers", .binary, cost: 40) {
        let bench = try FileBench()
        let pages = try SealedPages()
        return Examination([try await SealedPages.databaseImage()]) { input, _ in
          try Bytes.write(Data(try pages.seal(input.bytes)), to: bench.path)
          let rowCount = try Rule.attempt(EncryptedStorageError.self) { try bench.salvagedRowCount() }
          return rowCount ?? 0 > 0 ? .accepted : .refused
        }
      },
    ]
  }

  /// One file that is written again and again.
  private final class FileBench {
    private let folder: TemporaryDirectory
    let path: String
    private let keys: [KeyMaterial]

    init() throws {
      folder = try TemporaryDirectory(named: "albergue-fuzz")
      path = folder.file("x.db")
      keys = [try TestKeys.first()]
    }

    func state(of stored: [UInt8]) async throws -> StoreState {
      guard let state = try await stateIfAny(of: stored) else { throw Finding("a sound store has no state") }
      return state
    }

    func stateIfAny(of stored: [UInt8]) async throws -> StoreState? {
      try Bytes.write(Data(stored), to: path)
      return try await Rule.attemptAsync(EncryptedStorageError.self) {
        try await StoreState.stored(in: path, keys: keys)
      }
    }

    /// Reads the schema and every row of every page.
    func salvagedRowCount() throws -> Int {
      let image = try AuthenticPages(DatabaseImage(path, materials: keys))
      let reader = RowReader(image, cancellation: Cancellation())
      let schema = try SalvagedSchema(reader)
      _ = (schema.objects, try FreeList(image))
      var count = 0
      for number in 1...max(1, min(image.pageCount, 200)) {
        guard let page = try image.bTreePage(number) else { continue }
        _ = try RowReader(image, cancellation: Cancellation()).forEachRow(of: page) { _ in count += 1 }
      }
      for object in schema.objects where object.rootPage > 0 {
        for family in [BTreePage.Family.table, .index] {
          let reader = RowReader(image, cancellation: Cancellation())
          _ = try BTreeWalk(reader: reader, family: family).run(root: object.rootPage) { _ in }
        }
      }
      return count
    }

    /// A journal of a transaction that changed the pages. Source: https://www.sqlite.org/fileformat2.html#the_rollback_journal
    static func journal(of stored: [UInt8]) -> [UInt8] {
      let pageCount = stored.count / 4096
      var bytes: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]
      for number in [pageCount, 5, pageCount, 512, 4096] { bytes += UInt32(number).bigEndianBytes }
      bytes += [UInt8](repeating: 0, count: 512 - bytes.count)
      for index in 0..<pageCount {
        let page = Array(stored[(index * 4096)..<(index * 4096 + 4096)])
        let sum = stride(from: 4096 - 200, to: 0, by: -200).reduce(UInt32(5)) { $0 &+ UInt32(page[$1]) }
        bytes += UInt32(index + 1).bigEndianBytes + page + sum.bigEndianBytes
      }
      return bytes
    }
  }

  /// A log with three transactions, and its reader.
  private struct LogBench {
    private let folder: TemporaryDirectory
    private let keys: PageKeys
    private let sound: [UInt8]
    private static let frameByteCount = WriteAheadLog.frameByteCount(pageSize: 4096)

    init() async throws {
      folder = try TemporaryDirectory(named: "albergue-fuzz")
      let pages = try SealedPages()
      keys = pages.keys
      let stored = try pages.seal(Array(try await SealedPages.databaseImage().prefix(5 * 4096)))
      var log: [UInt8] = [0x37, 0x7f, 0x06, 0x83, 0, 0x2d, 0xe2, 0x18, 0, 0, 0x10, 0, 0, 0, 0, 1]
      log += [0xCA, 0xFE, 0xBA, 0xBE, 0x12, 0x34, 0x56, 0x78] + [UInt8](repeating: 0, count: 8)
      for (index, number) in [1, 2, 3, 2, 4, 5].enumerated() {
        let commit: UInt32 = index % 2 == 1 ? 5 : 0
        log += UInt32(number).bigEndianBytes + commit.bigEndianBytes + log[16..<24] + [UInt8](repeating: 0, count: 8)
        log += stored[((number - 1) * 4096)..<(number * 4096)]
      }
      sound = Self.mended(log)
    }

    func examination(mendingChecksums: Bool) -> Examination {
      let frames = Self.pages(of: sound)
      return Examination([sound]) { input, _ in
        let bytes = mendingChecksums ? Self.mended(input.bytes) : input.bytes
        let path = folder.file("x.db-wal")
        try Bytes.write(Data(bytes), to: path)
        let scan = WriteAheadLogScan(path: path, keys: keys)
        guard let result = try Rule.attempt(EncryptedStorageError.self, { try scan.run() }),
          result.committedFrameCount > 0
        else { return .refused }
        let flawed = Set(result.flaws.map { if case .notAuthentic(let frame, _) = $0 { frame } else { -1 } })
        let found = Self.pages(of: bytes)
        for (page, frame) in result.newestFrames where !flawed.contains(frame) {
          let isKnown = frames.contains { $0.number == page && $0.content == found[frame].content }
          try Rule.require(isKnown, "an altered frame is authentic")
        }
        return result.flaws.isEmpty ? .accepted : .refused
      }
    }

    private static func pages(of log: [UInt8]) -> [(number: UInt32, content: ArraySlice<UInt8>)] {
      stride(from: 32, through: log.count - frameByteCount, by: frameByteCount).map { start in
        (log[start..<(start + 4)].reduce(0) { $0 << 8 | UInt32($1) }, log[(start + 24)..<(start + frameByteCount)])
      }
    }

    /// With every checksum right, and the salts of the header in every frame.
    private static func mended(_ log: [UInt8]) -> [UInt8] {
      guard log.count >= 32 else { return log }
      var log = log
      var sums = WriteAheadLog.Checksum()
      func add(_ range: Range<Int>) { sums.update(Array(log[range]).span.bytes, bigEndian: log[3] & 1 == 1) }
      func store(at offset: Int) {
        log.replaceSubrange(offset..<(offset + 8), with: sums.first.bigEndianBytes + sums.second.bigEndianBytes)
      }
      add(0..<24)
      store(at: 24)
      for start in stride(from: 32, through: log.count - frameByteCount, by: frameByteCount) {
        log.replaceSubrange((start + 8)..<(start + 16), with: Array(log[16..<24]))
        add(start..<(start + 8))
        add((start + 24)..<(start + frameByteCount))
        store(at: start + 16)
      }
      return log
    }
  }

  extension UInt32 {
    fileprivate var bigEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> UInt32(24 - 8 * $0)) } }
  }
#endif
