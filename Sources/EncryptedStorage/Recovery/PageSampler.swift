internal import EncryptionKeys

/// Stored pages to try keys on, read once per page size.
final class PageSampler {
  /// How much is looked at, spread over the file: 512 pages of 4096 bytes, so that a hundredth of the pages is enough to
  /// find the key (one miss in 170), and a wrong key is told in less than a second.
  private static let sampledByteCount = 2 << 20
  private static let sampledFrameCount = 16

  private let path: String
  private var samples: [Int: [(page: UInt32, bytes: [UInt8])]] = [:]

  init(path: String) { self.path = path }

  func holdsAuthenticPage(under keys: PageKeys, among limit: Int = .max) throws(EncryptedStorageError) -> Bool {
    let codec = try PageCodec(keys)
    for sample in try samples(pageSize: keys.format.pageSize).prefix(limit) {
      let span = sample.bytes.span
      let isAuthentic = unsafe codec.isAuthentic(span.bytes, number: sample.page)
      if isAuthentic { return true }
    }
    return false
  }

  private func samples(pageSize: Int) throws(EncryptedStorageError) -> [(page: UInt32, bytes: [UInt8])] {
    if let known = samples[pageSize] { return known }
    let file = try RawDatabaseFile(path: path)
    let geometry = PageGeometry(pageSize: pageSize)
    let pageCount = geometry.pageCount(ofBytes: try file.byteCount())
    let sampledPageCount = Self.sampledByteCount / pageSize
    let step = max(1, Int(pageCount) / sampledPageCount)
    // The first pages closely, because a mere sample could miss the only ones that are left of a short file.
    let first = Array(1...16).filter { $0 <= Int(pageCount) }
    let spread = stride(from: 16 + step, through: Int(pageCount), by: step).prefix(sampledPageCount)
    var found: [(page: UInt32, bytes: [UInt8])] = []
    for page in first + spread {
      let number = UInt32(clamping: page)
      let bytes = try file.bytes(at: geometry.offset(of: number), count: pageSize)
      if bytes.count == pageSize { found.append((number, bytes)) }
    }
    found += try frames(pageSize: pageSize)
    samples[pageSize] = found
    return found
  }

  private func frames(pageSize: Int) throws(EncryptedStorageError) -> [(page: UInt32, bytes: [UInt8])] {
    guard (FileSystem.status(path + "-wal")?.byteCount ?? 0) > 0 else { return [] }
    let file = try RawDatabaseFile(path: path + "-wal")
    var found: [(page: UInt32, bytes: [UInt8])] = []
    let wanted = WriteAheadLog.frameByteCount(pageSize: pageSize)
    for index in 0..<Self.sampledFrameCount {
      let frame = try file.bytes(at: WriteAheadLog.offset(ofFrame: index, pageSize: pageSize), count: wanted)
      guard frame.count == wanted else { break }
      let page = frame[0..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      found.append((page, Array(frame[WriteAheadLog.frameHeaderByteCount...])))
    }
    return found
  }
}
