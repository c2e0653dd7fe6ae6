import EncryptedStorage
import EncryptionKeys
import Foundation
import LibSQLClient
import LibSQLProtocol
import PageStore
import ReplicaSync
import TestSupport
import Testing
import WorkingCopy

/// A primary in a process of its own, and a working copy of it. Keys of both are different.
final class Office: Sendable {
  /// Of the working copy; everything in it is scanned.
  let folder: TemporaryDirectory
  let serverFolder: TemporaryDirectory
  private let running: Locked<RunningPrimary>
  private let storeCount = Locked(0)

  /// - Parameters:
  ///   - sql: run at the remote, statement by statement.
  ///   - transactionSeconds: how long the server lets a transaction take; not its default, which a busy machine exceeds.
  init(_ sql: [String] = [], transactionSeconds: Int = 30) async throws {
    folder = try TemporaryDirectory(named: "albergue-copy")
    serverFolder = try TemporaryDirectory(named: "albergue-server")
    let keyFile = serverFolder.file("server.key")
    try Bytes.write(Data(TestKeys.firstHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    running = Locked(
      try RunningPrimary(
        store: serverFolder.file("primary-0.db"), keyFile: keyFile,
        arguments: ["--transaction-secs", "\(transactionSeconds)", "--stream-idle-secs", "20"]))
    if !sql.isEmpty { try await run(sql) }
  }

  var server: RunningPrimary { running.withLock { $0 } }

  /// Another database at the same address.
  func recreate() throws {
    let port = server.port
    server.stop()
    let number = storeCount.withLock {
      $0 += 1
      return $0
    }
    let other = try RunningPrimary(
      store: serverFolder.file("primary-\(number).db"), keyFile: serverFolder.file("server.key"), port: port)
    running.withLock { $0 = other }
  }

  // MARK: - The remote

  func remote(_ url: String? = nil) throws -> Remote {
    var retries = RetryPolicy()
    retries.firstDelay = .milliseconds(20)
    retries.delayMax = .seconds(1)
    return Remote(try RemoteURL(url ?? server.url), tokens: .none, transport: try Transport(), retries: retries)
  }

  /// Runs statements at the remote, in one transaction.
  func run(_ statements: [String]) async throws {
    _ = try await HranaClient(try remote()).executeAtomically(statements.map { Hrana.Statement(.text($0)) })
  }

  /// Rows of the remote, each as one line.
  func rows(_ sql: String) async throws -> [String] {
    let result = try await HranaClient(try remote()).execute(Hrana.Statement(.text(sql)))
    return result.rows.map { row in
      row.map { value in
        switch value {
        case .null: "NULL"
        case .integer(let number): "\(number)"
        case .float(let number): "\(number)"
        case .text(let text): text
        case .blob(let bytes): "\(bytes.count) bytes"
        }
      }.joined(separator: "|")
    }
  }

  // MARK: - The working copy

  var path: String { folder.file("copy.db") }

  static func factory(_ key: KeyMaterial? = nil) throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.waitsForDisk = false
    return ConnectionFactory(key: try key ?? TestKeys.second(), configuration: configuration)
  }

  /// - Parameters:
  ///   - url: where pushes go; pulls go to the remote itself.
  ///   - beforePull: run before each pull of the image.
  ///   - afterPull: run after it.
  func copy(
    _ url: String? = nil, limits: WorkingCopy.Limits = WorkingCopy.Limits(), key: KeyMaterial? = nil,
    beforePull: (@Sendable () async throws -> Void)? = nil, afterPull: (@Sendable () async throws -> Void)? = nil
  ) throws -> WorkingCopy {
    let factory = try Self.factory(key)
    let images = try remote()
    return try WorkingCopy(path, factory: factory, remote: try remote(url), limits: limits) { store in
      try await beforePull?()
      let settings = ReplicaSettings(path: store, url: images.url)
      let syncer = Syncer(settings, remote: images, factory: factory)
      let result: Result<SyncReport, any Error>
      do { result = .success(try await syncer.sync()) } catch { result = .failure(error) }
      await syncer.close()
      _ = try result.get()
      try await afterPull?()
    }
  }

  @discardableResult
  func pull() async throws -> WorkingCopy.PullOutcome { try await copy().pull() }

  @discardableResult
  func push(_ preference: Preference? = nil) async throws -> WorkingCopy.PushOutcome {
    try await copy().push(preferring: preference)
  }

  /// Changes the working copy as a program does that only knows the key: the `sqlcipher` command line.
  func change(_ sql: String) throws {
    let result = try SQLCipherShell.run(path, key: TestKeys.secondHex, "PRAGMA foreign_keys=ON;\n" + sql)
    try #require(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
  }

  /// Rows of the working copy, as the `sqlcipher` command line shows them.
  func local(_ sql: String) throws -> [String] { try SQLCipherShell.lines(path, key: TestKeys.secondHex, sql) }

  // MARK: - Judgement

  /// Working copy and remote have the same definitions and rows, and nothing lies around in clear.
  func expectEqual(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let here = try await dump()
    let there = try await remoteDump()
    #expect(here == there, cause, sourceLocation: sourceLocation)
    try expectNoPlaintext(sourceLocation: sourceLocation)
  }

  static let schemaSQL = """
    SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema
    WHERE tbl_name NOT LIKE '\\_albergue%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name
    """

  /// SQL that makes one line of each row of a table, without those that only order makes different.
  static func rowsSQL(_ table: String, _ columns: [String]) -> String {
    let line = columns.map { "quote(\($0))" }.joined(separator: " || '|' || ")
    return "SELECT \(line) FROM \"\(table.replacing("\"", with: "\"\""))\" ORDER BY 1"
  }

  static let tablesSQL = """
    SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE '\\_albergue%' ESCAPE '\\'
    AND (name = 'sqlite_sequence' OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\') ORDER BY 1
    """

  static func columnsSQL(_ table: String) -> String {
    "SELECT '\"' || name || '\"' FROM pragma_table_xinfo('\(table)') ORDER BY cid"
  }

  func dump() async throws -> [String] {
    let connection = try await Self.factory().open(path)
    let lines = try await connection.run { session in
      func lines(_ sql: String) throws -> [String] { try session.query(sql) { $0[0].text ?? "?" } }
      var dump = try lines(Self.schemaSQL)
      for table in try lines(Self.tablesSQL) {
        dump += try lines(Self.rowsSQL(table, lines(Self.columnsSQL(table)))).map { "\(table): \($0)" }
      }
      return dump.filter { !$0.hasPrefix("sqlite_sequence: '_albergue") }
    }
    await connection.close()
    return lines
  }

  func remoteDump() async throws -> [String] {
    var dump = try await rows(Self.schemaSQL)
    for table in try await rows(Self.tablesSQL) {
      dump += try await rows(Self.rowsSQL(table, rows(Self.columnsSQL(table)))).map { "\(table): \($0)" }
    }
    return dump.filter { !$0.hasPrefix("sqlite_sequence: '_albergue") }
  }

  /// No file of the folder holds the canary or the beginning of a plaintext database, and none is left that a run needs only
  /// while it works.
  ///
  /// - Parameter isKilled: whether such files may be left.
  func expectNoPlaintext(afterKill isKilled: Bool = false, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for (name, data) in try folder.contents() {
      for text in [Canary.text, "SQLite format 3", "CREATE TABLE", "CREATE INDEX"] {
        #expect(data.range(of: Data(text.utf8)) == nil, "\(name): \(text)", sourceLocation: sourceLocation)
      }
      #expect(
        isKilled || !["-new", "-rehearsal", "-spool"].contains { name.contains("albergue\($0)") }, "\(name)",
        sourceLocation: sourceLocation)
    }
  }
}

/// The error of a call that has to fail with one.
func failure(of body: () async throws -> some Any) async -> (any Error)? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// The code of the `WorkingCopyError` of a call that has to fail with one.
func code(of body: () async throws -> some Any) async -> WorkingCopyError.Code? {
  (await failure(of: body) as? WorkingCopyError)?.code
}
