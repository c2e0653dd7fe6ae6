import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage
@testable import PageStore

/// Pages of a container that were altered: whatever needs them fails, and nothing is ever answered with wrong data.
@Suite("Slow: altered pages of a page store")
struct SlowDamagedStoreTests {
  private let folder: TemporaryDirectory
  private let history: ImageHistory
  private let image: ImageLayout
  /// A replica with a table of several leaves, long overflow chains, and an index; closed, in one file.
  private let original: Data
  private let layout: StoreLayout
  private let path: String

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("replica.db")
    history = try ImageHistory(in: folder, scripts: [Self.script, "UPDATE pilgrim SET name = name || '?';"])
    let plain = folder.file("first.db")
    try Bytes.write(history.versions[0].pages.reduce(into: Data()) { $0 += $1.bytes }, to: plain)
    image = try ImageLayout(plaintext: plain)
    try await history.replica(path)
    original = try Bytes.read(path)
    try Bytes.write(original, to: folder.file("copy.db"))
    layout = try StoreLayout(copy: folder.file("copy.db"))
    try #require(image.overflowPages.count > 50)
    try #require(layout.imagePages.values.flatMap { $0 }.count == 2 * history.versions[0].pages.count)
  }

  private static let script = """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    \(ImageHistory.rows(1...20, noteByteCount: 900))\(ImageHistory.rows(30...35, noteByteCount: 40000))
    """

  // MARK: - What must hold

  private let rowSQL = "SELECT id || ' ' || name || ' ' || hex(note) FROM pilgrim WHERE id = ?"

  /// Every query for a row fails as damaged if it needs one of `damaged`, and answers as the model otherwise, on a
  /// connection of its own and after others on the same one.
  private func expectFailures(
    ofImagePages damaged: Set<UInt32>, _ cause: String, _ other: ImageLayout? = nil, version: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let factory = try Fixture.factory()
    if damaged.contains(1) { return try expectNothingAnswered(cause, sourceLocation: sourceLocation) }
    let layout = other ?? image
    let shared = try factory.openSession(path, .reader)
    defer { shared.close() }
    let neededByAll = layout.neededPages.values.reduce(into: Set<UInt32>()) { $0.formUnion($1) }
    let all = outcome { try shared.query(ImageHistory.rowsSQL) { $0[0].text ?? "" } }
    #expect(
      all == (neededByAll.isDisjoint(with: damaged) ? .success(history.versions[version].rows) : .failure(.damaged)),
      "\(cause): all rows", sourceLocation: sourceLocation)
    for (id, needed) in layout.neededPages.sorted(by: { $0.key < $1.key }) {
      let own = try factory.openSession(path, .reader)
      defer { own.close() }
      for (session, name) in [(own, "a new connection"), (shared, "a used connection")] {
        let outcome = answer(session, id)
        if needed.isDisjoint(with: damaged) {
          #expect(
            outcome == .success(expectedRows(id, version)), "\(cause): row \(id), \(name)",
            sourceLocation: sourceLocation)
        } else {
          #expect(outcome == .failure(.damaged), "\(cause): row \(id), \(name)", sourceLocation: sourceLocation)
        }
      }
    }
  }

  /// Nobody gets a connection, or no query works on it.
  private func expectNothingAnswered(_ cause: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let factory = try Fixture.factory()
    for id in image.neededPages.keys {
      do {
        let session = try factory.openSession(path, .reader)
        defer { session.close() }
        #expect(answer(session, id) == .failure(.damaged), "\(cause): row \(id)", sourceLocation: sourceLocation)
      } catch {
        #expect(error.code == .damaged, "\(cause): opening: \(error)", sourceLocation: sourceLocation)
      }
    }
  }

  private enum Outcome: Equatable {
    case success([String])
    case failure(EncryptedStorageError.Code?)
  }

  private func outcome(_ body: () throws -> [String]) -> Outcome {
    do { return .success(try body()) } catch { return .failure((error as? EncryptedStorageError)?.code) }
  }

  private func answer(_ session: Session, _ id: Int) -> Outcome {
    outcome { try session.query(rowSQL, [.integer(Int64(id))]) { $0[0].text ?? "" } }
  }

  private func expectedRows(_ id: Int, _ version: Int) -> [String] {
    history.versions[version].rows.filter { $0.hasPrefix("\(id) ") }
  }

  /// The stored pages: those that are damaged fail, all others are the model's.
  private func expectStoredPages(damaged: Set<UInt32>, _ cause: String, version: Int = 0) async throws {
    let store = try await PageStore.open(path, factory: Fixture.factory())
    for page in history.versions[version].pages {
      do {
        let stored = try await store.page(page.number)
        #expect(stored == page && !damaged.contains(page.number), "\(cause): page \(page.number)")
      } catch let error as EncryptedStorageError {
        #expect(error.code == .damaged && damaged.contains(page.number), "\(cause): page \(page.number): \(error)")
      }
    }
    await store.close()
  }

  // MARK: - Altered pages of the file

  private func flip(_ page: UInt32, _ generator: inout SeededGenerator) throws {
    var data = original
    let first = page == 1 ? 16 : 0
    let byte = (Int(page) - 1) * 4096 + Int.random(in: first..<4096 - 16, using: &generator)
    data[byte] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    try Bytes.write(data, to: path)
  }

  @Test func oneFlippedBitFailsWhatNeedsThePage() async throws {
    var generator = SeededGenerator(seed: 1)
    let tables = Set(image.pages.filter { $0.tree == "pilgrim" && $0.kind != "overflow" }.map(\.number))
    // Heads of page 1, of inner pages and leaves of the table, of some overflow pages, of the index; every tail.
    let heads = tables.union([1]).union(image.overflowPages.enumerated().filter { $0.offset % 7 == 0 }.map(\.element))
      .union(image.pages.filter { $0.tree == "pilgrim_name" }.map(\.number).prefix(1))
    let leaves = try heads.sorted().map { try #require(layout.headLeaf(of: $0)) } + layout.pages("tail", "leaf")
    for leaf in leaves {
      try flip(leaf, &generator)
      let damaged = try #require(layout.imagePages[leaf])
      try expectFailures(ofImagePages: damaged, "container page \(leaf)")
      try await expectStoredPages(damaged: damaged, "container page \(leaf)")
    }
  }

  @Test func withoutItsInnerPagesOrItsStateNoStoreAnswers() throws {
    var generator = SeededGenerator(seed: 2)
    let pages =
      ["head", "tail"].flatMap { layout.pages($0, "internal") }
      + ["meta", "change", "sqlite_schema"].flatMap { layout.pages($0, "leaf") }
    #expect(pages.count >= 5)
    for page in pages {
      try flip(page, &generator)
      try expectNothingAnswered("container page \(page)")
    }
  }

  /// SQLCipher takes a page of zeros for one beyond the end of the file, and hands it out as it is.
  @Test func aZeroedPageIsDamageAndNotZeros() async throws {
    for page in [image.overflowPages.first, image.overflowPages.last, 2].compactMap({ $0 }) {
      let leaf = try #require(layout.headLeaf(of: page))
      var data = original
      data.replaceSubrange(Int(leaf - 1) * 4096..<Int(leaf) * 4096, with: Data(count: 4096))
      try Bytes.write(data, to: path)
      try expectFailures(ofImagePages: [page], "page \(page)")
      try await expectStoredPages(damaged: [page], "page \(page)")
    }
  }

  @Test func swappedPagesAreDamage() async throws {
    let overflow = image.overflowPages
    let pairs = [(overflow[1], overflow[2]), (overflow[3], overflow[overflow.count - 1])]
    for (one, other) in pairs {
      let places = try [one, other].map { page in
        let leaf = try #require(layout.headLeaf(of: page))
        return Int(leaf - 1) * 4096..<Int(leaf) * 4096
      }
      var data = original
      data.replaceSubrange(places[0], with: original[places[1]])
      data.replaceSubrange(places[1], with: original[places[0]])
      try Bytes.write(data, to: path)
      try expectFailures(ofImagePages: [one, other], "pages \(one) and \(other)")
      try await expectStoredPages(damaged: [one, other], "pages \(one) and \(other)")
    }
  }

  @Test func anAlteredListOfChangesIsNoShorterList() async throws {
    let factory = try Fixture.factory()
    let container = try factory.openSession(path, .writer, view: .container)
    try container.execute("UPDATE change SET position = 101, pages = ?", [.blob(ChangeLog.encode(Array(1...3000)))])
    container.close()
    let changed = try Bytes.read(path)
    try Bytes.write(changed, to: folder.file("copy.db"))
    let overflow = try StoreLayout(copy: folder.file("copy.db")).pages("change", "overflow")
    #expect(overflow.count >= 2)
    for page in overflow {
      for isZeroed in [true, false] {
        var data = changed
        let place = Int(page - 1) * 4096..<Int(page) * 4096
        if isZeroed { data.replaceSubrange(place, with: Data(count: 4096)) } else { data[place.lowerBound + 99] ^= 4 }
        try Bytes.write(data, to: path)
        let store = try await PageStore.open(path, factory: factory)
        await #expect { try await store.pages(changedSince: 100) } throws: { error in
          (error as? EncryptedStorageError)?.code == .damaged
        }
        await store.close()
        // Who only reads the image does not need the list.
        try expectFailures(ofImagePages: [], "container page \(page)")
      }
    }
  }
}

// MARK: - Altered pages of the log

extension SlowDamagedStoreTests {
  /// The second version is in the log.
  private func makeLog() async throws -> (store: PageStore, log: Data, layout: StoreLayout, image: ImageLayout) {
    let store = try await PageStore.open(path, factory: Fixture.factory())
    try await store.apply(history.batch(1))
    let (database, log) = try (Bytes.read(path), Bytes.read(path + "-wal"))
    #expect(database == original, "nothing was moved into the database")
    try Bytes.write(original, to: folder.file("log.db"))
    try Bytes.write(log, to: folder.file("log.db-wal"))
    let plain = folder.file("second.db")
    try Bytes.write(history.versions[1].pages.reduce(into: Data()) { $0 += $1.bytes }, to: plain)
    return (store, log, try StoreLayout(copy: folder.file("log.db")), try ImageLayout(plaintext: plain))
  }

  /// As a killed process leaves the file and its log. Nobody may have them open.
  private func put(_ log: Data) throws {
    try Bytes.write(original, to: path)
    try Bytes.write(log, to: path + "-wal")
    try? FileManager.default.removeItem(atPath: path + "-shm")
  }

  private static let frameByteCount = 24 + 4096

  /// The newest frame of each page.
  private static func newestFrames(_ log: Data) -> [UInt32: Int] {
    stride(from: 32, to: log.count, by: frameByteCount).reduce(into: [:]) { frames, start in
      frames[log[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }] = start
    }
  }

  /// Makes the checksums right again, which needs no key.
  private static func forgeChecksums(_ log: inout Data) {
    let bytes = [UInt8](log)
    let isBigEndian = bytes[3] & 1 == 1
    var checksum = WriteAheadLog.Checksum(bytes.span.bytes, at: 24)
    for start in stride(from: 32, to: bytes.count, by: frameByteCount) {
      checksum.update(bytes.span.bytes.extracting(start..<start + 8), bigEndian: isBigEndian)
      checksum.update(bytes.span.bytes.extracting(start + 24..<start + frameByteCount), bigEndian: isBigEndian)
      for (offset, word) in [checksum.first, checksum.second].enumerated() {
        withUnsafeBytes(of: word.bigEndian) {
          log.replaceSubrange(start + 16 + 4 * offset..<start + 20 + 4 * offset, with: $0)
        }
      }
    }
  }

  @Test func anAlteredFrameFailsWhatNeedsItsPage() async throws {
    let (store, log, layout, image) = try await makeLog()
    await store.close()
    let frames = Self.newestFrames(log)
    let leaves = layout.imagePages.keys.filter { frames[$0] != nil }.sorted()
    #expect(leaves.count > 30)
    var generator = SeededGenerator(seed: 3)
    for leaf in leaves.enumerated().filter({ $0.offset % 6 == 0 }).map(\.element) {
      let frame = try #require(frames[leaf])
      var altered = log
      altered[frame + 24 + Int.random(in: 0..<4096 - 16, using: &generator)] ^=
        1 << UInt8.random(in: 0..<8, using: &generator)
      Self.forgeChecksums(&altered)
      try put(altered)
      let damaged = try #require(layout.imagePages[leaf])
      try expectFailures(ofImagePages: damaged, "frame of container page \(leaf)", image, version: 1)
      // A writer would move the frame into the database.
      await #expect { try await PageStore.open(path, factory: Fixture.factory()) } throws: { error in
        (error as? EncryptedStorageError)?.code == .damaged
      }
    }
  }

  /// Where a connection is open, SQLite has the places of the frames in memory and looks at no checksum.
  @Test func aFrameThatIsAlteredWhileTheStoreIsOpenFailsWhatNeedsItsPage() async throws {
    let (store, log, layout, image) = try await makeLog()
    let frames = Self.newestFrames(log)
    let leaves = layout.imagePages.keys.filter { frames[$0] != nil }.sorted()
    for leaf in leaves.enumerated().filter({ $0.offset % 12 == 0 }).map(\.element) {
      var altered = log
      altered[try #require(frames[leaf]) + 24 + 1000] ^= 1
      // No lock lies on the log: it may be opened and closed beside SQLite.
      try Bytes.write(altered, to: path + "-wal")
      let damaged = try #require(layout.imagePages[leaf])
      try expectFailures(ofImagePages: damaged, "frame of container page \(leaf)", image, version: 1)
    }
    try Bytes.write(log, to: path + "-wal")
    try expectFailures(ofImagePages: [], "the log as it was", image, version: 1)
    await store.close()
    try await expectStoredPages(damaged: [], "afterwards", version: 1)
  }

  /// The wrong checksum ends the log for who reads it first: that is an older version, whole, or nothing.
  @Test func anAlteredFrameUnderItsOldChecksumNeverGivesAMixture() async throws {
    let (store, log, _, _) = try await makeLog()
    await store.close()
    for start in stride(from: 32, to: log.count, by: Self.frameByteCount * 9) {
      var altered = log
      altered[start + 24 + 2000] ^= 1
      try put(altered)
      try expectFailures(ofImagePages: [], "frame at \(start)")
    }
  }
}

// MARK: - Writing where pages are altered

extension SlowDamagedStoreTests {
  @Test func aBatchThatMeetsAnAlteredPageChangesNothing() async throws {
    let page = try #require(image.overflowPages.last)
    var generator = SeededGenerator(seed: 4)
    try flip(try #require(layout.headLeaf(of: page)), &generator)
    let store = try await PageStore.open(path, factory: Fixture.factory())
    await #expect { try await store.apply(history.batch(1)) } throws: { error in
      (error as? EncryptedStorageError)?.code == .damaged
    }
    #expect(try await store.state().image?.position == history.versions[0].position)
    await store.close()
    try await expectStoredPages(damaged: [page], "after the batch")
    try expectFailures(ofImagePages: [page], "after the batch")
  }

  @Test func aStatementThatMeetsAnAlteredPageFailsAndTheNextOneWorks() async throws {
    let primary = folder.file("primary.db")
    let store = try await PageStore.create(primary, role: .primary, factory: Fixture.factory())
    let first = try Fixture.factory().openSession(primary, .writer)
    try first.executeScript(Self.script)
    first.close()
    let pageCount = try #require(await store.state().image?.pageCount)
    var plain = Data()
    for number in 1...pageCount { plain += try #require(await store.page(number)).bytes }
    // The stored page 1 has the counters of an older commit.
    withUnsafeBytes(of: pageCount.bigEndian) { plain.replaceSubrange(28..<32, with: $0) }
    await store.close()
    try Bytes.write(plain, to: folder.file("plain.db"))
    try Bytes.write(Bytes.read(primary), to: folder.file("primary-copy.db"))
    let page = try #require(ImageLayout(plaintext: folder.file("plain.db")).neededPages[33]?.max())
    let leaf = try #require(StoreLayout(copy: folder.file("primary-copy.db")).headLeaf(of: page))
    try Bytes.flip(primary, byte: Int(leaf - 1) * 4096 + 700)

    let session = try Fixture.factory().openSession(primary, .writer)
    let update = "UPDATE pilgrim SET name = 'new', note = note || 'x' WHERE id = ?"
    for _ in 1...2 {
      #expect { try session.execute(update, [33]) } throws: { ($0 as? EncryptedStorageError)?.code == .damaged }
      #expect {
        try session.transaction { session in
          for id in [1, 31, 33] as [Value] { try session.execute(update, [id]) }
        }
      } throws: {
        ($0 as? EncryptedStorageError)?.code == .damaged
      }
      #expect(!session.isInTransaction)
      #expect(try session.execute(update, [5]) == 1)
    }
    session.close()
    let reader = try Fixture.factory().openSession(primary, .reader)
    defer { reader.close() }
    #expect(try reader.query("SELECT id FROM pilgrim WHERE name = 'new'") { $0[0] } == [5])
    #expect(try reader.value("SELECT length(note) FROM pilgrim WHERE id = 5") == .integer(900 + 5 * 7 + 2))
  }
}
