internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol

/// A change as one conditional batch: each step runs only if the one before it succeeded, and all is undone unless the last
/// one did.
///
/// A batch cannot compare. What has to hold is a step that fails when it does not: `abs` of the smallest integer overflows.
/// The step before it says why.
struct ChangeBatch: Sendable {
  /// What became of it.
  enum Outcome: Sendable, Hashable {
    case committed
    /// The tracker was not as expected.
    case superseded
    /// Another runner has the lease.
    case leaseLost
    /// Other writers were in the way. Nothing was done.
    case busy
    /// It never arrived, and cannot be committed any more.
    case lost
  }

  /// What a step is for.
  private enum Role: Sendable, Hashable {
    case setting, begin, bookkeeping, look, gate
    /// The rest goes on when it fails.
    case optional
    case statement(index: Int)
    case violations, violationsGate
    case edit, commit, rollback
  }

  private let change: DatabaseChange
  private let part: ChangePart
  /// Under which it is written down at the remote that this was committed.
  let name: String
  private let isGuarded: Bool
  private var roles: [Role] = []
  private(set) var batch = Hrana.Batch(steps: [])

  /// - Parameters:
  ///   - owner: of the lease that must be held; nil for none.
  ///   - isGuarded: whether the server understands the condition that a transaction is open. Without it a transaction that
  ///     the server has ended by itself is noticed only by the failure of the statement that ran into it.
  init(_ change: DatabaseChange, _ part: ChangePart, name: String, owner: String?, isGuarded: Bool) {
    (self.change, self.part, self.name, self.isGuarded) = (change, part, name, isGuarded)
    // Without effect within a transaction, hence before it. The stream ends with the batch, and the setting with it.
    add(.setting, "PRAGMA foreign_keys=\(change.turnsForeignKeysOff ? "OFF" : "ON")")
    add(.begin, "BEGIN IMMEDIATE")
    for statement in WriteClaims.opening(name, in: .writes) { add(.bookkeeping, statement) }
    if let owner { add(.bookkeeping, Hrana.Statement(MigrationLease.renewal(owner: owner))) }
    for statement in Tracker.creation { add(.bookkeeping, Hrana.Statement(statement)) }
    addGate(owner)
    if let script = change.script { add(script) }
    for statement in part.progressStatements { add(.edit, Hrana.Statement(statement)) }
    for edit in part.edits {
      for statement in Tracker.statements(for: edit) { add(.edit, Hrana.Statement(statement)) }
    }
    add(.commit, "COMMIT")
    addRollback()
  }

  // MARK: - Steps

  private mutating func add(_ role: Role, _ sql: String) {
    add(role, Hrana.Statement(.text(sql), wantsRows: role == .violations))
  }

  private mutating func add(_ role: Role, _ statement: Hrana.Statement) {
    let former = roles.lastIndex { $0 != .optional }
    var condition = former.map { Hrana.Condition.ok(step: UInt32($0)) }
    if isGuarded, roles.count > 1, let former = condition { condition = .and([former, .not(.isAutocommit)]) }
    batch.steps.append(Hrana.BatchStep(statement, if: condition))
    roles.append(role)
  }

  /// Says what holds, then fails if something does not.
  private mutating func addGate(_ owner: String?) {
    let unchanged = Tracker.isUnchanged(change.expected)
    let progress = ScriptProgress.isUnchanged(part.former)
    let held = owner.map(MigrationLease.isHeld) ?? Tracker.Statement("1")
    let conditions = [unchanged, progress, held]
    let values = conditions.flatMap(\.values)
    let listed = conditions.map(\.sql).joined(separator: ", ")
    let joined = conditions.map { "(\($0.sql))" }.joined(separator: " AND ")
    add(.look, Hrana.Statement(Tracker.Statement("SELECT \(listed)", values)))
    add(.gate, Hrana.Statement(Tracker.Statement(Self.gate(joined), values)))
  }

  private static func gate(_ condition: String) -> String {
    "SELECT abs(CASE WHEN \(condition) THEN 0 ELSE -9223372036854775808 END)"
  }

  private mutating func add(_ script: MigrationScript) {
    if change.turnsForeignKeysOff {
      add(.bookkeeping, RemoteViolations.creation)
      // It cannot be told when a parent has no key that fits: then none may be left.
      add(.optional, RemoteViolations.remembering)
    }
    for index in part.statements {
      // Rows that a script selects are for nobody.
      add(.statement(index: index), Hrana.Statement(.text(script.statements[index].sql), wantsRows: false))
    }
    guard change.turnsForeignKeysOff else { return }
    add(.violations, RemoteViolations.listing)
    add(.violationsGate, Self.gate("NOT EXISTS (\(RemoteViolations.listing))"))
    add(.bookkeeping, RemoteViolations.forgetting)
  }

  private mutating func addRollback() {
    guard let begin = roles.firstIndex(of: .begin) else { return }
    var conditions: [Hrana.Condition] = [.ok(step: UInt32(begin)), .not(.ok(step: UInt32(roles.count - 1)))]
    if isGuarded { conditions.append(.not(.isAutocommit)) }
    batch.steps.append(Hrana.BatchStep(.text("ROLLBACK"), if: .and(conditions)))
    roles.append(.rollback)
  }

  // MARK: - Results

  /// What the results say; nil when they do not say whether it was committed.
  ///
  /// - Throws: ``MigrationError``: nothing of the change was kept.
  func outcome(of result: Hrana.BatchResult, _ client: HranaClient) throws(MigrationError) -> Outcome? {
    guard let commit = roles.firstIndex(of: .commit) else { return nil }
    if result.stepResults[commit] != nil { return .committed }
    // The first step that did not succeed: it failed, or was skipped because the transaction had ended.
    let failed = roles.indices.first { result.stepResults[$0] == nil && roles[$0] != .optional }
    guard let index = failed, index <= commit else { return nil }
    let error = result.stepErrors[index].map { client.failure($0, "migrate") }
    if error?.isBusy == true, roles[index] != .commit { return .busy }
    switch roles[index] {
    // The progress that was expected is gone.
    case .look where part.former != nil: return .superseded
    case .gate: if let outcome = lookedAt(result) { return outcome }
    case .violations: if let error { throw RemoteViolations.unknown(error, place) }
    case .violationsGate: if let broken = broken(result) { throw broken }
    // Whether a failed commit has left nothing is sure only when the rollback found something to undo.
    case .commit: if result.stepResults[index + 1] == nil { return nil }
    default: break
    }
    throw failure(roles[index], error)
  }

  /// Why the gate was closed; nil when it was not.
  private func lookedAt(_ result: Hrana.BatchResult) -> Outcome? {
    guard let index = roles.firstIndex(of: .look), let row = result.stepResults[index]?.rows.first, row.count == 3
    else { return nil }
    if row[2] != .integer(1) { return .leaseLost }
    return row[0] == .integer(1) && row[1] == .integer(1) ? nil : .superseded
  }

  private func broken(_ result: Hrana.BatchResult) -> MigrationError? {
    guard let index = roles.firstIndex(of: .violations), let rows = result.stepResults[index]?.rows, !rows.isEmpty
    else {
      return nil
    }
    return RemoteViolations.error(rows, place)
  }

  private func failure(_ role: Role, _ error: RemoteError?) -> MigrationError {
    var place = place
    if case .statement(let index) = role, let script = change.script {
      place = script.place(of: script.statements[index])
    }
    guard let error, error.code != .transactionClosed else {
      return MigrationError(
        .doesNotFit,
        "\(place): the remote has ended the transaction of its migration, which took longer than it allows",
        hint: "\(kept); split it into several, or raise the limit of the remote; what only changes rows can be done in "
          + "parts, with remote-transactions: each-statement in its front matter")
    }
    let what =
      switch role {
      case .statement: "the statement failed"
      case .commit: "the commit failed"
      default: "the remote refused a statement of the migrator's own"
      }
    return MigrationError(
      .failed, "\(place): \(what)\(error.sentence)", hint: "\(kept); correct the script")
  }

  private var kept: String {
    guard let count = part.former?.doneCount else { return "nothing of this migration was kept" }
    return "its first \(count) statements were done before, and stay, and the next run goes on behind them"
  }

  private var place: String { change.script?.source ?? "the record" }

  /// The whole of it was refused for its size.
  var tooLarge: MigrationError {
    MigrationError(
      .doesNotFit, "\(place): larger than what the remote takes in one request",
      hint: "nothing of this migration was done; split it into several, or raise the limit of the remote")
  }
}

extension RemoteError {
  /// What the remote says of a statement of a script: ` (CODE): text`. SQLite's sentences quote names and SQL, which are the
  /// script's own.
  var sentence: String {
    let text = remoteText?.text.split(separator: "\n").first.map { ": \($0.prefix(300))" } ?? ""
    return (remoteCode.map { " (\($0))" } ?? "") + text
  }
}
