/// What the records of some pages look like, from their headers alone.
struct RecordProfile {
  /// Classes of value seen at one position.
  struct Classes: OptionSet {
    let rawValue: UInt8
    static let null = Classes(rawValue: 1)
    static let number = Classes(rawValue: 2)
    /// Text or a blob.
    static let bytes = Classes(rawValue: 4)
  }

  private(set) var columns: [Classes] = []
  private(set) var rowids: ClosedRange<Int64>?

  mutating func add(_ page: BTreePage) {
    guard page.kind != .tableInterior else { return }
    for index in 0..<page.cellCount {
      guard let cell = page.cell(index), let payload = cell.payload else { continue }
      if let rowid = cell.rowid {
        rowids = rowids.map { min($0.lowerBound, rowid)...max($0.upperBound, rowid) } ?? rowid...rowid
      }
      guard let start = page.page.bytes(at: payload.start, count: payload.localByteCount),
        let types = StoredRecord.types(start[...], recordByteCount: payload.byteCount)?.types
      else { continue }
      while columns.count < types.count { columns.append([]) }
      for (position, type) in types.enumerated() {
        columns[position].insert(type.isNull ? .null : type.isNumber ? .number : .bytes)
      }
    }
  }
}
