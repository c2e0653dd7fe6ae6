import EncryptedStorage
import PageStore
import TestSupport

/// A remote database in its versions, made by the `sqlcipher` command line: the model of what a replica holds.
struct ImageHistory: Sendable {
  struct Version: Sendable {
    let position: Int64
    let pages: [Page]
    let rows: [String]
  }

  let versions: [Version]

  static let rowsSQL = "SELECT id || ' ' || name || ' ' || hex(note) FROM pilgrim ORDER BY id"

  /// Changes that leave the size, grow the image, shrink it, and move every page.
  static let scripts = [
    """
    PRAGMA journal_mode=WAL;
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    \(rows(1...8, noteByteCount: 1500))
    """,
    "UPDATE pilgrim SET name = name || '!', note = 'x' || substr(note, 2) WHERE id IN (2, 7);",
    rows(20...27, noteByteCount: 6000),
    "DELETE FROM pilgrim WHERE id % 3 > 0; VACUUM;",
    rows(40...44, noteByteCount: 9000) + "UPDATE pilgrim SET note = note || id WHERE id < 10;",
    "DELETE FROM pilgrim WHERE id > 42; UPDATE pilgrim SET name = 'last' WHERE id = 3;",
  ]

  /// Rows with notes that differ from page to page.
  static func rows(_ range: ClosedRange<Int>, noteByteCount: Int) -> String {
    """
    WITH RECURSIVE n(i) AS (SELECT \(range.lowerBound) UNION ALL SELECT i + 1 FROM n WHERE i < \(range.upperBound))
      INSERT INTO pilgrim SELECT i, '\(Canary.text)-' || i,
        substr(replace(hex(zeroblob(\(noteByteCount))), '00', 'row ' || i || ','), 1, \(noteByteCount) + i * 7) FROM n;
    """
  }

  init(in folder: TemporaryDirectory, scripts: [String] = scripts) throws {
    let path = folder.file("remote.db")
    versions = try scripts.enumerated().map { number, script in
      Version(
        position: 100 + 10 * Int64(number), pages: try Fixture.image(path, script),
        rows: try SQLCipherShell.lines(path, Self.rowsSQL))
    }
  }

  /// The last position's number; the first is 0.
  var last: Int { versions.count - 1 }

  /// What brings a replica to version `number` from the one before.
  func batch(_ number: Int) -> PageBatch {
    let former = Set(versions[number - 1].pages)
    let version = versions[number]
    return PageBatch(
      remote: Fixture.remote, basePosition: versions[number - 1].position, position: version.position,
      pageCount: UInt32(version.pages.count), pages: version.pages.filter { !former.contains($0) })
  }

  /// Makes a replica at the first version, closed and in one file.
  func replica(_ path: String) async throws {
    let factory = try Fixture.factory()
    try await Fixture.replica(path, versions[0].pages, position: versions[0].position, factory: factory).close()
  }
}
