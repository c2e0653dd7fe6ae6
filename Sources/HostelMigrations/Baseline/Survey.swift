internal import EncryptedStorage
internal import LibSQLClient
internal import Migrations

/// What of the hostel's schema is at a remote, read in one snapshot.
struct Survey {
  let state: DatabaseState
  /// By the names of the hostel's tables.
  let shapes: [String: TableShape]
  let hasBaseline: Bool
  let baselineTime: String?

  init(of database: RemoteDatabase) async throws {
    let listings = [
      SchemaObject.listing, Tracker.appliedListing, Self.baseline, TableShape.columns, TableShape.references,
      TableShape.indexes,
    ]
    let results = try await database.snapshot(listings.map { Tracker.Statement($0) })
    let objects = try results[0].get().compactMap { row -> SchemaObject? in
      guard let kind = row[0].text.flatMap(SchemaObject.Kind.init), let name = row[1].text else { return nil }
      return SchemaObject(kind: kind, name: name, isVirtual: row[2] == .integer(1))
    }
    let tables = Set(objects.filter { $0.kind == .table }.map(\.name))
    let applied = tables.contains(Tracker.table) ? try results[1].get() : []
    let baseline = tables.contains(Tracker.baselineTable) ? try results[2].get() : []
    state = DatabaseState(
      applied: applied.map { .init(version: $0[0].text ?? "", appliedAt: $0[1].integer ?? 0, checksum: nil) },
      objects: objects)
    hasBaseline = !baseline.isEmpty
    baselineTime = baseline.first?[1].text
    shapes = try TableShape.read(columns: results[3].get(), references: results[4].get(), indexes: results[5].get())
  }

  private static let baseline =
    "SELECT name, applied_at FROM \"\(Tracker.baselineTable)\" WHERE name = '\(RemoteBaseline.name)'"

  /// What is there and not as it should be, one line each.
  var differences: [String] {
    var lines: [String] = []
    for (offset, table) in HostelMigrations.tables.enumerated() {
      if let other = state.objects.first(where: { $0.kind != .table && $0.name.lowercased() == table.name }) {
        lines.append("\(table.name): is a \(other.kind.rawValue), not a table")
      } else if let shape = shapes[table.name] {
        lines += table.differences(from: shape).map { "\(table.name): \($0)" }
      } else if state.versions.contains(HostelMigrations.version(ofTable: offset)) {
        lines.append("\(table.name): recorded as made, and not there")
      }
    }
    let indexes = HostelMigrations.tables.flatMap { table in table.indexes.map { (table.name, $0.name) } }
    for (table, index) in indexes {
      let holder = shapes.first { name, shape in name != table && shape.indexes.contains { $0.name == index } }
      let isElsewhere = state.objects.contains { $0.name == index && $0.kind == .index } && shapes[table] == nil
      if holder != nil || isElsewhere { lines.append("\(index): an index of this name is on another table") }
    }
    return lines
  }

  /// Columns that are accepted, and yet worth a word.
  var notes: [String] {
    HostelMigrations.tables.flatMap { table in
      (shapes[table.name]?.columns ?? []).filter { $0.type.hasPrefix("numeric") }.map { column in
        "\(table.name).\(column.name) is NUMERIC, as the former baseline made it: whole amounts are kept as integers, "
          + "which SeaORM's programs cannot read as prices"
      }
    }
  }
}
