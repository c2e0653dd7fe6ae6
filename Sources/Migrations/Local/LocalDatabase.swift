public import EncryptedStorage

/// An encrypted database file.
public struct LocalDatabase: MigrationDatabase {
  private let connection: Connection
  /// False: nobody but programs on this machine reaches it.
  public var isRemote: Bool { false }

  /// A database on a connection, which belongs to it from now on: it sets `foreign_keys`.
  public init(_ connection: Connection) { self.connection = connection }

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - isChanging: whether anything will be written.
  ///   - factory: without a mount of page stores, since a replica is changed through its remote only.
  /// - Throws: `EncryptedStorageError`; ``MigrationError`` `.usage`, `.missingFile`.
  public static func open(
    _ file: DatabaseFile, isChanging: Bool, factory: ConnectionFactory
  ) async throws -> LocalDatabase {
    guard !isChanging || file.mode != .readOnly else {
      throw MigrationError(.usage, "the address says mode=ro, and this writes", hint: "use mode=rw")
    }
    do {
      return LocalDatabase(try await factory.open(file.path, isChanging ? .writer : .reader))
    } catch let error as EncryptedStorageError {
      switch error.code {
      case .missing where file.mode == .readWriteCreate: return try await create(file.path, factory)
      case .missing:
        throw MigrationError(
          .missingFile, "open \(file.path): there is no such file",
          hint: "make an encrypted one: add ?mode=rwc to the address, or use albergue-crypt init")
      case .pageStore:
        throw MigrationError(
          .replica, "open \(file.path): a replica, which is written through its remote only",
          hint: "migrate the remote; or make a working copy, with DB_MODE=seaorm_sqlite and turso-sync pull")
      default: throw error
      }
    }
  }

  private static func create(_ path: String, _ factory: ConnectionFactory) async throws -> LocalDatabase {
    do { return LocalDatabase(try await factory.create(path)) } catch let error as EncryptedStorageError {
      // Another runner has made it meanwhile, whole: it gets its name at the end.
      guard error.code == .exists else { throw error }
      return LocalDatabase(try await factory.open(path, .writer))
    }
  }

  /// Closes the file.
  public func close() async { await connection.close() }

  /// See ``MigrationDatabase/state()``.
  public func state() async throws -> DatabaseState {
    try await connection.run { session in try session.transaction(.deferred) { try Self.state(of: $0) } }
  }

  /// See ``MigrationDatabase/apply(_:)``.
  ///
  /// The transaction is immediate: it waits for other writers up to the factory's busy timeout, then nothing changes
  /// between the look at the tracker and the commit.
  /// - Throws: `EncryptedStorageError` `.busy` when another writer takes longer.
  public func apply(_ change: DatabaseChange) async throws -> ChangeOutcome {
    try await connection.run { session in
      // Without effect within a transaction, hence before it. Source: https://www.sqlite.org/pragma.html#pragma_foreign_keys
      let setting = change.turnsForeignKeysOff ? "OFF" : "ON"
      for reset in Self.settings { try session.execute(reset) }
      try session.execute("PRAGMA foreign_keys=\(setting)")
      guard try session.value("PRAGMA foreign_keys") == .integer(change.turnsForeignKeysOff ? 0 : 1) else {
        throw EncryptedStorageError(
          .cipherUnavailable, operation: "migrate", file: session.path, detail: "foreign_keys=\(setting) did not take")
      }
      return try session.transaction(.immediate) { session in try Self.run(change, session) }
    }
  }

  /// What a script may set for itself, and must not leave to the next one.
  private static let settings = [
    "PRAGMA legacy_alter_table=OFF", "PRAGMA ignore_check_constraints=OFF", "PRAGMA recursive_triggers=OFF",
  ]

  private static func run(_ change: DatabaseChange, _ session: Session) throws -> ChangeOutcome {
    guard try applied(session).map(\.version) == change.expected else { return .superseded }
    for statement in Tracker.creation { try session.execute(statement.sql) }
    if let script = change.script {
      let before = change.turnsForeignKeysOff ? try? ForeignKeyViolations(of: session) : nil
      for statement in script.statements { try run(statement, of: script, session) }
      if change.turnsForeignKeysOff {
        try ForeignKeyViolations(after: script, session).check(against: before, script)
      }
    }
    for edit in change.edits {
      for statement in Tracker.statements(for: edit) { try run(statement, session) }
    }
    return .applied
  }

  private static func run(_ statement: Tracker.Statement, _ session: Session) throws {
    do { try session.execute(statement.sql, statement.values) } catch {
      guard [.statement, .constraint].contains(error.code) else { throw error }
      throw MigrationError(
        .failed, "the record of the migration cannot be written: \(error.detail)",
        hint: "nothing of this migration was kept; leave \(Tracker.table) to the migrator")
    }
  }

  private static func run(
    _ statement: MigrationScript.Statement, of script: MigrationScript, _ session: Session
  ) throws {
    do { try session.execute(statement.sql) } catch {
      guard [.statement, .constraint, .denied].contains(error.code) else { throw error }
      throw MigrationError(
        .failed, "\(script.place(of: statement)): \(error.detail)",
        hint: error.code == .denied
          ? "migrations cannot touch keys, other files, or the settings that keep the file encrypted"
          : "nothing of this migration was kept; correct the script")
    }
    // Looked at, not taken for granted: without a transaction, what follows would be committed statement by statement.
    guard session.isInTransaction else {
      throw MigrationError(
        .failed, "\(script.place(of: statement)): ended the transaction of its migration",
        hint: "look at what it has left; no statement of a migration may end its transaction")
    }
  }

  private static func state(of session: Session) throws -> DatabaseState {
    let objects = try session.query(SchemaObject.listing) { row -> SchemaObject? in
      guard let kind = row[0].text.flatMap(SchemaObject.Kind.init), let name = row[1].text else { return nil }
      return SchemaObject(kind: kind, name: name, isVirtual: row[2] == .integer(1))
    }
    return DatabaseState(applied: try applied(session), objects: objects.compactMap(\.self))
  }

  /// What the tracker says; nothing when there is none.
  private static func applied(_ session: Session) throws -> [DatabaseState.Applied] {
    guard try exists(Tracker.table, session) else { return [] }
    let rows = try session.query(Tracker.appliedListing) { ($0[0].text ?? "", $0[1].integer ?? 0) }
    guard try exists(Tracker.checksumTable, session) else { return DatabaseState.join(rows, []) }
    let checksums = try session.query(Tracker.checksumListing) { row in
      (row[0].text ?? "", row[1].integer ?? 0, row[2].text ?? "")
    }
    return DatabaseState.join(rows, checksums)
  }

  private static func exists(_ table: String, _ session: Session) throws -> Bool {
    try session.value("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(table)])
      == .integer(1)
  }
}
