#if DEBUG
  @testable import EncryptedStorage
  import EncryptionKeys
  import Foundation
  import TestSupport

  /// Encrypts and decrypts whole images of databases, always in the same way: salt and initialization vectors are fixed, so that
  /// an input makes the same file every time. Authentic is what it makes, and perhaps not what SQLite would write.
  struct SealedPages {
    static let format = CipherProfile.sqlcipher4.format
    static let pageSize = format.pageSize

    let keys: PageKeys
    private let codec: PageCodec
    private let buffer = PageBuffer(byteCount: pageSize)

    init() throws {
      try self.init(salt: [UInt8](repeating: 7, count: Salt.byteCount))
    }

    private init(salt: [UInt8]) throws {
      guard let salt = Salt(salt) else { throw Finding("no salt") }
      keys = try PageKeys(format: Self.format, salt: salt, material: TestKeys.first())
      codec = try PageCodec(keys)
    }

    /// The image in plaintext of a file that the factory has made, its reserve set to zero.
    static func image(of path: String) throws -> [UInt8] {
      let stored = [UInt8](try Bytes.read(path))
      let pages = try SealedPages(salt: Array(stored.prefix(Salt.byteCount)))
      return try pages.forEachPage(of: stored) { (span, number) throws(EncryptedStorageError) in
        try pages.codec.decrypt(&span, number: number)
        for offset in (pageSize - format.reserve)..<pageSize {
          span.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
      }
    }

    /// The file that holds an image, of which only whole pages count.
    func seal(_ image: [UInt8], firstPage: UInt32 = 1) throws -> [UInt8] {
      let vector = [UInt8](repeating: 9, count: PageCodec.initializationVectorByteCount)
      return try forEachPage(of: image, firstPage: firstPage) { (span, number) throws(EncryptedStorageError) in
        try codec.encrypt(&span, number: number, initializationVector: vector.span.bytes)
      }
    }

    private func forEachPage(
      of bytes: [UInt8], firstPage: UInt32 = 1,
      _ body: (inout MutableRawSpan, UInt32) throws(EncryptedStorageError) -> Void
    ) throws -> [UInt8] {
      var result: [UInt8] = []
      result.reserveCapacity(bytes.count)
      for index in 0..<(bytes.count / Self.pageSize) {
        try buffer.withMutableSpan(0..<Self.pageSize) { (span) throws(EncryptedStorageError) in
          for offset in 0..<Self.pageSize {
            span.storeBytes(of: bytes[index * Self.pageSize + offset], toByteOffset: offset, as: UInt8.self)
          }
          try body(&span, firstPage + UInt32(index))
        }
        result += buffer.withSpan(0..<Self.pageSize) { $0.bytes(at: 0, count: Self.pageSize) }
      }
      return result
    }

    // MARK: - Sound files

    /// Tables, an index, overflow pages, and a table without rowids; every text holds the canary.
    static func databaseImage() async throws -> [UInt8] {
      let folder = try TemporaryDirectory(named: "albergue-fuzz")
      try await Sample.make(
        folder.file("x.db"), key: TestKeys.first(),
        sql: """
          CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB, price REAL);
          CREATE INDEX pilgrim_name ON pilgrim (name);
          CREATE TABLE credential (code TEXT PRIMARY KEY, stamp INTEGER) WITHOUT ROWID;
          WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
            INSERT INTO pilgrim SELECT i, '\(Rule.canary)-' || i, zeroblob((i * 97) % 6000), i / 4.0 FROM n;
          INSERT INTO credential SELECT name, id FROM pilgrim;
          DELETE FROM pilgrim WHERE id % 7 = 0;
          """)
      return try image(of: folder.file("x.db"))
    }

    /// A replica with a small image.
    static func storeImage() async throws -> [UInt8] {
      let folder = try TemporaryDirectory(named: "albergue-fuzz")
      let plain = folder.file("plain.db")
      let made = try SQLCipherShell.run(
        plain, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, '\(Rule.canary)');")
      guard made.status == 0 else { throw Finding("the sqlcipher command line cannot be run: \(made.errors)") }
      try await SampleStore.makeReplica(folder.file("x.db"), of: plain, key: TestKeys.first())
      return try image(of: folder.file("x.db"))
    }
  }
#endif
