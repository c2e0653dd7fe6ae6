internal import EncryptedStorage

/// Where every page of an image lies in a container that is written in one go: pure arithmetic over the number of pages.
///
/// The tables `head` and `tail` are b-trees of fixed shape: one row to a leaf of `head`, thirty to a leaf of `tail`, and
/// interior pages above them. Since the place of each row follows from its number alone, pages can be written in any order
/// and by several threads, without an index and without a journal.
/// Source of the shapes: https://www.sqlite.org/fileformat2.html#b_tree_pages
struct BulkLayout: Sendable {
  /// A b-tree whose leaves lie in a row.
  struct Tree: Sendable {
    /// Its root page, which SQLite chose when it made the table.
    let root: UInt32
    let leafCount: Int
    /// Place of the first leaf among the bulk pages.
    let firstLeaf: Int
    /// Interior levels from the leaves up: place of the first page of each, and how many there are. The root, which has a
    /// place of its own, is not among them.
    let levels: [(first: Int, count: Int)]
  }

  /// Pages of the image that are stored: all but the one that SQLite never writes.
  let storedPageCount: Int
  let heads: Tree
  let tails: Tree
  /// Pages of the container.
  let containerPageCount: UInt32

  /// The pages that SQLite made before: the header with the schema, and a root for each table.
  static let metaRoot: UInt32 = 2
  static let changeRoot: UInt32 = 3
  private static let headRoot: UInt32 = 4
  private static let tailRoot: UInt32 = 5
  static let rootsInOrder = [metaRoot, changeRoot, headRoot, tailRoot]
  private static let firstBulkPage: UInt32 = 6

  /// Rows on a leaf of `tail`. Each takes at most 131 bytes: 119 of content, 4 of record header, 1 + 5 + 2 around them.
  static let tailsPerLeaf = 30
  /// Children of an interior page at most. Each takes at most 11 bytes.
  static let fanout = 300

  /// Pages that an image can have: what SQLite can address, less the container's own pages.
  static let pageCountLimit: UInt32 = 4_000_000_000

  /// - Parameter pageCount: pages of the image, from 1 to ``pageCountLimit``.
  init(pageCount: UInt32) {
    storedPageCount = Int(pageCount) - (pageCount >= StoreFormat.lockBytePage ? 1 : 0)
    var next = 0
    func tree(root: UInt32, leafCount: Int) -> (UInt32, Int, Int) {
      // A single leaf is the root itself.
      defer { next += leafCount > 1 ? leafCount : 0 }
      return (root, leafCount, next)
    }
    func levels(above leafCount: Int) -> [(first: Int, count: Int)] {
      var levels: [(first: Int, count: Int)] = []
      var count = leafCount
      while count > Self.fanout {
        count = Self.divide(count, by: Self.fanout)
        levels.append((next, count))
        next += count
      }
      return levels
    }
    let head = tree(root: Self.headRoot, leafCount: storedPageCount)
    let tail = tree(root: Self.tailRoot, leafCount: Self.divide(storedPageCount, by: Self.tailsPerLeaf))
    heads = Tree(root: head.0, leafCount: head.1, firstLeaf: head.2, levels: levels(above: head.1))
    tails = Tree(root: tail.0, leafCount: tail.1, firstLeaf: tail.2, levels: levels(above: tail.1))
    containerPageCount = next == 0 ? Self.firstBulkPage - 1 : Self.containerPage(next - 1)
  }

  /// Place of an image's page among the stored ones, from 0.
  func index(of page: UInt32) -> Int { Int(page) - (page > StoreFormat.lockBytePage ? 2 : 1) }

  /// The inverse of ``index(of:)``.
  func page(at index: Int) -> UInt32 {
    let page = UInt32(index + 1)
    return page >= StoreFormat.lockBytePage ? page + 1 : page
  }

  /// The container's page that holds a leaf.
  func leaf(_ leaf: Int, of tree: Tree) -> UInt32 {
    tree.leafCount == 1 ? tree.root : Self.containerPage(tree.firstLeaf + leaf)
  }

  /// Interior pages of a tree from the leaves up, the root last; none for a tree of one leaf.
  ///
  /// - Parameter lastRow: the last row of a leaf, as index.
  func interiorPages(of tree: Tree, lastRow: (Int) -> Int) -> [InteriorPage] {
    guard tree.leafCount > 1 else { return [] }
    var pages: [InteriorPage] = []
    // What the level above points to: its page, and the last row below it.
    var children = (0..<tree.leafCount).map { (page: leaf($0, of: tree), lastRow: page(at: lastRow($0))) }
    for level in tree.levels {
      var parents: [(page: UInt32, lastRow: UInt32)] = []
      for node in 0..<level.count {
        // Evenly, so that none has a single child.
        let range = (node * children.count / level.count)..<((node + 1) * children.count / level.count)
        let page = Self.containerPage(level.first + node)
        pages.append(InteriorPage(number: page, children: Array(children[range])))
        parents.append((page, children[range.upperBound - 1].lastRow))
      }
      children = parents
    }
    pages.append(InteriorPage(number: tree.root, children: children))
    return pages
  }

  struct InteriorPage {
    let number: UInt32
    let children: [(page: UInt32, lastRow: UInt32)]
  }

  /// The last row, as index, on a leaf of `tail`.
  func lastTail(onLeaf leaf: Int) -> Int { min(storedPageCount, (leaf + 1) * Self.tailsPerLeaf) - 1 }

  /// The container's page for a place among the bulk pages; the container, too, leaves the lock-byte page out.
  private static func containerPage(_ place: Int) -> UInt32 {
    let page = firstBulkPage + UInt32(place)
    return page >= StoreFormat.lockBytePage ? page + 1 : page
  }

  private static func divide(_ count: Int, by size: Int) -> Int { (count + size - 1) / size }
}
