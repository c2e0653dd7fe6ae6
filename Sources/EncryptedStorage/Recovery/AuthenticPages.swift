/// The pages of an image, on demand, the latest few kept.
///
/// Not Sendable: it belongs to one thread.
final class AuthenticPages {
  let image: DatabaseImage
  /// Nil when nobody has looked at all pages before.
  private let census: ImageCensus?
  private let reader: PageReader
  private var kept: [UInt32: AuthenticPage] = [:]
  private var order: [UInt32] = []
  /// Pages that came from the file, not from its log or journal; nil when nobody wants to know.
  private(set) var fileReads: Set<UInt32>?

  /// The path from a root to a leaf, a few overflow pages, and the siblings just read.
  private static let keptCount = 32

  init(_ image: DatabaseImage, census: ImageCensus? = nil) throws(EncryptedStorageError) {
    self.image = image
    self.census = census
    fileReads = census == nil ? [] : nil
    reader = try PageReader(image)
  }

  /// Pages of the database.
  var pageCount: UInt32 { image.pageCount }

  /// Nil when the page is lost, or outside the database.
  func page(_ number: UInt32) throws(EncryptedStorageError) -> AuthenticPage? {
    if let known = kept[number] { return known }
    guard number > 0, number <= image.pageCount, number != image.geometry.lockBytePage,
      census?.lost.contains(number) != true
    else { return nil }
    let buffer = PageBuffer(byteCount: image.geometry.pageSize)
    if image.places[number] == nil { fileReads?.insert(number) }
    guard try reader.read(number, into: buffer, at: 0) != nil else { return nil }
    let page = AuthenticPage(number: number, usableByteCount: image.usableByteCount, buffer: buffer)
    kept[number] = page
    order.append(number)
    if order.count > Self.keptCount { kept[order.removeFirst()] = nil }
    return page
  }

  /// The page as part of a b-tree; nil when it is lost or is none.
  func bTreePage(_ number: UInt32) throws(EncryptedStorageError) -> BTreePage? {
    guard let page = try page(number) else { return nil }
    return BTreePage(page)
  }
}
