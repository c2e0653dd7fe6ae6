/// What is left of the schema. Source: https://www.sqlite.org/schematab.html
struct SalvagedSchema {
  /// One row of `sqlite_schema`.
  struct Object {
    let type: String
    let name: String
    let tableName: String
    /// 0 for what has no pages.
    let rootPage: UInt32
    /// Nil for the indexes that SQLite makes by itself.
    let sql: String?

    var isVirtualTable: Bool { type == "table" && rootPage == 0 }
    /// Made and filled by SQLite: `sqlite_sequence`, `sqlite_stat1`, …
    var isInternal: Bool { name.lowercased().hasPrefix("sqlite_") }
    var isStatistics: Bool { name.lowercased().hasPrefix("sqlite_stat") }
    var isSequence: Bool { name.lowercased() == "sqlite_sequence" }

    /// Nil when the row is not one that SQLite writes.
    init?(_ row: SalvagedRow, _ encoding: TextEncoding, pageCount: UInt32) {
      guard row.values.count == 5, case .text(let type) = row.values[0], case .text(let name) = row.values[1],
        case .text(let tableName) = row.values[2], let type = encoding.decode(type), let name = encoding.decode(name),
        let tableName = encoding.decode(tableName), Self.types.contains(type)
      else { return nil }
      switch row.values[3] {
      case .integer(let root):
        guard root >= 0, root <= Int64(pageCount), root != 1 else { return nil }
        rootPage = UInt32(root)
      case .null: rootPage = 0
      default: return nil
      }
      switch row.values[4] {
      case .text(let bytes):
        guard let text = encoding.decode(bytes), text.uppercased().hasPrefix("CREATE ") else { return nil }
        sql = text
      case .null: sql = nil
      default: return nil
      }
      self.type = type
      self.name = name
      self.tableName = tableName
    }

    private static let types: Set<String> = ["table", "index", "view", "trigger"]
  }

  private(set) var objects: [Object] = []
  private(set) var encoding: TextEncoding
  /// Whether nothing of the schema is missing.
  private(set) var isComplete = true
  /// Whether page 1 is lost, and with it the root of the schema.
  let isRootLost: Bool

  /// Reads the schema and claims its pages.
  init(_ reader: RowReader) throws(EncryptedStorageError) {
    let pageCount = reader.pages.pageCount
    let first = try reader.pages.page(1)
    isRootLost = first == nil
    let encoding = first?.bigEndianUInt32(at: 56).flatMap(TextEncoding.init(rawValue:)) ?? .utf8
    self.encoding = encoding
    var objects: [Object] = []
    var droppedCount = 0
    let gaps = try BTreeWalk(reader: reader, family: .table).run(root: 1) { (page) throws(EncryptedStorageError) in
      droppedCount += try reader.forEachRow(of: page) { row in
        if let object = Object(row, encoding, pageCount: pageCount) {
          objects.append(object)
        } else {
          droppedCount += 1
        }
      }
    }
    self.objects = objects
    isComplete = gaps.isEmpty && droppedCount == 0
    if gaps.contains(where: \.mayHaveChildren) { try searchLostLeaves(reader) }
    if isRootLost, self.objects.isEmpty { self.encoding = try .likeliest(in: reader.pages) }
  }

  /// Looks for leaves of the schema whose parent is lost: pages full of rows that only `sqlite_schema` has.
  ///
  /// A table that keeps copies of schema rows could look the same, so a page counts only when every row on it is a
  /// schema row, and every root it names is an authentic root of the right kind, or lost, and named once.
  private mutating func searchLostLeaves(_ reader: RowReader) throws(EncryptedStorageError) {
    var roots = Set(objects.map(\.rootPage))
    var names = Set(objects.map { $0.name.lowercased() })
    for number in reader.pages.image.storedPages.behindTheFirst {
      guard let page = try reader.pages.bTreePage(number), page.kind == .tableLeaf,
        let (found, encoding) = try leaf(page, reader)
      else { continue }
      let pageRoots = found.map(\.rootPage).filter { $0 > 0 }
      let pageNames = found.map { $0.name.lowercased() }
      guard Set(pageRoots).count == pageRoots.count, roots.isDisjoint(with: pageRoots),
        names.isDisjoint(with: pageNames),
        Set(pageNames).count == pageNames.count, reader.claim(number)
      else { continue }
      if isRootLost { self.encoding = encoding }
      objects += found
      roots.formUnion(pageRoots)
      names.formUnion(pageNames)
    }
  }

  /// The objects on a page of schema rows; nil when it is anything else.
  private func leaf(
    _ page: BTreePage, _ reader: RowReader
  ) throws(EncryptedStorageError) -> (objects: [Object], encoding: TextEncoding)? {
    guard let cell = page.cell(0), let payload = cell.payload,
      let start = page.page.bytes(at: payload.start, count: payload.localByteCount),
      let types = StoredRecord.types(start[...], recordByteCount: payload.byteCount), types.types.count == 5,
      let length = types.types[0].byteCount
    else { return nil }
    // The word in the first column tells the encoding.
    let word = Array(start.dropFirst(types.headerByteCount).prefix(length))
    let encodings = isRootLost ? TextEncoding.allCases : [encoding]
    guard
      let encoding = encodings.first(where: { encoding in
        ["table", "index", "view", "trigger"].contains { encoding.encode($0) == word }
      })
    else { return nil }
    var objects: [Object] = []
    var isSchema = true
    let probe = RowReader(reader.pages, cancellation: reader.cancellation)
    let droppedCount = try probe.forEachRow(of: page) { row in
      if let object = Object(row, encoding, pageCount: reader.pages.pageCount) {
        objects.append(object)
      } else {
        isSchema = false
      }
    }
    guard isSchema, droppedCount == 0, !objects.isEmpty, objects.contains(where: { $0.rootPage > 0 }) else {
      return nil
    }
    for object in objects where object.rootPage > 0 {
      guard let page = try reader.pages.page(object.rootPage) else { continue }
      guard BTreePage(page) != nil else { return nil }
    }
    return (objects, encoding)
  }
}
