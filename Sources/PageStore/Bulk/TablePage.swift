internal import EncryptedStorage

/// Builds and reads pages of the tables `head` and `tail` as SQLite stores them: two columns, of which the first is the
/// rowid. Source: https://www.sqlite.org/fileformat2.html#b_tree_pages, #record_format
enum TablePage {
  private static let leafKind: UInt8 = 0x0d
  private static let interiorKind: UInt8 = 0x05

  /// Makes `page` a leaf with `rows`, ascending.
  ///
  /// - Parameter usableByteCount: of the page, without the reserve; the rows must fit.
  static func fillLeaf(
    _ page: inout MutableRawSpan, usableByteCount: Int, _ rows: [(row: UInt32, content: RawSpanSource)]
  ) {
    page.clear()
    var end = usableByteCount
    for (position, entry) in rows.enumerated() {
      let header = recordHeader(entry.content.byteCount)
      let prefix = varint(UInt64(header.count + entry.content.byteCount)) + varint(UInt64(entry.row)) + header
      end -= prefix.count + entry.content.byteCount
      store(prefix, at: end, in: &page)
      entry.content.copy(to: &page, at: end + prefix.count)
      store(UInt16(end), at: 8 + 2 * position, in: &page)
    }
    page.storeBytes(of: leafKind, toByteOffset: 0, as: UInt8.self)
    store(UInt16(rows.count), at: 3, in: &page)
    store(UInt16(end), at: 5, in: &page)
  }

  /// Makes `page` an interior page: every child but the last with the last row below it, the last on the right.
  static func fillInterior(
    _ page: inout MutableRawSpan, usableByteCount: Int, _ children: [(page: UInt32, lastRow: UInt32)]
  ) {
    page.clear()
    var end = usableByteCount
    for (position, child) in children.dropLast().enumerated() {
      let key = varint(UInt64(child.lastRow))
      end -= 4 + key.count
      page.storeBytes(of: child.page.bigEndian, toByteOffset: end, as: UInt32.self)
      store(key, at: end + 4, in: &page)
      store(UInt16(end), at: 12 + 2 * position, in: &page)
    }
    page.storeBytes(of: interiorKind, toByteOffset: 0, as: UInt8.self)
    store(UInt16(children.count - 1), at: 3, in: &page)
    store(UInt16(end), at: 5, in: &page)
    if let last = children.last { page.storeBytes(of: last.page.bigEndian, toByteOffset: 8, as: UInt32.self) }
  }

  /// The rows of a leaf that `fillLeaf` made, with contents of `byteCount` bytes; nil for any other page.
  static func rows(of page: RawSpan, byteCount: Int) -> [(row: UInt32, content: [UInt8])]? {
    guard page.byte(at: 0) == leafKind else { return nil }
    let count = Int(page.bigEndianUInt16(at: 3))
    guard 8 + 2 * count <= page.byteCount else { return nil }
    var rows: [(row: UInt32, content: [UInt8])] = []
    for place in 0..<count {
      guard let (row, offset) = row(at: place, of: page, byteCount: byteCount) else { return nil }
      rows.append((row, page.bytes(at: offset, count: byteCount)))
    }
    return rows
  }

  /// One row of a leaf that `fillLeaf` made, and where its content of `byteCount` bytes is; nil for a row that is not there,
  /// and for any other page.
  static func row(at place: Int, of page: RawSpan, byteCount: Int) -> (row: UInt32, offset: Int)? {
    guard page.byte(at: 0) == leafKind, place < Int(page.bigEndianUInt16(at: 3)),
      8 + 2 * (place + 1) <= page.byteCount
    else { return nil }
    var offset = Int(page.bigEndianUInt16(at: 8 + 2 * place))
    guard let payload = readVarint(page, &offset), let row = readVarint(page, &offset).flatMap(UInt32.init(exactly:))
    else { return nil }
    // The header: its own length, NULL for the rowid, a blob.
    let start = offset
    guard let headerByteCount = readVarint(page, &offset), readVarint(page, &offset) == 0,
      readVarint(page, &offset) == UInt64(12 + 2 * byteCount), headerByteCount == UInt64(offset - start),
      payload == headerByteCount + UInt64(byteCount), offset + byteCount <= page.byteCount
    else { return nil }
    return (row, offset)
  }

  /// Length of the header itself, NULL for the rowid, a blob.
  private static func recordHeader(_ contentByteCount: Int) -> [UInt8] {
    let types = [0] + varint(UInt64(12 + 2 * contentByteCount))
    return [UInt8(types.count + 1)] + types
  }

  /// Big-endian groups of seven bits; fewer than nine bytes for every number here.
  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes = [UInt8(value & 0x7f)]
    var rest = value >> 7
    while rest > 0 {
      bytes.insert(UInt8(rest & 0x7f) | 0x80, at: 0)
      rest >>= 7
    }
    return bytes
  }

  private static func readVarint(_ page: RawSpan, _ offset: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for _ in 0..<8 {
      guard offset < page.byteCount else { return nil }
      let byte = page.byte(at: offset)
      offset += 1
      value = value << 7 | UInt64(byte & 0x7f)
      if byte < 0x80 { return value }
    }
    return nil
  }

  private static func store(_ value: UInt16, at offset: Int, in page: inout MutableRawSpan) {
    page.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  private static func store(_ bytes: [UInt8], at offset: Int, in page: inout MutableRawSpan) {
    for (index, byte) in bytes.enumerated() {
      page.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
    }
  }
}

/// Part of a page's bytes, copied only to where it goes.
struct RawSpanSource {
  let bytes: [UInt8]
  let range: Range<Int>

  var byteCount: Int { range.count }

  func copy(to page: inout MutableRawSpan, at offset: Int) {
    let source = unsafe bytes.span.bytes.extracting(range)
    unsafe page.withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes {
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: $0)
      }
    }
  }
}
