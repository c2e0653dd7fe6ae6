/// Walks one b-tree from its root as far as its pages are authentic.
struct BTreeWalk {
  /// A part of a b-tree that could not be reached.
  struct Gap {
    let page: UInt32
    /// Rowids that can be in there, in a table b-tree.
    let rowids: ClosedRange<Int64>
    /// False when the lost page is known to be a leaf: authentic pages are then not missing their parent.
    let mayHaveChildren: Bool
  }

  /// What is still to be visited.
  private struct Step {
    let page: UInt32
    let rowids: ClosedRange<Int64>
    let depth: Int
    let mayHaveChildren: Bool
  }

  /// Source: SQLite's BTCURSOR_MAX_DEPTH; a deeper tree does not fit the largest database.
  private static let depthMax = 20

  let reader: RowReader
  let family: BTreePage.Family

  /// Calls `visit` with each page of the tree that is authentic, in the order of the keys of the leaves.
  ///
  /// - Returns: what is missing.
  func run(
    root: UInt32, _ visit: (BTreePage) throws(EncryptedStorageError) -> Void
  ) throws(EncryptedStorageError) -> [Gap] {
    var gaps: [Gap] = []
    var steps = [Step(page: root, rowids: .min ... .max, depth: 1, mayHaveChildren: true)]
    while let step = steps.popLast() {
      guard let page = try reader.pages.bTreePage(step.page), page.kind.family == family, step.depth <= Self.depthMax,
        reader.claim(step.page)
      else {
        gaps.append(Gap(page: step.page, rowids: step.rowids, mayHaveChildren: step.mayHaveChildren))
        continue
      }
      try reader.cancellation.check("recover")
      try visit(page)
      if !page.kind.isLeaf { steps += try children(of: page, step).reversed() }
    }
    return gaps
  }

  private func children(of page: BTreePage, _ parent: Step) throws(EncryptedStorageError) -> [Step] {
    var children: [(page: UInt32, rowids: ClosedRange<Int64>)] = []
    var lower = parent.rowids.lowerBound
    for index in 0..<page.cellCount {
      guard let cell = page.cell(index), let child = cell.leftChild else { continue }
      // A child holds keys up to and including the one of its cell.
      let upper = cell.rowid.map { min(max($0, lower), parent.rowids.upperBound) } ?? parent.rowids.upperBound
      children.append((child, lower...upper))
      if family == .table { lower = upper == .max ? upper : min(upper + 1, parent.rowids.upperBound) }
    }
    if let right = page.rightChild { children.append((right, lower...parent.rowids.upperBound)) }
    // All leaves of a b-tree have the same depth, so one authentic sibling tells what a lost one was.
    var siblingsAreLeaves = false
    for child in children {
      guard let sibling = try reader.pages.bTreePage(child.page), sibling.kind.family == family else { continue }
      siblingsAreLeaves = sibling.kind.isLeaf
      break
    }
    return children.map {
      Step(page: $0.page, rowids: $0.rowids, depth: parent.depth + 1, mayHaveChildren: !siblingsAreLeaves)
    }
  }
}
