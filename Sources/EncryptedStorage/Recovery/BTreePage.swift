/// A page of a b-tree: its header and where its cells begin.
/// Source: https://www.sqlite.org/fileformat2.html#b_tree_pages
struct BTreePage {
  enum Kind: UInt8 {
    case indexInterior = 2
    case tableInterior = 5
    case indexLeaf = 10
    case tableLeaf = 13

    var isLeaf: Bool { self == .indexLeaf || self == .tableLeaf }
    var family: Family { self == .tableLeaf || self == .tableInterior ? .table : .index }
  }

  /// What the b-tree is keyed by: rowids, or records (indexes and WITHOUT ROWID tables).
  enum Family { case table, index }

  /// Where the content of one cell is.
  struct Cell {
    /// The child with smaller keys; nil on a leaf.
    var leftChild: UInt32?
    /// The key in a table b-tree.
    var rowid: Int64?
    /// Size of the record; nil in the interior of a table b-tree, which has none.
    var payload: Payload?
  }

  /// A record, its start in the page and its rest in a chain of overflow pages.
  struct Payload {
    let byteCount: Int
    let start: Int
    let localByteCount: Int
    /// First overflow page.
    let overflowPage: UInt32?
  }

  let page: AuthenticPage
  let kind: Kind
  let cellCount: Int
  /// Child with the largest keys; nil on a leaf.
  let rightChild: UInt32?
  private let pointersStart: Int

  var number: UInt32 { page.number }

  /// Nil unless every field of the header, and every cell pointer, is one that SQLite can have written: an overflow page
  /// whose content happens to begin like a b-tree page is not taken for one.
  init?(_ page: AuthenticPage) {
    let start = page.number == 1 ? DatabaseHeader.byteCount : 0
    guard let kind = page.byte(at: start).flatMap(Kind.init(rawValue:)),
      let freeblock = page.bigEndianUInt16(at: start + 1),
      let cellCount = page.bigEndianUInt16(at: start + 3), let storedContentStart = page.bigEndianUInt16(at: start + 5),
      let fragments = page.byte(at: start + 7)
    else { return nil }
    let pointersStart = start + (kind.isLeaf ? 8 : 12)
    let pointersEnd = pointersStart + 2 * cellCount
    let contentStart = storedContentStart == 0 ? 65536 : storedContentStart
    // Source: fileformat2.html: no more than 60 bytes in fragments; free blocks lie in the content area.
    guard pointersEnd <= page.usableByteCount, contentStart >= pointersEnd, contentStart <= page.usableByteCount,
      freeblock == 0 || (freeblock >= contentStart && freeblock <= page.usableByteCount - 4), fragments <= 60
    else { return nil }
    self.page = page
    self.kind = kind
    self.cellCount = cellCount
    self.pointersStart = pointersStart
    rightChild = kind.isLeaf ? nil : page.bigEndianUInt32(at: start + 8)
    for index in 0..<cellCount {
      guard let offset = cellOffset(index), offset >= contentStart, offset <= page.usableByteCount - 4 else {
        return nil
      }
    }
  }

  private func cellOffset(_ index: Int) -> Int? { page.bigEndianUInt16(at: pointersStart + 2 * index) }

  /// The cell with the 0-based `index`; nil when its fields contradict each other.
  func cell(_ index: Int) -> Cell? {
    guard index >= 0, index < cellCount, var offset = cellOffset(index) else { return nil }
    var cell = Cell()
    if !kind.isLeaf {
      guard let child = page.bigEndianUInt32(at: offset) else { return nil }
      cell.leftChild = child
      offset += 4
    }
    guard kind != .tableInterior else {
      guard let key = page.varint(at: offset) else { return nil }
      cell.rowid = Int64(bitPattern: key.value)
      return cell
    }
    guard let size = page.varint(at: offset), let byteCount = Int32(exactly: size.value) else { return nil }
    offset += size.byteCount
    if kind == .tableLeaf {
      guard let key = page.varint(at: offset) else { return nil }
      cell.rowid = Int64(bitPattern: key.value)
      offset += key.byteCount
    }
    guard let payload = payload(byteCount: Int(byteCount), at: offset) else { return nil }
    cell.payload = payload
    return cell
  }

  /// How much of a record stays in the page. Source: fileformat2.html, "Cell Payload Overflow Pages".
  private func payload(byteCount: Int, at start: Int) -> Payload? {
    let usable = page.usableByteCount
    let localMax = kind == .tableLeaf ? usable - 35 : (usable - 12) * 64 / 255 - 23
    let localMin = (usable - 12) * 32 / 255 - 23
    guard localMin > 0 else { return nil }
    if byteCount <= localMax {
      guard start + byteCount <= usable else { return nil }
      return Payload(byteCount: byteCount, start: start, localByteCount: byteCount, overflowPage: nil)
    }
    let fitting = localMin + (byteCount - localMin) % (usable - 4)
    let local = fitting <= localMax ? fitting : localMin
    guard start + local + 4 <= usable, let next = page.bigEndianUInt32(at: start + local) else { return nil }
    return Payload(byteCount: byteCount, start: start, localByteCount: local, overflowPage: next)
  }
}
