internal import EncryptedStorage

/// Which pages changed when: the table `change`, one row for each commit, with the state after it.
///
/// A commit appends one row to the end of one table, and with it the state of the image: an index over the position of
/// every page would cost a commit two or three container pages more. The table stays bounded because a page number is
/// dropped from all but the newest row that lists it.
enum ChangeLog {
  /// When to look whether the table has grown: at the first commit of a connection, and now and then afterwards, since the
  /// look reads all of it.
  struct Schedule: Sendable {
    private var commitCount = 0
    private static let commitsBetweenLooks = 1024

    mutating func isDue() -> Bool {
      defer { commitCount += 1 }
      return commitCount.isMultiple(of: Self.commitsBetweenLooks)
    }
  }

  /// Page numbers in ascending order, four bytes each, big-endian.
  static func encode(_ pages: [UInt32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(pages.count * 4)
    for page in pages {
      bytes.append(UInt8(truncatingIfNeeded: page >> 24))
      bytes.append(UInt8(truncatingIfNeeded: page >> 16))
      bytes.append(UInt8(truncatingIfNeeded: page >> 8))
      bytes.append(UInt8(truncatingIfNeeded: page))
    }
    return bytes
  }

  /// Nil for bytes that are no list of page numbers.
  static func decode(_ bytes: [UInt8]) -> [UInt32]? {
    guard bytes.count % 4 == 0 else { return nil }
    var pages: [UInt32] = []
    pages.reserveCapacity(bytes.count / 4)
    for start in stride(from: 0, to: bytes.count, by: 4) {
      let page = bytes[start..<(start + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      // Zeros are what an unauthentic overflow page reads as.
      guard page > pages.last ?? 0 else { return nil }
      pages.append(page)
    }
    return pages
  }

  /// Appends the row of a commit. The session must be in a transaction.
  static func append(_ state: ImageState, pages: [UInt32], _ container: Session) throws(EncryptedStorageError) {
    try container.execute(
      "INSERT INTO change (position, epoch, page_count, pages) VALUES (?, ?, ?, ?)",
      [
        .integer(state.position), .integer(Int64(state.epoch)), .integer(Int64(state.pageCount)),
        .blob(encode(pages)),
      ])
  }

  /// Numbers of the pages that changed after `position`, ascending.
  static func pages(since position: Int64, _ container: Session) throws -> [UInt32] {
    var pages: Set<UInt32> = []
    for row in try container.query("SELECT pages FROM change WHERE position > ?", [.integer(position)], { $0[0] }) {
      pages.formUnion(try listed(row, container))
    }
    return pages.sorted()
  }

  /// Hands the pages of each commit after `position` to `body`, one commit at a time.
  static func forEachCommit(
    since position: Int64, _ container: Session, _ body: ([UInt32]) -> Void
  ) throws {
    try container.forEachRow("SELECT pages FROM change WHERE position > ?", [.integer(position)]) {
      body(try listed($0[0], container))
    }
  }

  /// Drops every page number but the newest of each page, when that is worth it. The session must be in a transaction.
  static func compact(_ container: Session, pageCount: UInt32) throws {
    let size = try container.query("SELECT count(*), coalesce(sum(length(pages)), 0) FROM change") { $0.values }
    guard let rowCount = size.first?[0].integer, let byteCount = size.first?[1].integer,
      rowCount + byteCount / 4 > 2 * Int64(pageCount) + 4096
    else { return }
    var seen: Set<UInt32> = []
    var isNewest = true
    var updates: [(position: Int64, pages: [UInt32])] = []
    try container.forEachRow("SELECT position, pages FROM change ORDER BY position DESC") { row in
      guard let position = row[0].integer else { return }
      let listed = try listed(row[1], container)
      let kept = listed.filter { seen.insert($0).inserted }
      // The newest row is the state of the image, and stays.
      if !isNewest, kept.count < listed.count || kept.isEmpty { updates.append((position, kept)) }
      isNewest = false
    }
    for (position, pages) in updates {
      if pages.isEmpty {
        try container.execute("DELETE FROM change WHERE position = ?", [.integer(position)])
      } else {
        try container.execute(
          "UPDATE change SET pages = ? WHERE position = ?", [.blob(encode(pages)), .integer(position)])
      }
    }
  }

  private static func listed(_ value: Value, _ container: Session) throws(EncryptedStorageError) -> [UInt32] {
    // An empty blob is what a commit without pages has.
    guard case .blob(let bytes) = value, let pages = decode(bytes) else {
      throw EncryptedStorageError(
        .damaged, operation: "read", file: container.path, detail: "a row of the store's changes is not valid",
        hint: "run albergue-crypt verify")
    }
    return pages
  }
}
