/// A database that migrations run on: a local file, or a remote.
///
/// Everything that is decided is decided above it, from a ``DatabaseState``; it only reads that, and applies one
/// ``DatabaseChange`` at a time, whole or not at all.
public protocol MigrationDatabase: Sendable {
  /// Whether others work on it over a network. Destroying data there has to be allowed.
  var isRemote: Bool { get }

  /// Refuses a script that this kind of database never runs, before anything is done.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript`, which names file, line and statement.
  func check(_ script: MigrationScript) throws(MigrationError)

  /// What is applied, and what is there. Changes nothing, makes no table.
  ///
  /// - Throws: what reading throws.
  func state() async throws -> DatabaseState

  /// Runs a change in one transaction, which begins with a look at the tracker.
  ///
  /// The order within the transaction: tracker's tables, comparison with ``DatabaseChange/expected``, statements,
  /// foreign keys, edits of the tracker.
  /// - Returns: `.superseded`, with nothing changed, when the tracker is not as expected.
  /// - Throws: ``MigrationError`` `.failed` and `.brokenReferences`, which name file, line and statement; what the
  ///   storage or the remote throws. Nothing of the change is kept then.
  func apply(_ change: DatabaseChange) async throws -> ChangeOutcome

  /// Runs `body` while no other runner works on this database, as far as the database can see to that.
  ///
  /// - Throws: what `body` throws; ``MigrationError`` `.busy`.
  func withLease<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result
}

extension MigrationDatabase {
  /// Refuses nothing.
  public func check(_ script: MigrationScript) throws(MigrationError) {}

  /// Just runs `body`, for databases whose transactions suffice.
  public func withLease<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    try await body()
  }
}

/// What became of a change.
public enum ChangeOutcome: Sendable, Hashable {
  /// It is committed.
  case applied
  /// The tracker was not as expected: another runner has changed it. Nothing was done.
  case superseded
}

/// Something that a database does in one transaction, with its record.
public struct DatabaseChange: Sendable, Hashable {
  /// The versions that the tracker must hold when the transaction begins, in the order of ``DatabaseState/applied``.
  public let expected: [String]
  /// Statements with their places; nil when only the tracker changes.
  public let script: MigrationScript?
  /// Whether foreign keys are turned off before the transaction, and their violations compared within it.
  public let turnsForeignKeysOff: Bool
  /// What becomes of the tracker, after the statements.
  public let edits: [Tracker.Edit]

  /// A change.
  public init(expected: [String], script: MigrationScript?, turnsForeignKeysOff: Bool, edits: [Tracker.Edit]) {
    self.expected = expected
    self.script = script
    self.turnsForeignKeysOff = turnsForeignKeysOff
    self.edits = edits
  }
}
