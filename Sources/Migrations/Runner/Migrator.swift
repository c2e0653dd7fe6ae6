/// Brings a database from one point of its schema's history to another.
///
/// Each migration is one transaction together with its record. Every transaction begins with a look at the tracker: when
/// another runner has changed it since the plan was made, nothing is done, and the plan is made anew.
public struct Migrator: Sendable {
  let catalog: MigrationCatalog
  let database: any MigrationDatabase
  let settings: Settings
  let report: @Sendable (MigrationEvent) throws -> Void

  /// How a migrator works.
  public struct Settings: Sendable {
    /// Whether data may be destroyed at a remote. Default false.
    public var allowsDestruction = false
    /// The time in seconds since 1970-01-01 UTC, for the tracker.
    public var now: @Sendable () -> Int64 = WallClock.seconds

    /// The defaults.
    public init() {}
  }

  /// A migrator. Nothing is read yet.
  ///
  /// - Parameter report: called for each event; what it throws ends the run between two transactions.
  public init(
    _ catalog: MigrationCatalog, on database: any MigrationDatabase, settings: Settings = Settings(),
    report: @escaping @Sendable (MigrationEvent) throws -> Void = { _ in }
  ) {
    self.catalog = catalog
    self.database = database
    self.settings = settings
    self.report = report
  }

  /// How often a plan may be made anew because other runners were faster.
  private static let attemptCountMax = 100

  // MARK: - Asking

  /// How the database stands to every known migration. Changes nothing.
  ///
  /// - Throws: ``MigrationError`` `.missingMigration`; what reading throws.
  public func status() async throws -> MigrationStatus {
    try report(.checkingStatus)
    return MigrationStatus(catalog, try await knownState())
  }

  /// What ``up(_:)`` or ``down(_:)`` would run, in order.
  ///
  /// - Throws: as ``status()``; ``MigrationError`` `.invalidScript` for a migration that cannot be taken back.
  public func plan(_ direction: Direction, count: Int? = nil) async throws -> [PlannedMigration] {
    try await planned(direction, count: count, in: knownState())
  }

  // MARK: - Changing

  /// Applies pending migrations in their order, late older ones too.
  ///
  /// - Parameter count: at most so many; nil for all.
  /// - Returns: the versions that this run has applied.
  /// - Throws: ``MigrationError``; what storage or remote throws. What was applied before stays.
  @discardableResult
  public func up(_ count: Int? = nil) async throws -> [String] {
    try await database.withLease { try await run(.up, count: count) }
  }

  /// Takes applied migrations back, the latest first.
  ///
  /// - Parameter count: at most so many; nil for all.
  /// - Returns: the versions that this run has taken back.
  /// - Throws: as ``up(_:)``; ``MigrationError`` `.invalidScript`, with nothing done, if one of them cannot be taken back.
  @discardableResult
  public func down(_ count: Int? = 1) async throws -> [String] {
    try await database.withLease { try await run(.down, count: count) }
  }

  /// Takes everything back, then applies everything.
  ///
  /// - Returns: the versions that were applied.
  /// - Throws: as ``up(_:)`` and ``down(_:)``.
  @discardableResult
  public func refresh() async throws -> [String] {
    try allow("refresh takes every migration back")
    return try await database.withLease {
      try await run(.down, count: nil)
      return try await run(.up, count: nil)
    }
  }

  /// Takes everything back, then drops the tracker.
  ///
  /// - Returns: the versions that were taken back.
  /// - Throws: as ``down(_:)``.
  @discardableResult
  public func reset() async throws -> [String] {
    try allow("reset takes every migration back")
    return try await database.withLease {
      let rolledBack = try await run(.down, count: nil)
      let change = DatabaseChange(expected: [], script: nil, turnsForeignKeysOff: false, edits: [.dropTables])
      guard try await database.apply(change) == .applied else { throw Self.restless }
      return rolledBack
    }
  }

  /// Drops every table and view, whoever made it, then applies everything. Tables of this project that are about the file
  /// itself, and those of a server, stay: ``KeptTable``.
  ///
  /// - Returns: the versions that were applied.
  /// - Throws: as ``up(_:)``. Nothing is dropped when the tables cannot all be dropped.
  @discardableResult
  public func fresh() async throws -> [String] {
    try allow("fresh drops every table")
    return try await database.withLease {
      try report(.disablingForeignKeys)
      try report(.disabledForeignKeys)
      let state = try await database.state()
      let objects = FreshStart.droppedObjects(of: state)
      for object in objects { try report(.dropping(object)) }
      let change = DatabaseChange(
        expected: state.versions, script: try FreshStart.script(dropping: objects), turnsForeignKeysOff: true, edits: []
      )
      guard try await database.apply(change) == .applied else { throw Self.restless }
      for object in objects { try report(.dropped(object)) }
      try report(.restoringForeignKeys)
      try report(.restoredForeignKeys)
      return try await run(.up, count: nil)
    }
  }

  // MARK: - Runs

  @discardableResult
  private func run(_ direction: Direction, count: Int?) async throws -> [String] {
    try report(direction == .up ? .applying(count: count) : .rollingBack(count: count))
    var state = try await knownState()
    let plan = try planned(direction, count: count, in: state)
    if plan.isEmpty { try report(direction == .up ? .nothingPending : .nothingApplied) }
    for step in plan {
      try database.check(step.script)
      if let reason = step.destruction { try allow(reason) }
    }
    var done: [String] = []
    for step in plan {
      try Task.checkCancellation()
      if try await run(step, &state) { done.append(step.migration.version) }
    }
    return done
  }

  /// Other runners may do the same at the same time, but not the opposite.
  ///
  /// - Returns: whether this run did it; if not, another one has.
  private func run(_ step: PlannedMigration, _ state: inout DatabaseState) async throws -> Bool {
    let version = step.migration.version
    for _ in 1...Self.attemptCountMax {
      guard state.versions.contains(version) == (step.direction == .down) else {
        try report(.doneElsewhere(version))
        return false
      }
      try report(step.direction == .up ? .applyingMigration(version) : .rollingBackMigration(version))
      let outcome = try await database.apply(step.change(of: state, at: settings.now()))
      let former = Set(state.versions)
      state = try await knownState()
      guard step.direction == .up ? former.isSubset(of: state.versions) : former.isSuperset(of: state.versions) else {
        throw Self.opposed
      }
      guard outcome == .applied else { continue }
      try report(step.direction == .up ? .appliedMigration(version) : .rolledBackMigration(version))
      return true
    }
    throw Self.restless
  }

  private func planned(
    _ direction: Direction, count: Int?, in state: DatabaseState
  ) throws(MigrationError) -> [PlannedMigration] {
    let applied = Set(state.versions)
    let all = catalog.migrations
    let chosen =
      direction == .up
      ? all.filter { !applied.contains($0.version) } : all.reversed().filter { applied.contains($0.version) }
    var plan: [PlannedMigration] = []
    for migration in chosen.prefix(count ?? .max) { plan.append(try PlannedMigration(migration, direction)) }
    return plan
  }

  /// - Throws: ``MigrationError`` `.missingMigration` when something is applied that nobody knows: what it did to the
  ///   schema is unknown, too.
  func knownState() async throws -> DatabaseState {
    let state = try await database.state()
    let missing = state.versions.filter { catalog[version: $0] == nil }
    guard missing.isEmpty else {
      throw MigrationError(
        .missingMigration,
        missing.map {
          "Migration file of version '\($0)' is missing, this migration has been applied but its file is missing"
        }.joined(separator: "\n"),
        hint:
          "bring the file back; or, if its migration is undone or never to be undone, albergue-migration adopt --forget"
      )
    }
    return state
  }

  private func allow(_ what: String) throws(MigrationError) {
    guard database.isRemote, !settings.allowsDestruction else { return }
    throw MigrationError(
      .destructive, "\(what), and the database is a remote one; nothing was done",
      hint: "look at it with albergue-migration plan, then allow it with --allow-destructive")
  }

  /// The plan makes no sense any more: what it builds on is gone, or something builds on what it takes away.
  private static let opposed = MigrationError(
    .busy, "another runner does the opposite at the same time; this one stopped between two migrations",
    hint: "look at albergue-migration status, then try again")

  static let restless = MigrationError(
    .busy, "other runners keep changing what is applied", hint: "try again when they have finished")
}
