internal import EncryptedStorage

/// A row as two databases are compared by it.
struct TableRow: Sendable, Hashable {
  let key: [ExactValue]
  let values: [ExactValue]

  init(_ row: [ExactValue], keyCount: Int) {
    key = Array(row.prefix(keyCount))
    values = Array(row.dropFirst(keyCount))
  }
}

/// What became of a row of the base.
enum RowChange: Sendable {
  case inserted(TableRow)
  case deleted(TableRow)
  /// The keys are the same in the order of the key; `1` and `1.0` are.
  case updated(from: TableRow, to: TableRow)
}

/// Walks a table in two databases side by side, in the order of its key, and finds the rows that differ: one row of each
/// is in memory at a time.
struct RowWalk {
  let layout: TableLayout
  private let before: RowCursor?
  private let after: RowCursor?

  /// - Parameters:
  ///   - before: the base, with its columns; nil for a table that it does not have.
  ///   - after: the other database, whose layout this is; nil for one that does not have the table.
  init(
    _ layout: TableLayout, before: (session: Session, mapping: TableLayout.Mapping)?, after: Session?
  ) throws {
    self.layout = layout
    self.before = try before.map { try RowCursor($0.session, layout.selectAll($0.mapping)) }
    self.after = try after.map { try RowCursor($0, layout.selectAll(layout.sameColumns)) }
  }

  /// Hands every change to `body`.
  ///
  /// - Throws: ``WorkingCopyError`` `.unsupported` when rows changed that have NULL in their primary key; what `body` throws.
  func forEachChange(_ body: (RowChange) throws -> Void) throws {
    var former = try next(before)
    var current = try next(after)
    while true {
      switch (former, current) {
      case (nil, nil): return
      case (let row?, nil):
        try report(.deleted(row), row, body)
        former = try next(before)
      case (nil, let row?):
        try report(.inserted(row), row, body)
        current = try next(after)
      case (let old?, let new?):
        switch Self.order(old.key, new.key) {
        case .before:
          try report(.deleted(old), old, body)
          former = try next(before)
        case .after:
          try report(.inserted(new), new, body)
          current = try next(after)
        case .same:
          if old != new { try report(.updated(from: old, to: new), old, body) }
          former = try next(before)
          current = try next(after)
        }
      }
    }
  }

  /// Whether anything differs.
  func findsAny() throws -> Bool {
    do { try forEachChange { _ in throw Found() } } catch is Found { return true }
    return false
  }

  private struct Found: Error {}

  private func report(_ change: RowChange, _ row: TableRow, _ body: (RowChange) throws -> Void) throws {
    guard layout.identity != .nothing else {
      throw WorkingCopyError(
        .unsupported, "rows of table \(layout.name) changed, which has no primary key, and columns that hide its rowid",
        hint: "give it a primary key")
    }
    guard !row.key.contains(.null) else {
      throw WorkingCopyError(
        .unsupported,
        "rows of table \(layout.name) changed that have NULL in their primary key, and cannot be told apart",
        hint: "give them a key")
    }
    try body(change)
  }

  private func next(_ cursor: RowCursor?) throws -> TableRow? {
    try cursor?.next().map { TableRow($0, keyCount: layout.keyNames.count) }
  }

  private static func order(_ left: [ExactValue], _ right: [ExactValue]) -> ExactValue.Order {
    for (left, right) in zip(left, right) {
      let order = left.order(right)
      if order != .same { return order }
    }
    return .same
  }
}
