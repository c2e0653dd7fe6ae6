/// The tables that could be created again, their trees, and where a tree has gaps.
struct SalvagedTables {
  private(set) var tables: [TargetTable] = []
  private var tableGaps: [(table: TargetTable, gap: BTreeWalk.Gap)] = []
  private var indexGaps: [BTreeWalk.Gap] = []

  mutating func add(_ table: TargetTable, gaps: [BTreeWalk.Gap]) {
    tables.append(table)
    tableGaps += gaps.map { (table, $0) }
  }

  mutating func addIndex(gaps: [BTreeWalk.Gap]) { indexGaps += gaps }

  /// Whether rows of a WITHOUT ROWID table may be among orphaned index pages.
  var mayMissRecordsOfIndexTrees: Bool { tableGaps.contains { $0.table.isWithoutRowid && $0.gap.mayHaveChildren } }

  /// The one table that an orphaned tree can belong to; nil when there are several, or none.
  ///
  /// It must fit into a gap that can have had children, with all its rowids, and its records must be rows of that table.
  /// Certain only when nothing of the schema and of the free list is missing, which the caller has to see to.
  func owner(of profile: RecordProfile, _ family: BTreePage.Family) -> TargetTable? {
    guard !profile.columns.isEmpty else { return nil }
    // A gap of an ordinary index could hold any record.
    if family == .index, indexGaps.contains(where: \.mayHaveChildren) { return nil }
    var owner: TargetTable?
    for (table, gap) in tableGaps where gap.mayHaveChildren && table.isWithoutRowid == (family == .index) {
      if let rowids = profile.rowids, family == .table {
        guard gap.rowids.contains(rowids.lowerBound), gap.rowids.contains(rowids.upperBound) else { continue }
      }
      guard table.fits(profile) else { continue }
      if let owner, owner !== table { return nil }
      owner = table
    }
    return owner
  }
}
