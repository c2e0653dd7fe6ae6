internal import EncryptedStorage

/// What a page store looks like as a SQLCipher database. Description: docs/security/file-formats.md, "Page store".
enum StoreFormat {
  /// `user_version` of stores that this code reads and writes.
  static let version = 1

  /// Bytes of an image's page, and of the container's. Turso and libSQL use no other size.
  static let pageByteCount = 4096

  /// Bytes of a page that lie in its head. A row of a head fills a leaf page of the container exactly, without overflow:
  /// of its 4096 bytes, 80 are SQLCipher's reserve and 39 SQLite's, for page header, cell and record header.
  ///
  /// The same for the profile whose reserve is 48, so that a change of profile is an ordinary copy of rows.
  static let headByteCount = pageByteCount - 80 - 39

  /// The rest of a page.
  static let tailByteCount = pageByteCount - headByteCount

  /// The page that holds the byte at 2^30, which SQLite never writes: the only one that an image may lack.
  static let lockBytePage = PageGeometry(pageSize: pageByteCount).lockBytePage

  static let schema = """
    CREATE TABLE meta (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      role TEXT NOT NULL CHECK (role IN ('replica', 'primary')),
      remote TEXT,
      protocol TEXT,
      generation INTEGER,
      base_position INTEGER NOT NULL,
      base_page_count INTEGER NOT NULL,
      complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
      boot TEXT,
      last_sync INTEGER
    ) STRICT;
    CREATE TABLE change (
      position INTEGER PRIMARY KEY,
      epoch INTEGER NOT NULL,
      page_count INTEGER NOT NULL,
      pages BLOB NOT NULL
    ) STRICT;
    CREATE TABLE head (page INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    CREATE TABLE tail (page INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    """

  /// What a primary has beside: the newest two generations of protocol V2, see ``Generation``.
  static let primarySchema = """
    CREATE TABLE generation (number INTEGER PRIMARY KEY, base_position INTEGER NOT NULL) STRICT;
    """

  /// How a page is written, page and content being the parameters: head and tail are updated, or both inserted if there was
  /// no head to update.
  enum Write {
    static let updateHead = "UPDATE head SET data = ?2 WHERE page = ?1"
    /// Most changes of a page leave its last bytes as they are; then the tail, and with it a page of the container, is left
    /// alone.
    static let updateTail = "UPDATE tail SET data = ?2 WHERE page = ?1 AND data IS NOT ?2"
    static let insertHead = "INSERT INTO head (page, data) VALUES (?1, ?2)"
    static let insertTail = "INSERT INTO tail (page, data) VALUES (?1, ?2)"
  }

  /// The script that makes an empty store.
  static func script(for role: PageStore.Role) -> String {
    var script = """
      PRAGMA application_id=\(PageStoreMark.applicationID);
      PRAGMA user_version=\(version);
      BEGIN;
      \(schema)
      INSERT INTO meta (id, role, base_position, base_page_count, complete)
        VALUES (1, '\(role.rawValue)', 0, 0, \(role == .primary ? 1 : 0));
      """
    // A primary begins with one page, as its first commit; a replica has no state until its first pull is whole.
    if role == .primary {
      script += """
        INSERT INTO head VALUES (1, \(literal(emptyDatabase[..<headByteCount])));
        INSERT INTO tail VALUES (1, \(literal(emptyDatabase[headByteCount...])));
        INSERT INTO change VALUES (1, 1, 1, \(literal(ChangeLog.encode([1])[...])));
        \(primarySchema)
        INSERT INTO generation VALUES (1, 0);
        UPDATE meta SET remote = '\(PrimaryState.makeIdentity())', protocol = '\(PrimaryState.protocolName)', generation = 1;
        """
    }
    return script + "COMMIT;"
  }

  /// Page 1 of a database without content, as SQLite makes it.
  ///
  /// No image is without pages. A connection that opened a database of no bytes, and begins its first transaction with a
  /// savepoint when another connection has made tables meanwhile, empties the database if it rolls back to that
  /// savepoint: a mistake of SQLite 3.46 and older, which takes such a database for one that the transaction began.
  /// Format: https://www.sqlite.org/fileformat2.html#the_database_header
  static let emptyDatabase: [UInt8] = {
    var page = [UInt8](repeating: 0, count: pageByteCount)
    func set(_ bytes: [UInt8], at offset: Int) { page.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
    set(PageCodec.magic, at: 0)
    // Page size 4096; versions for a write-ahead log, as remotes have it; no reserve; the fixed payload fractions.
    set([0x10, 0, 2, 2, 0, 64, 32, 32], at: 16)
    // Change counter 1, 1 page, and the counter for which that is valid.
    set([0, 0, 0, 1, 0, 0, 0, 1], at: ImageHeader.changeCounterOffset)
    set([0, 0, 0, 1], at: ImageHeader.validForOffset)
    // The schema: a leaf of a table, without cells; their content would start at the end of the page.
    set([13, 0, 0, 0, 0, 0x10, 0], at: DatabaseHeader.byteCount)
    return page
  }()

  private static func literal(_ bytes: ArraySlice<UInt8>) -> String {
    let digits = bytes.flatMap { byte in
      [byte >> 4, byte & 15].map { Character(String($0, radix: 16)) }
    }
    return "x'" + String(digits) + "'"
  }

  /// - Throws: `.unsupportedFormat` for a store of a later version.
  static func check(_ container: Session) throws(EncryptedStorageError) {
    guard try container.value("PRAGMA user_version") == .integer(Int64(version)) else {
      throw otherVersion(container.path)
    }
  }

  static func otherVersion(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .unsupportedFormat, operation: "open", file: path, detail: "a page store of another version",
      hint: "open it with the version of this program that wrote it, or a later one")
  }
}
