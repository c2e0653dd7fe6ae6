import Foundation
import TestSupport

/// One page of a database, as the module `dbstat` of the `sqlcipher` command line describes it.
/// Source: https://www.sqlite.org/dbstat.html
struct PageDescription {
  let tree: String
  /// `/` for the root, `/000/` for its first child, `/000/003+000000` for an overflow page of a cell of that one.
  let path: String
  let number: UInt32
  let kind: String
  let cellCount: Int

  static func all(_ path: String, key: String? = nil) throws -> [PageDescription] {
    try SQLCipherShell.lines(
      path, key: key, "SELECT name, path, pageno, pagetype, ncell FROM dbstat ORDER BY name, path;"
    )
    .compactMap { line in
      let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 5, let number = UInt32(parts[2]), let cellCount = Int(parts[4]) else { return nil }
      return PageDescription(tree: parts[0], path: parts[1], number: number, kind: parts[3], cellCount: cellCount)
    }
  }
}

/// Which pages of the container hold which pages of the image.
struct StoreLayout {
  let container: [PageDescription]
  /// The pages of the image that a leaf of the container holds a part of.
  let imagePages: [UInt32: Set<UInt32>]

  /// The image must have every page from 1 on. The file is read by another program: it must be a copy.
  init(copy path: String) throws {
    container = try PageDescription.all(path, key: TestKeys.firstHex)
    var imagePages: [UInt32: Set<UInt32>] = [:]
    for tree in ["head", "tail"] {
      var next: UInt32 = 1
      for leaf in container where leaf.tree == tree && leaf.kind == "leaf" {
        imagePages[leaf.number] = Set(next..<(next + UInt32(leaf.cellCount)))
        next += UInt32(leaf.cellCount)
      }
    }
    self.imagePages = imagePages
  }

  func pages(_ tree: String, _ kind: String) -> [UInt32] {
    container.filter { $0.tree == tree && $0.kind == kind }.map(\.number)
  }

  /// The leaf with the head of a page of the image.
  func headLeaf(of page: UInt32) -> UInt32? {
    pages("head", "leaf").first { imagePages[$0]?.contains(page) ?? false }
  }
}

/// Which pages of an image a query for one row of `pilgrim` needs.
struct ImageLayout {
  let pages: [PageDescription]
  /// By `id`: page 1, the inner pages, the leaf, and the overflow pages of the row.
  let neededPages: [Int: Set<UInt32>]

  init(plaintext path: String) throws {
    let pages = try PageDescription.all(path)
    let table = pages.filter { $0.tree == "pilgrim" }
    var ids = try SQLCipherShell.lines(path, "SELECT id FROM pilgrim ORDER BY id;").compactMap { Int($0) }[...]
    var neededPages: [Int: Set<UInt32>] = [:]
    for leaf in table where leaf.kind == "leaf" {
      for cell in 0..<leaf.cellCount {
        guard let id = ids.popFirst() else { break }
        let cellName = leaf.path + String(format: "%03x", cell) + "+"
        let needed = table.filter { page in
          page.kind == "overflow" ? page.path.hasPrefix(cellName) : leaf.path.hasPrefix(page.path)
        }
        neededPages[id] = Set(needed.map(\.number)).union([1])
      }
    }
    self.pages = pages
    self.neededPages = neededPages
  }

  var overflowPages: [UInt32] { pages.filter { $0.kind == "overflow" }.map(\.number) }
}
