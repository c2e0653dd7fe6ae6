internal import CSQLCipher
internal import Glibc
internal import Synchronization

/// Watches the SQL that one connection runs for clients: how long, how much, and what it does to the connection.
///
/// Unsafe code: SQLite's callbacks get its address; the session that installs it keeps it until the handle is closed. All of
/// its state is atomic, because `cancel` comes from any thread.
package final class ClientGuard: Sendable {
  package let limits: ClientLimits
  private let deadline = Atomic<UInt64>(.max)
  private let instructionsLeft = Atomic<Int64>(.max)
  private let isCancelled = Atomic<Bool>(false)
  private let stopReason = Atomic<UInt8>(0)
  private let hasChangedConnection = Atomic<Bool>(false)
  private let hasInsert = Atomic<Bool>(false)

  private static let instructionsBetweenLooks: Int32 = 1000

  init(limits: ClientLimits) { self.limits = limits }

  /// Gives the next statement its time, from now on.
  ///
  /// - Parameter end: an earlier end than the limits', of the transaction.
  func begin(until end: ContinuousClock.Instant?) {
    let time = min(limits.statementTime, end.map { ContinuousClock.now.duration(to: $0) } ?? limits.statementTime)
    let nanoseconds = UInt64(max(0, time / .nanoseconds(1)))
    stopReason.store(0, ordering: .relaxed)
    instructionsLeft.store(limits.instructionCount, ordering: .relaxed)
    deadline.store(Self.now() &+ nanoseconds, ordering: .relaxed)
  }

  /// Stops what is running, and everything that follows until ``resume()``.
  package func cancel() { isCancelled.store(true, ordering: .relaxed) }

  package func resume() { isCancelled.store(false, ordering: .relaxed) }

  /// Why the last statement was interrupted.
  var stop: StatementFailure.Stop? {
    switch stopReason.load(ordering: .relaxed) {
    case 1: .time
    case 2: .instructions
    case 3: .cancelled
    default: nil
    }
  }

  /// Whether a statement has set something of the connection, or made temporary objects: it must not go to another client.
  package var isConnectionChanged: Bool { hasChangedConnection.load(ordering: .relaxed) }

  /// Whether the statement compiled last inserts rows by itself, not by a trigger.
  func takeInsertMark() -> Bool { hasInsert.exchange(false, ordering: .relaxed) }

  // MARK: - Callbacks

  func install(on database: OpaquePointer) -> Bool {
    let address = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe sqlite3_progress_handler(
      database, Self.instructionsBetweenLooks,
      { address in
        guard let address = unsafe address else { return 1 }
        return unsafe Unmanaged<ClientGuard>.fromOpaque(address)._withUnsafeGuaranteedRef { $0.mayGoOn() } ? 0 : 1
      }, address)
    for (limit, value) in [
      (SQLITE_LIMIT_SQL_LENGTH, limits.sqlByteCount), (SQLITE_LIMIT_LENGTH, limits.valueByteCount),
      (SQLITE_LIMIT_VARIABLE_NUMBER, limits.parameterCount), (SQLITE_LIMIT_EXPR_DEPTH, limits.expressionDepth),
      (SQLITE_LIMIT_COMPOUND_SELECT, limits.compoundSelectCount), (SQLITE_LIMIT_TRIGGER_DEPTH, limits.triggerDepth),
      (SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
      _ = unsafe sqlite3_limit(database, limit, value)
      guard unsafe sqlite3_limit(database, limit, -1) == value else { return false }
    }
    return unsafe sqlite3_set_authorizer(
      database,
      { address, action, first, second, _, trigger in
        guard let address = unsafe address else { return SQLITE_DENY }
        let names = unsafe (first.map { unsafe String(cString: $0) }, second.map { unsafe String(cString: $0) })
        let isNested = unsafe trigger != nil
        return unsafe Unmanaged<ClientGuard>.fromOpaque(address)._withUnsafeGuaranteedRef {
          $0.allows(action, names.0, names.1, isNested: isNested)
        } ? SQLITE_OK : SQLITE_DENY
      }, address) == SQLITE_OK
  }

  private func mayGoOn() -> Bool {
    let left = instructionsLeft.wrappingSubtract(Int64(Self.instructionsBetweenLooks), ordering: .relaxed).newValue
    var reason: UInt8 = 0
    if isCancelled.load(ordering: .relaxed) {
      reason = 3
    } else if left < 0 {
      reason = 2
    } else if Self.now() >= deadline.load(ordering: .relaxed) {
      reason = 1
    }
    guard reason != 0 else { return true }
    stopReason.store(reason, ordering: .relaxed)
    return false
  }

  private static func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  // MARK: - What is allowed

  private func allows(_ action: Int32, _ first: String?, _ second: String?, isNested: Bool) -> Bool {
    guard Authorizer.allows(action, first, second) else { return false }
    switch action {
    case SQLITE_PRAGMA:
      switch ClientPragma(first ?? "", hasArgument: second != nil) {
      case .refused: return false
      case .ofConnection: hasChangedConnection.store(true, ordering: .relaxed)
      case .ofDatabase: break
      }
    case SQLITE_CREATE_TEMP_TABLE, SQLITE_CREATE_TEMP_INDEX, SQLITE_CREATE_TEMP_TRIGGER, SQLITE_CREATE_TEMP_VIEW:
      hasChangedConnection.store(true, ordering: .relaxed)
    case SQLITE_DETACH: return false
    case SQLITE_FUNCTION: return !Self.refusedFunctions.contains((second ?? "").lowercased())
    case SQLITE_CREATE_VTABLE: return Self.virtualTableModules.contains((second ?? "").lowercased())
    case SQLITE_INSERT:
      if !isNested, first?.lowercased().hasPrefix("sqlite_") == false { hasInsert.store(true, ordering: .relaxed) }
    default: break
    }
    return true
  }

  /// Functions that load code or touch files, in a library that has them.
  private static let refusedFunctions: Set<String> = [
    "load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "fsdir", "lsdir", "zipfile",
    "sqlar_uncompress",
  ]

  /// Tables that live in the database itself.
  private static let virtualTableModules: Set<String> = [
    "fts3", "fts4", "fts4aux", "fts5", "fts5vocab", "rtree", "rtree_i32", "geopoly",
  ]
}

/// What a pragma does when a client sends it; everything that is not known is refused.
/// Source: https://www.sqlite.org/pragma.html
enum ClientPragma: Equatable {
  /// Reads, or changes the database as other statements do.
  case ofDatabase
  /// Changes how the connection behaves.
  case ofConnection
  case refused

  init(_ name: String, hasArgument: Bool) {
    let name = name.lowercased()
    if Self.listings.contains(name) || Self.databaseSettings.contains(name) {
      self = .ofDatabase
    } else if Self.connectionSettings.contains(name) {
      self = hasArgument ? .ofConnection : .ofDatabase
    } else if Self.readable.contains(name), !hasArgument {
      self = .ofDatabase
    } else {
      self = .refused
    }
  }

  /// Their argument is what is asked about.
  private static let listings: Set<String> = [
    "collation_list", "compile_options", "database_list", "foreign_key_check", "foreign_key_list", "function_list",
    "index_info", "index_list", "index_xinfo", "integrity_check", "module_list", "pragma_list", "quick_check",
    "table_info", "table_list", "table_xinfo",
  ]
  /// Kept in the file, and so written by clients that may write only.
  private static let databaseSettings: Set<String> = [
    "application_id", "auto_vacuum", "encoding", "incremental_vacuum", "optimize", "user_version",
  ]
  private static let connectionSettings: Set<String> = [
    "automatic_index", "case_sensitive_like", "defer_foreign_keys", "foreign_keys", "ignore_check_constraints",
    "legacy_alter_table", "recursive_triggers", "reverse_unordered_selects",
  ]
  private static let readable: Set<String> = [
    "analysis_limit", "busy_timeout", "cache_size", "data_version", "freelist_count", "journal_mode",
    "journal_size_limit",
    "locking_mode", "max_page_count", "mmap_size", "page_count", "page_size", "query_only", "read_uncommitted",
    "schema_version",
    "secure_delete", "synchronous", "temp_store", "threads", "trusted_schema", "wal_autocheckpoint", "writable_schema",
  ]
}
