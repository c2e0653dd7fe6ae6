import EncryptedStorage
import EncryptionKeys
import Foundation
import LibSQLClient
import LibSQLProtocol
import PageStore
import ReplicaSync
import TestSupport
import Testing

/// A primary in a process of its own, and a folder for replicas of it. Keys of both are different.
final class Hostel: Sendable {
  /// Of the replicas; everything in it is scanned.
  let folder: TemporaryDirectory
  let serverFolder: TemporaryDirectory
  private let running = Locked<RunningPrimary?>(nil)
  private let stores = Locked(0)

  init() throws {
    folder = try TemporaryDirectory(named: "albergue-replica")
    serverFolder = try TemporaryDirectory(named: "albergue-server")
    for (name, hex) in [("server.key", TestKeys.firstHex), ("replica.key", TestKeys.secondHex)] {
      let path = serverFolder.file(name)
      try Bytes.write(Data(hex.utf8), to: path)
      try Bytes.setMode(path, 0o600)
    }
    try start()
  }

  var server: RunningPrimary {
    get throws { try #require(running.withLock { $0 }) }
  }

  /// Starts the server, at the same port again.
  func start() throws {
    let former = running.withLock { $0 }
    let store = serverFolder.file("primary-\(stores.withLock { $0 }).db")
    let server = try RunningPrimary(
      store: store, keyFile: serverFolder.file("server.key"), port: former?.port ?? 0)
    running.withLock { $0 = server }
  }

  func stop() throws { try server.stop() }

  func restart() throws {
    try stop()
    try start()
  }

  /// Another database at the same address.
  func recreate() throws {
    try stop()
    stores.withLock { $0 += 1 }
    try start()
  }

  private var store: String { serverFolder.file("primary-\(stores.withLock { $0 }).db") }

  /// A copy of the database as it is; the server must be stopped.
  func backUp() throws { try Bytes.write(Bytes.read(store), to: store + ".backup") }

  /// Puts the copy in the place of the database.
  func restore() throws {
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: store + suffix) }
    try Bytes.write(Bytes.read(store + ".backup"), to: store)
  }

  // MARK: - Clients

  func remote(_ url: String? = nil, retries: RetryPolicy = .once) throws -> Remote {
    Remote(try RemoteURL(url ?? server.url), tokens: .none, transport: try Transport(), retries: retries)
  }

  var client: HranaClient {
    get throws { HranaClient(try remote()) }
  }

  func run(_ statements: [String]) async throws {
    _ = try await client.executeAtomically(statements.map { Hrana.Statement(.text($0)) })
  }

  /// Statements that cannot be in a transaction.
  func sequence(_ sql: String) async throws { try await client.sequence(sql) }

  func value(_ sql: String) async throws -> Hrana.Value? {
    try await client.execute(Hrana.Statement(.text(sql))).rows.first?.first
  }

  // MARK: - Replicas

  var path: String { folder.file("replica.db") }

  static func factory() throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.waitsForDisk = false
    return ConnectionFactory(key: try TestKeys.second(), configuration: configuration)
  }

  func settings(_ name: ReplicationProtocol? = nil, _ url: String? = nil) throws -> ReplicaSettings {
    var settings = ReplicaSettings(path: path, url: try RemoteURL(url ?? server.url))
    settings.replicationProtocol = name
    return settings
  }

  func syncer(
    _ name: ReplicationProtocol? = nil, url: String? = nil, _ change: (inout ReplicaSettings) -> Void = { _ in }
  ) throws -> Syncer {
    var settings = try settings(name, url)
    change(&settings)
    return Syncer(settings, remote: try remote(url), factory: try Self.factory())
  }

  /// One pull with a synchroniser of its own.
  @discardableResult
  func pull(
    _ name: ReplicationProtocol? = nil, url: String? = nil, _ change: (inout ReplicaSettings) -> Void = { _ in }
  ) async throws -> SyncReport {
    let syncer = try syncer(name, url: url, change)
    do {
      let report = try await syncer.sync()
      await syncer.close()
      return report
    } catch {
      await syncer.close()
      throw error
    }
  }

  /// Runs `body` in one snapshot of the replica.
  func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    let reader = try await Self.factory().open(path)
    do {
      let result = try await reader.transaction(.deferred, body)
      await reader.close()
      return result
    } catch {
      await reader.close()
      throw error
    }
  }

  func state() async throws -> StoreState { try await StoreState.read(path, Self.factory()) }

  // MARK: - Judgement

  /// The replica's image is the remote's, byte by byte, sound, and consistent; nothing of it lies around in clear.
  func expectEqual(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let generation = try await V2Client(remote()).currentGeneration()
    let image = try await V2Client(remote()).image(generation: generation)
    let state = try await state()
    #expect(state.image?.pageCount == image.pageCount, cause, sourceLocation: sourceLocation)
    let store = try await PageStore.open(path, factory: Self.factory())
    var differing: [UInt32] = []
    for try await run in image {
      for page in run {
        let stored = try await store.page(page.number)?.bytes
        if stored.map(Self.withoutCounters(page.number)) != Self.withoutCounters(page.number)(page.bytes) {
          differing.append(page.number)
        }
      }
    }
    await store.close()
    #expect(differing == [], cause, sourceLocation: sourceLocation)
    let integrity = try await read { try $0.value("PRAGMA integrity_check(1)") }
    #expect(integrity == "ok", cause, sourceLocation: sourceLocation)
    try expectNoPlaintext(cause, sourceLocation: sourceLocation)
  }

  /// Page 1 without change counter and version: a primary stores them only when something else of the page has changed.
  private static func withoutCounters(_ number: UInt32) -> ([UInt8]) -> [UInt8] {
    { bytes in
      guard number == 1 else { return bytes }
      var bytes = bytes
      for range in [24..<28, 92..<100] { for index in range { bytes[index] = 0 } }
      return bytes
    }
  }

  /// No file of the replica's folder holds the canary or the beginning of a plaintext database.
  func expectNoPlaintext(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for (name, data) in try folder.contents() {
      for text in [Canary.text, "SQLite format 3", "CREATE TABLE", Self.token] {
        #expect(data.range(of: Data(text.utf8)) == nil, "\(name): \(text)", sourceLocation: sourceLocation)
      }
    }
  }

  /// A token that is visibly none.
  static let token = "not-a-token-7f3a9c"

  /// What is in the folder beside what a replica has when nobody works on it.
  func leftovers() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { !["replica.db", "replica.db-sync.lock", "replica.db-wal", "replica.db-shm"].contains($0) }.sorted()
  }
}

/// Both protocols.
let protocols: [ReplicationProtocol] = [.v1, .v2]
