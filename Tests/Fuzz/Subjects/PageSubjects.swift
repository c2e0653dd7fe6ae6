#if DEBUG
  @testable import EncryptedStorage
  import EncryptionKeys
  import Mutation
  @testable import PageStore
  import TestSupport

  extension Subject {
    /// Pages and what is on them, in memory.
    static let pages: [Subject] = [
      Subject("page-codec", .binary) {
        let pages = try SealedPages()
        let codec = try PageCodec(pages.keys)
        let sound = try (0..<UInt32(4)).map { index in
          try pages.seal(
            Corpus.made(1) { generator in
              (0..<4096).map { _ in UInt8(truncatingIfNeeded: generator.next() >> UInt64(index)) }
            }[0], firstPage: 2 + index)
        }
        return Examination(sound) { input, _ in
          guard let origin = input.origin else { return .refused }
          guard codec.isAuthentic(input.bytes.span.bytes, number: UInt32(2 + origin)) else { return .refused }
          try Rule.require(input.bytes == sound[origin], "an altered page is authentic")
          return .accepted
        }
      },
      Subject("database-header", .binary) {
        Examination([Page.emptyDatabase.bytes]) { input, _ in
          let isPlausible = DatabaseHeader.isPlausible(input.bytes.span.bytes)
          guard let header = DatabaseHeader(page: input.bytes.span.bytes) else { return .refused }
          let sizes: Set = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
          try Rule.require(!isPlausible || sizes.contains(header.pageSize), "a size that no page has is plausible")
          return isPlausible ? .accepted : .refused
        }
      },
      Subject("image-pages", .binary) {
        Examination([Page.emptyDatabase.bytes + [UInt8](repeating: 1, count: 4096)]) { input, _ in
          let cut = input.bytes.count > 4096 ? 4096 : 0
          let number = UInt32(input.bytes.last ?? 0) + 1
          let pages = [
            Page(number: 1, bytes: Array(input.bytes.dropLast(cut))),
            Page(number: number, bytes: Array(input.bytes.suffix(cut))),
          ]
          let result: Void? = try Rule.attempt(EncryptedStorageError.self) {
            try ImageCheck.pages(pages, pageCount: 2, "x.db")
            try ImageCheck.size(in: pages[0].bytes, pageCount: 1, "x.db")
          }
          guard result != nil else { return .refused }
          try Rule.require(
            pages.allSatisfy { $0.bytes.count == 4096 && (1...2).contains($0.number) }, "a page that is none")
          return .accepted
        }
      },
      Subject("b-tree-page", .binary) {
        let image = try await SealedPages.databaseImage()
        let inputs = (0..<(image.count / 4096)).map { Array(image[($0 * 4096)..<($0 * 4096 + 4096)]) }
        return Examination(inputs) { input, generator in
          let bytes = Array((input.bytes + [UInt8](repeating: 0, count: 4096)).prefix(4096))
          return try examineBTreePage(bytes, number: input.origin == 0 ? 1 : 2)
        }
      },
      Subject("record", .binary) {
        Examination([
          [3, 1, 21, 5, 0x41, 0x42, 0x43, 0x44], [1], [6, 0, 6, 7, 8, 9] + [UInt8](repeating: 0x40, count: 16),
          [4, 0x81, 0x10, 12] + [UInt8](repeating: 0x41, count: 66),
        ]) { input, _ in
          guard let values = StoredRecord.values(input.bytes) else { return .refused }
          try Rule.require(values.count <= input.bytes.count, "more values than bytes")
          return .accepted
        }
      },
      Subject("store-leaf", .binary) {
        Examination([leafOfStore()]) { input, _ in
          guard input.bytes.count >= 512, let rows = TablePage.rows(of: input.bytes.span.bytes, byteCount: 300) else {
            return .refused
          }
          try Rule.require(rows.allSatisfy { $0.content.count == 300 }, "a row of another length")
          return .accepted
        }
      },
      Subject("change-list", .binary) {
        Examination([ChangeLog.encode([1, 2, 7, 300, .max]), []]) { input, _ in
          guard let pages = ChangeLog.decode(input.bytes) else { return .refused }
          try Rule.require(ChangeLog.encode(pages) == input.bytes, "a list is written otherwise than it was read")
          return .accepted
        }
      },
      Subject("file-appearance", .binary) {
        let pages = try SealedPages()
        let image = try await SealedPages.databaseImage()
        let inputs = [
          Array(image.prefix(4096)), try pages.seal(Array(image.prefix(4096))), Array("Turso\u{0}\u{1}".utf8), [],
        ]
        return Examination(inputs) { input, _ in FileAppearance(head: input.bytes) == .other ? .refused : .accepted }
      },
      Subject("rotation-journal", journalText) {
        let journal = RotationJournal(temporaryName: "x.db.1a-2b.albergue-tmp", fromKeyID: "2025", toKeyID: "2026")
        return Examination([journal.bytes]) { input, _ in
          guard let read = RotationJournal(input.bytes, of: "/folder/x.db") else { return .refused }
          // It says which file is removed.
          try Rule.require(
            read.temporaryName.hasPrefix("x.db.") && read.temporaryName.hasSuffix(".albergue-tmp")
              && !read.temporaryName.contains("/"), "a journal names a file that is none of a rotation")
          return .accepted
        }
      },
    ]

    private static let journalText = Mutator(
      tokens: ["temporary: ", "../", "/", "\n", "x.db.", ".albergue-tmp", "\u{0}", "albergue-rotation: 2"],
      separators: "\n:.")

    /// All that a reader asks of a page.
    private static func examineBTreePage(_ bytes: [UInt8], number: UInt32) throws -> Verdict {
      let buffer = PageBuffer(byteCount: bytes.count)
      buffer.withMutableSpan(0..<bytes.count) { span in
        for (offset, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
      }
      let page = AuthenticPage(
        number: number, usableByteCount: bytes.count - SealedPages.format.reserve, buffer: buffer)
      guard let tree = BTreePage(page) else { return .refused }
      for index in -1...tree.cellCount {
        guard let cell = tree.cell(index) else { continue }
        try Rule.require((0..<tree.cellCount).contains(index), "a cell that is not there")
        guard let payload = cell.payload else { continue }
        guard let local = page.bytes(at: payload.start, count: payload.localByteCount) else {
          throw Finding("a record that reaches out of its page")
        }
        _ = StoredRecord.types(local[...], recordByteCount: payload.byteCount)
        if payload.overflowPage == nil { _ = StoredRecord.values(local) }
      }
      return .accepted
    }

    private static func leafOfStore() -> [UInt8] {
      let buffer = PageBuffer(byteCount: 4096)
      buffer.withMutableSpan(0..<4096) { span in
        let content = RawSpanSource(bytes: [UInt8](repeating: 0x5A, count: 300), range: 0..<300)
        TablePage.fillLeaf(&span, usableByteCount: 4016, (1...9).map { (row: $0, content: content) })
      }
      return buffer.withSpan(0..<4096) { $0.bytes(at: 0, count: 4096) }
    }
  }
#endif
