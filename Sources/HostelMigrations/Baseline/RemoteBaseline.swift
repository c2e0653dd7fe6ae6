internal import EncryptedStorage
public import Migrations

/// Brings a remote to the hostel's schema, whatever of it is there: nothing, some tables, all of them, made by our
/// migrations, by SeaORM, or by the baseline script of the hostel's former program.
///
/// Each migration is one transaction, as ``Migrator`` runs it; a run that is interrupted is continued by the next one. The
/// ten migrations are recorded for SeaORM, and the baseline for the former program.
public struct RemoteBaseline: Sendable {
  /// What the former program calls it.
  public static let name = "m20260111_000000_baseline"

  /// Something that a run has done.
  public enum Event: Sendable, Hashable, CustomStringConvertible {
    /// A migration was run.
    case applied(String)
    /// What it makes was there in part; the rest was made, and it was recorded.
    case completed(String)
    /// What it makes was there; it was recorded.
    case adopted(String)
    /// The baseline was recorded.
    case stamped(String)

    /// One line.
    public var description: String {
      switch self {
      case .applied(let version): "Migration '\(version)' has been applied"
      case .completed(let version): "Migration '\(version)' was there in part, and has been completed"
      case .adopted(let version): "Migration '\(version)' was there, and has been recorded"
      case .stamped(let name): "Baseline '\(name)' has been recorded"
      }
    }
  }

  private let database: RemoteDatabase
  private let now: @Sendable () -> Int64
  private let report: @Sendable (Event) throws -> Void
  /// How often others may be faster than this run.
  private static let attemptCountMax = 100

  /// A baseline of a remote. Nothing is read yet.
  ///
  /// - Parameters:
  ///   - now: the time in seconds since 1970-01-01 UTC, for the tracker.
  ///   - report: called for each event; what it throws ends the run between two transactions.
  public init(
    of database: RemoteDatabase, now: @escaping @Sendable () -> Int64 = Migrator.Settings().now,
    report: @escaping @Sendable (Event) throws -> Void = { _ in }
  ) {
    self.database = database
    self.now = now
    self.report = report
  }

  /// How far the remote is. Changes nothing.
  ///
  /// - Throws: `RemoteError`.
  public func status() async throws -> BaselineStatus {
    let (survey, migrations) = (try await Survey(of: database), try HostelMigrations.all())
    return BaselineStatus(
      appliedAt: survey.baselineTime, isApplied: survey.hasBaseline,
      recorded: migrations.map(\.version).filter(survey.state.versions.contains),
      missing: migrations.map(\.version).filter { !survey.state.versions.contains($0) },
      differences: survey.differences, notes: survey.notes)
  }

  /// Does what is missing. When nothing is, nothing is written.
  ///
  /// - Returns: what was done.
  /// - Throws: ``MigrationError`` `.otherShape`, with nothing changed, when a table is there with another shape, or is
  ///   recorded and not there; what ``RemoteDatabase/apply(_:)`` throws: what was done before stays.
  @discardableResult
  public func run() async throws -> [Event] {
    let migrations = try HostelMigrations.all()
    // Without the lease, which is a write: often there is nothing to do.
    guard try await step(Self.checked(database), migrations) != nil else { return [] }
    return try await database.withLease {
      var done: [Event] = []
      for _ in 1...Self.attemptCountMax {
        guard let (change, event) = try await step(Self.checked(database), migrations) else { return done }
        // What others have done meanwhile is looked at anew.
        guard try await database.apply(change) == .applied else { continue }
        done.append(event)
        try report(event)
      }
      throw MigrationError(
        .busy, "other runners keep changing what is applied", hint: "try again when they have finished")
    }
  }

  private static func checked(_ database: RemoteDatabase) async throws -> Survey {
    let survey = try await Survey(of: database)
    guard survey.differences.isEmpty else {
      throw MigrationError(
        .otherShape,
        "the remote is not what the hostel's migrations make of it; nothing was changed:\n"
          + survey.differences.map { "  \($0)" }.joined(separator: "\n"),
        hint: "bring these tables into shape, or move them away, then run it again")
    }
    return survey
  }

  /// What comes next; nil when all is done.
  private func step(_ survey: Survey, _ migrations: [Migration]) throws -> (DatabaseChange, Event)? {
    for (offset, migration) in migrations.enumerated() {
      let isRecorded = survey.state.versions.contains(migration.version)
      let table = HostelMigrations.tables.indices.contains(offset) ? HostelMigrations.tables[offset] : nil
      let shape = table.flatMap { survey.shapes[$0.name] }
      let rest = table.flatMap { table in shape.map { table.missingIndexes(in: $0) } } ?? []
      if isRecorded, rest.isEmpty { continue }
      var script: MigrationScript? = migration.up
      var event = Event.applied(migration.version)
      if shape != nil {
        script = rest.isEmpty ? nil : try MigrationScript(rest.joined(separator: ";\n"), source: migration.up.source)
        event = rest.isEmpty ? .adopted(migration.version) : .completed(migration.version)
      }
      let record = Tracker.Edit.record(
        version: migration.version, appliedAt: now(), checksum: migration.up.checksum)
      return (change(survey, script, isRecorded ? [] : [record]), event)
    }
    return survey.hasBaseline ? nil : (change(survey, nil, [.stampBaseline(name: Self.name)]), .stamped(Self.name))
  }

  private func change(_ survey: Survey, _ script: MigrationScript?, _ edits: [Tracker.Edit]) -> DatabaseChange {
    DatabaseChange(expected: survey.state.versions, script: script, turnsForeignKeysOff: false, edits: edits)
  }
}

/// How far a remote is.
public struct BaselineStatus: Sendable, Hashable {
  /// When the baseline was recorded, in the remote's words: `YYYY-MM-DD HH:MM:SS`.
  public let appliedAt: String?
  /// Whether the baseline is recorded.
  public let isApplied: Bool
  /// Versions among the ten that are recorded for SeaORM.
  public let recorded: [String]
  /// Those that are not.
  public let missing: [String]
  /// Tables that are not what the migrations make.
  public let differences: [String]
  /// What is worth knowing about tables that are accepted.
  public let notes: [String]
}
