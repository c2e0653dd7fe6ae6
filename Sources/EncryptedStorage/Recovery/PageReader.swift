internal import EncryptionKeys

/// Reads pages of an image: authenticated under one of the keys, decrypted, or nothing.
///
/// Not Sendable: files and codecs belong to one thread.
final class PageReader {
  private let file: RawDatabaseFile
  private let log: RawDatabaseFile?
  private let journal: RawDatabaseFile?
  private let codecs: [PageCodec]
  private let places: [UInt32: DatabaseImage.Place]
  private let geometry: PageGeometry
  /// The key that fitted last, tried first.
  private var likely = 0

  convenience init(_ image: DatabaseImage) throws(EncryptedStorageError) {
    try self.init(image.path, image.keys, image.places)
  }

  private init(
    _ path: String, _ keys: KeyCandidates, _ places: [UInt32: DatabaseImage.Place]
  ) throws(EncryptedStorageError) {
    file = try RawDatabaseFile(path: path)
    log = FileSystem.exists(path + "-wal") ? try RawDatabaseFile(path: path + "-wal") : nil
    journal = FileSystem.exists(path + "-journal") ? try RawDatabaseFile(path: path + "-journal") : nil
    var codecs: [PageCodec] = []
    for candidate in keys.candidates { codecs.append(try PageCodec(candidate.keys)) }
    self.codecs = codecs
    self.places = places
    geometry = PageGeometry(pageSize: keys.format.pageSize)
  }

  /// The header of the database, before anything else is known; nil when page 1 is lost.
  static func header(
    _ path: String, _ keys: KeyCandidates, _ places: [UInt32: DatabaseImage.Place]
  ) throws(EncryptedStorageError) -> DatabaseHeader? {
    let reader = try PageReader(path, keys, places)
    let buffer = PageBuffer(byteCount: reader.geometry.pageSize)
    guard try reader.read(1, into: buffer, at: 0) != nil else { return nil }
    return buffer.withSpan(0..<reader.geometry.pageSize) { DatabaseHeader(page: $0) }
  }

  /// Puts the decrypted page into `buffer` from `start`.
  ///
  /// - Returns: index of the candidate whose key it is under; nil, and nothing to be read in `buffer`, when it is lost.
  func read(_ page: UInt32, into buffer: PageBuffer, at start: Int) throws(EncryptedStorageError) -> Int? {
    let range = start..<(start + geometry.pageSize)
    let isWhole = try buffer.withMutableSpan(range) { (span) throws(EncryptedStorageError) in
      switch places[page] {
      case .log(let offset): try log?.read(into: &span, at: offset) ?? false
      case .journal(let offset): try journal?.read(into: &span, at: offset) ?? false
      case nil: try file.read(into: &span, at: geometry.offset(of: page))
      }
    }
    guard isWhole else { return nil }
    for turn in codecs.indices {
      let index = (likely + turn) % codecs.count
      guard buffer.withSpan(range, { codecs[index].isAuthentic($0, number: page) }) else { continue }
      try buffer.withMutableSpan(range) { (span) throws(EncryptedStorageError) in
        try codecs[index].decrypt(&span, number: page)
      }
      likely = index
      return index
    }
    return nil
  }
}
