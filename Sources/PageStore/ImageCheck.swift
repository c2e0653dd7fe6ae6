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

  /// Whether page 1 of an image says how many pages there are, and says something else.
  ///
  /// It says so only while the counter for which the number is valid equals the change counter (`DatabaseHeader`). SQLite
  /// writes page 1 with every change of the size, so that what a remote sends agrees: in all recorded exchanges of libSQL's
  /// and Turso's clients it does, with each commit of a log as with each page by page pull.
  ///
  /// - Throws: `.invalidPages`.
  static func size(in firstPage: [UInt8], pageCount: UInt32, _ path: String) throws(EncryptedStorageError) {
    guard let header = unsafe DatabaseHeader(page: firstPage.span.bytes), let stored = header.pageCount,
      stored != pageCount
    else { return }
    throw invalid(path, "the header of the image says \(stored) pages, \(pageCount) were sent")
  }

  static func invalid(_ path: String, _ detail: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .invalidPages, operation: "apply", file: path, detail: detail, hint: "pull again; if it stays, report it")
  }
}
