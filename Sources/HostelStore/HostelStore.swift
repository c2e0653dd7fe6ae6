internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

/// The hostel's records: what is asked and changed, as values of the domain.
package struct HostelStore: Sendable {
  package let database: HostelDatabase
  let cipher: FieldCipher
  private let clock: @Sendable () -> Instant

  /// - Parameter clock: what time it is; replaced by tests.
  package init(_ database: HostelDatabase, cipher: FieldCipher, clock: @escaping @Sendable () -> Instant) {
    self.database = database
    self.cipher = cipher
    self.clock = clock
  }

  package var now: Instant { clock() }
  package var today: Day { now.day }

  typealias Reading = HostelDatabase.Reading

  // MARK: - Tables

  /// Migrations of the service that the database does not have yet.
  ///
  /// - Throws: ``StoreError`` `.schema` when the hostel's own tables are not there.
  package func missingMigrations() async throws -> [String] {
    let (tables, applied) = try await database.read { session in
      let tables = Set(try session.query("SELECT name FROM sqlite_schema WHERE type = 'table'") { $0[0].text ?? "" })
      guard tables.contains(ServiceMigrations.tracker) else { return (tables, Set<String>()) }
      let versions = try session.query("SELECT version FROM \(ServiceMigrations.tracker)") { $0[0].text ?? "" }
      return (tables, Set(versions))
    }.value
    guard tables.isSuperset(of: ServiceMigrations.foundation) else {
      throw StoreError(
        .schema, "the database does not have the hostel's tables",
        hint: "apply the hostel's ten migrations first: albergue-migration up")
    }
    return ServiceMigrations.all.map(\.name).filter { !applied.contains($0) }
  }

  /// Applies what is missing, each migration in a transaction of its own together with its record.
  ///
  /// - Returns: the names of those that were applied.
  package func migrate() async throws -> [String] {
    let missing = try await missingMigrations()
    for migration in ServiceMigrations.all where missing.contains(migration.name) {
      let record =
        "INSERT INTO \(ServiceMigrations.tracker) (version, applied_at) VALUES ('\(migration.name)', unixepoch())"
      // The record comes first: of two that migrate at once, the second fails at it and changes nothing.
      try await database.run(
        ([ServiceMigrations.trackerDefinition, record] + migration.statements).map { RemoteStatement($0) })
    }
    return missing
  }
}

/// A part of a list, in the order of the ids.
package struct Page<Item: Sendable>: Sendable {
  package let items: [Item]
  /// Asks for the next part; nil at the end.
  package let next: Int64?

  package static var limitMax: Int { 200 }

  /// - Parameter items: one more than `limit` if there are more.
  init(_ items: [Item], limit: Int, id: (Item) -> Int64) {
    self.items = Array(items.prefix(limit))
    next = items.count > limit ? self.items.last.map(id) : nil
  }
}

/// The columns of a row, by their places, with errors that name them.
struct RecordReader {
  let table: String
  private let values: [Value]

  init(_ table: String, _ values: [Value]) {
    self.table = table
    self.values = values
  }

  func text(_ index: Int) -> String? { values[index].text }

  /// - Throws: ``StoreError`` `.damaged`, as all of these.
  func need<T>(_ index: Int, _ read: (Value) -> T?) throws(StoreError) -> T {
    guard let value = read(values[index]) else {
      throw StoreError(.damaged, "column \(index + 1) of a row of \(table) holds something else than it should")
    }
    return value
  }

  func integer(_ index: Int) throws(StoreError) -> Int64 { try need(index) { $0.integer } }

  func day(_ index: Int) throws(StoreError) -> Day { try need(index) { $0.text.flatMap { Day($0) } } }

  func money(_ index: Int) throws(StoreError) -> Money { try need(index) { $0.real.flatMap { Money(stored: $0) } } }

  func instant(_ index: Int) -> Instant? { text(index).flatMap { Instant($0) } }

  /// A state or code; `fallback` where the column is NULL.
  func code<T: RawRepresentable<String>>(_ index: Int, default fallback: T? = nil) throws(StoreError) -> T {
    if values[index] == .null, let fallback { return fallback }
    return try need(index) { $0.text.flatMap { T(rawValue: $0) } }
  }
}
