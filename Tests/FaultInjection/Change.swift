/// How much of an operation that was not synchronized survives a power cut.
enum Survival {
  case nothing, everything
  /// The sectors of a write before or after one place, drawn from all there are by `cut`; a truncation is lost.
  case before(cut: UInt64), after(cut: UInt64)
}

/// One change of a file that is not synchronized, with what is needed to undo it and to do it again.
enum Change: Sendable {
  case write(offset: Int, old: [UInt8], new: [UInt8], oldSize: Int)
  /// `tail` is what was cut off.
  case truncate(size: Int, tail: [UInt8], oldSize: Int)

  /// What a disk writes as a whole. Source: https://www.sqlite.org/atomiccommit.html#_hardware_assumptions
  static let sectorByteCount = 512

  func undo(_ image: inout [UInt8]) {
    switch self {
    case .write(let offset, let old, _, let oldSize):
      Self.put(old, at: offset, in: &image)
      Self.resize(&image, to: oldSize)
    case .truncate(let size, let tail, let oldSize):
      Self.resize(&image, to: min(size, oldSize))
      image += tail
    }
  }

  /// Does what survives of the change again. A gap that this leaves becomes zeros, as in a file with a hole.
  func redo(_ survival: Survival, _ image: inout [UInt8]) {
    switch (self, survival) {
    case (_, .nothing): return
    case (.write(let offset, _, let new, _), .everything): Self.put(new, at: offset, in: &image)
    case (.write(let offset, _, let new, _), .before(let cut)):
      let boundary = Self.boundary(offset: offset, count: new.count, cut)
      Self.put(Array(new[..<boundary]), at: offset, in: &image)
    case (.write(let offset, _, let new, _), .after(let cut)):
      let boundary = Self.boundary(offset: offset, count: new.count, cut)
      Self.put(Array(new[boundary...]), at: offset + boundary, in: &image)
    case (.truncate(let size, _, _), .everything): Self.resize(&image, to: size)
    case (.truncate, _): return
    }
  }

  /// A sector boundary of the file inside a write, counted from the start of the write; 0 when there is none.
  private static func boundary(offset: Int, count: Int, _ cut: UInt64) -> Int {
    let first = offset / sectorByteCount + 1
    let last = (offset + count - 1) / sectorByteCount
    guard first <= last else { return 0 }
    return (first + Int(cut % UInt64(last - first + 1))) * sectorByteCount - offset
  }

  private static func put(_ bytes: [UInt8], at offset: Int, in image: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    if image.count < offset + bytes.count { resize(&image, to: offset + bytes.count) }
    image.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  private static func resize(_ image: inout [UInt8], to size: Int) {
    if image.count > size { image.removeLast(image.count - size) }
    image += [UInt8](repeating: 0, count: size - image.count)
  }
}
