/// Sizes that every replication protocol here has in common.
public enum PageFormat {
  /// Bytes of a page. Frames of fixed length and `PageData` leave no other choice.
  ///
  /// Source: `LIBSQL_PAGE_SIZE` of libsql-replication in tursodatabase/libsql; `PAGE_SIZE` of the sync engine in
  /// tursodatabase/turso.
  public static let pageSize = 4096
  /// Bytes of the header before a page, in replication frames and in frames of the write-ahead log.
  public static let frameHeaderSize = 24
  /// Bytes of a frame.
  public static let frameSize = frameHeaderSize + pageSize

  static func requirePage(_ page: [UInt8]) {
    precondition(page.count == pageSize, "a page has 4096 bytes")
  }
}
