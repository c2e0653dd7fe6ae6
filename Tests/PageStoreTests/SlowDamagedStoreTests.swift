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
  private let rows: [Int: String]

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("replica.db")
    history = try ImageHistory(in: folder, scripts: [Self.script, "UPDATE pilgrim SET name = name || '?';"])
    let plain = folder.file("first.db")
    try Bytes.write(history.versions[0].pages.reduce(into: Data()) { $0 += $1.bytes }, to: plain)
    image = try ImageLayout(plaintext: plain)
    rows = Dictionary(uniqueKeysWithValues: zip(image.neededPages.keys.sorted(), history.versions[0].rows))
    try await history.replica(path)
    original = try Bytes.read(path)
    try Bytes.write(original, to: folder.file("copy.db"))
    layout = try StoreLayout(copy: folder.file("copy.db"))
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
    ofImagePages damaged: Set<UInt32>, _ cause: String, version: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let factory = try Fixture.factory()
    if damaged.contains(1) { return try expectNothingAnswered(cause, sourceLocation: sourceLocation) }
    let shared = try factory.openSession(path, .reader)
    defer { shared.close() }
    for (id, needed) in image.neededPages.sorted(by: { $0.key < $1.key }) {
      let own = try factory.openSession(path, .reader)
      defer { own.close() }
      for (session, name) in [(own, "a new connection"), (shared, "a used connection")] {
        let outcome = answer(session, id)
        if needed.isDisjoint(with: damaged) {
          #expect(
            outcome == .success(expectedRow(id, version)), "\(cause): row \(id), \(name)",
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
    case success(String?)
    case failure(EncryptedStorageError.Code)
  }

  private func answer(_ session: Session, _ id: Int) -> Outcome {
    do throws(EncryptedStorageError) { return .success(try session.value(rowSQL, [.integer(Int64(id))]).text) } catch {
      return .failure(error.code)
    }
  }

  private func expectedRow(_ id: Int, _ version: Int) -> String? {
    guard let index = image.neededPages.keys.sorted().firstIndex(of: id) else { return nil }
    return history.versions[version].rows[index]
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
