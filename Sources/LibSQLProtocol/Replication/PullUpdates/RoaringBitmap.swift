/// The portable form of a Roaring bitmap of 32-bit numbers, which Turso's clients use for sets of pages.
///
/// - Shape: little-endian; a cookie, then for each container its key (the upper 16 bits) and its cardinality minus 1, then
///   offsets, then the containers: a sorted array up to 4096 numbers, a bitmap of 8192 bytes above, or runs.
/// - Source: https://github.com/RoaringBitmap/RoaringFormatSpec
enum RoaringBitmap {
  /// Without run containers.
  static let plainCookie: UInt32 = 12346
  /// With run containers: the lower half of the first word; the upper half is the number of containers minus 1.
  static let runCookie: UInt32 = 12347
  /// From this number of containers on, a bitmap with runs has offsets too.
  static let offsetThreshold = 4
  static let arrayLimit = 4096
  static let bitmapSize = 8192
  static let containerLimit = 65_536

  private struct Container {
    let key: UInt32
    let cardinality: Int
    let isRun: Bool
  }

  /// Reads a set. Everything that the format says twice has to agree.
  ///
  /// - Throws: ``WireFormatError`` `.truncated`; `.malformed` for another cookie, order, cardinality or offset than the format
  ///   has, and for bytes after the end.
  static func decode(_ bytes: ArraySlice<UInt8>) throws(WireFormatError) -> PageSet {
    var cursor = Cursor(bytes: bytes)
    let cookie = try cursor.uint32()
    var count: Int
    var runFlags: ArraySlice<UInt8> = []
    if cookie == plainCookie {
      guard let value = Int(exactly: try cursor.uint32()), value <= containerLimit else {
        throw cursor.malformed("more than 65536 containers")
      }
      count = value
    } else if cookie & 0xFFFF == runCookie {
      count = Int(cookie >> 16) + 1
      runFlags = try cursor.take((count + 7) / 8)
    } else {
      throw cursor.malformed("no cookie of a Roaring bitmap")
    }
    let keys = try cursor.take(4 * count)
    let hasOffsets = cookie == plainCookie || count >= offsetThreshold
    let offsets = hasOffsets ? try cursor.take(4 * count) : []
    var pages = PageSet()
    var previousKey = -1
    for index in 0..<count {
      let key = keys.littleEndian(UInt16.self, at: 4 * index)
      guard Int(key) > previousKey else { throw cursor.malformed("containers out of order") }
      previousKey = Int(key)
      if hasOffsets {
        guard offsets.littleEndian(UInt32.self, at: 4 * index) == UInt32(cursor.used) else {
          throw cursor.malformed("a container that is not where its offset says")
        }
      }
      let isRun = !runFlags.isEmpty && runFlags[runFlags.startIndex + index / 8] >> UInt8(index % 8) & 1 == 1
      let container = Container(
        key: UInt32(key) << 16, cardinality: Int(keys.littleEndian(UInt16.self, at: 4 * index + 2)) + 1, isRun: isRun)
      try read(container, &cursor, into: &pages)
    }
    guard cursor.isAtEnd else { throw cursor.malformed("bytes after the last container") }
    return pages
  }

  private static func read(
    _ container: Container, _ cursor: inout Cursor, into pages: inout PageSet
  ) throws(WireFormatError) {
    if container.isRun { return try readRuns(container, &cursor, into: &pages) }
    guard container.cardinality > arrayLimit else { return try readArray(container, &cursor, into: &pages) }
    let bitmap = try cursor.take(bitmapSize)
    guard bitmap.reduce(0, { $0 + $1.nonzeroBitCount }) == container.cardinality else {
      throw cursor.malformed("a bitmap of another cardinality than announced")
    }
    for (index, byte) in bitmap.enumerated() where byte != 0 {
      for bit in 0..<8 where byte >> UInt8(bit) & 1 == 1 {
        let number = container.key | UInt32(8 * index + bit)
        pages.append(number...number)
      }
    }
  }

  private static func readArray(
    _ container: Container, _ cursor: inout Cursor, into pages: inout PageSet
  ) throws(WireFormatError) {
    let array = try cursor.take(2 * container.cardinality)
    var previous = -1
    for index in 0..<container.cardinality {
      let value = array.littleEndian(UInt16.self, at: 2 * index)
      guard Int(value) > previous else { throw cursor.malformed("an array out of order") }
      previous = Int(value)
      let number = container.key | UInt32(value)
      pages.append(number...number)
    }
  }

  private static func readRuns(
    _ container: Container, _ cursor: inout Cursor, into pages: inout PageSet
  ) throws(WireFormatError) {
    let count = Int(try cursor.take(2).littleEndian(UInt16.self, at: 0))
    let runs = try cursor.take(4 * count)
    var (previousEnd, cardinality) = (-1, 0)
    for index in 0..<count {
      let start = Int(runs.littleEndian(UInt16.self, at: 4 * index))
      let end = start + Int(runs.littleEndian(UInt16.self, at: 4 * index + 2))
      guard start > previousEnd, end <= 0xFFFF else { throw cursor.malformed("runs out of order or too long") }
      (previousEnd, cardinality) = (end, cardinality + end - start + 1)
      pages.append((container.key | UInt32(start))...(container.key | UInt32(end)))
    }
    guard cardinality == container.cardinality else {
      throw cursor.malformed("runs of another cardinality than announced")
    }
  }

  /// The set without run containers, as Turso's clients write it.
  static func encode(_ pages: PageSet) -> [UInt8] {
    let containers = containers(of: pages)
    var bytes: [UInt8] = []
    bytes.appendLittleEndian(plainCookie)
    bytes.appendLittleEndian(UInt32(containers.count))
    for (key, values) in containers {
      bytes.appendLittleEndian(key)
      bytes.appendLittleEndian(UInt16(values.count - 1))
    }
    var offset = UInt32(bytes.count + 4 * containers.count)
    for (_, values) in containers {
      bytes.appendLittleEndian(offset)
      offset += values.count > arrayLimit ? UInt32(bitmapSize) : UInt32(2 * values.count)
    }
    for (_, values) in containers {
      if values.count > arrayLimit {
        var bitmap = [UInt8](repeating: 0, count: bitmapSize)
        for value in values { bitmap[Int(value) / 8] |= 1 << UInt8(value % 8) }
        bytes.append(contentsOf: bitmap)
      } else {
        for value in values { bytes.appendLittleEndian(value) }
      }
    }
    return bytes
  }

  private static func containers(of pages: PageSet) -> [(key: UInt16, values: [UInt16])] {
    var containers: [(key: UInt16, values: [UInt16])] = []
    for number in pages.ranges.lazy.joined() {
      let (key, value) = (UInt16(truncatingIfNeeded: number >> 16), UInt16(truncatingIfNeeded: number))
      if containers.last?.key == key {
        containers[containers.count - 1].values.append(value)
      } else {
        containers.append((key, [value]))
      }
    }
    return containers
  }

  private struct Cursor {
    let bytes: ArraySlice<UInt8>
    var used = 0

    var isAtEnd: Bool { used == bytes.count }

    mutating func take(_ count: Int) throws(WireFormatError) -> ArraySlice<UInt8> {
      let left = bytes.count - used
      guard count <= left else {
        throw WireFormatError(
          .truncated, "page selector", at: bytes.startIndex + used, "\(count) bytes needed, \(left) left")
      }
      defer { used += count }
      return bytes.dropFirst(used).prefix(count)
    }

    mutating func uint32() throws(WireFormatError) -> UInt32 { try take(4).littleEndian(UInt32.self, at: 0) }

    func malformed(_ detail: String) -> WireFormatError {
      WireFormatError(.malformed, "page selector", at: bytes.startIndex + used, detail)
    }
  }
}
