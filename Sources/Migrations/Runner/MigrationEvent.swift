/// What a run does, as it does it. ``description`` is the line that SeaORM's migrator prints for it.
/// Source: SeaORM 2.0, `sea-orm-migration`, `migrator/exec.rs`.
public enum MigrationEvent: Sendable, Hashable, CustomStringConvertible {
  /// An `up` begins; nil for all that are pending.
  case applying(count: Int?)
  case nothingPending
  case applyingMigration(String)
  case appliedMigration(String)
  /// A `down` begins; nil for all that are applied.
  case rollingBack(count: Int?)
  case nothingApplied
  case rollingBackMigration(String)
  case rolledBackMigration(String)
  case checkingStatus
  case disablingForeignKeys, disabledForeignKeys, restoringForeignKeys, restoredForeignKeys
  case dropping(SchemaObject)
  case dropped(SchemaObject)
  /// Another runner has done it in the meantime. SeaORM has no such line.
  case doneElsewhere(String)
  /// Recorded without being run. SeaORM has no such line.
  case adopted(String)
  /// Its record was removed, and nothing else. SeaORM has no such line.
  case forgotten(String)

  /// One line.
  public var description: String {
    switch self {
    case .applying(nil): "Applying all pending migrations"
    case .applying(let count?): "Applying \(count) pending migrations"
    case .nothingPending: "No pending migrations"
    case .applyingMigration(let version): "Applying migration '\(version)'"
    case .appliedMigration(let version): "Migration '\(version)' has been applied"
    case .rollingBack(nil): "Rolling back all applied migrations"
    case .rollingBack(let count?): "Rolling back \(count) applied migrations"
    case .nothingApplied: "No applied migrations"
    case .rollingBackMigration(let version): "Rolling back migration '\(version)'"
    case .rolledBackMigration(let version): "Migration '\(version)' has been rolled back"
    case .checkingStatus: "Checking migration status"
    case .disablingForeignKeys: "Disabling foreign key check"
    case .disabledForeignKeys: "Foreign key check disabled"
    case .restoringForeignKeys: "Restoring foreign key check"
    case .restoredForeignKeys: "Foreign key check restored"
    case .dropping(let object): "Dropping \(object.kind.rawValue) '\(object.name)'"
    case .dropped(let object): "\(object.kind.rawValue.capitalizedWord) '\(object.name)' has been dropped"
    case .doneElsewhere(let version): "Migration '\(version)' has been done by another runner"
    case .adopted(let version): "Migration '\(version)' has been recorded without being run"
    case .forgotten(let version): "Migration '\(version)' is no longer recorded"
    }
  }
}

extension String {
  fileprivate var capitalizedWord: String { prefix(1).uppercased() + dropFirst() }
}
