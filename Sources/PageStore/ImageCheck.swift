internal import EncryptedStorage

/// Whether pages can be part of an image.
enum ImageCheck {
  /// Size and number of each page, and the header if page 1 is among them.
  ///
  /// - Throws: `.invalidPages`.
  static func pages(_ pages: [Page], pageCount: UInt32, _ path: String) throws(EncryptedStorageError) {
    guard pageCount > 0 else { throw invalid(path, "an image without pages") }
    for page in pages {
      guard page.bytes.count == StoreFormat.pageByteCount else {
        throw invalid(
          path, "page \(page.number) has \(page.bytes.count) bytes; an image has pages of \(StoreFormat.pageByteCount)")
      }
      guard (1...pageCount).contains(page.number) else {
        throw invalid(path, "page \(page.number) lies outside an image of \(pageCount) pages")
      }
      if page.number == 1 { try header(page.bytes, path) }
    }
  }

  /// - Throws: `.invalidPages` when a page 1 is not that of a database with pages of 4096 bytes.
  static func header(_ page: [UInt8], _ path: String) throws(EncryptedStorageError) {
    guard let header = unsafe DatabaseHeader(page: page.span.bytes), unsafe DatabaseHeader.isPlausible(page.span.bytes)
    else {
      throw invalid(path, "page 1 is not that of a SQLite database")
    }
    guard header.pageSize == StoreFormat.pageByteCount else {
      throw invalid(path, "the image has pages of \(header.pageSize) bytes, not of \(StoreFormat.pageByteCount)")
    }
  }

  static func invalid(_ path: String, _ detail: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .invalidPages, operation: "apply", file: path, detail: detail, hint: "pull again; if it stays, report it")
  }
}
