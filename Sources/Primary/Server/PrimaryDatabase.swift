internal import EncryptedStorage
internal import LibSQLProtocol
internal import Logging
internal import PageStore

/// The database that is served: its store, and everything that works on it.
struct PrimaryDatabase: Sendable {
  let streams: StreamTable
  let delegated: DelegatedStatements
  let replication: ReplicationService
  let cacheTally: CacheTally

  /// Opens the store, or makes it when there is none.
  ///
  /// - Throws: as `PageStore.open`; `.denied` for the store of a replica.
  static func open(
    _ path: String, factory: ConnectionFactory, limits: PrimaryLimits, secret: ProcessSecret,
    options: ReplicationService.Options, logger: Logger
  ) async throws -> PrimaryDatabase {
    do {
      let store = try await PageStore.create(path, role: .primary, factory: factory)
      await store.close()
      logger.notice("made a new store", metadata: ["file": "\(path)"])
    } catch let error as EncryptedStorageError where error.code == .exists {}
    let replication = try await ReplicationService(path: path, factory: factory, options: options)
    let clientFactory = factory.servingClients(limits)
    let cacheTally = CacheTally()
    let streams = StreamTable(
      limits: limits, seal: BatonSeal(secret),
      open: {
        try await SQLConnection.open(path, $0, factory: clientFactory, limits: limits, cacheTally: cacheTally)
      },
      committed: { replication.committed() })
    return PrimaryDatabase(
      streams: streams, delegated: DelegatedStatements(streams), replication: replication, cacheTally: cacheTally)
  }

  /// The position of the newest commit: what a replica must reach to see it.
  func position() async throws -> UInt64 { UInt64(clamping: try await replication.pool.state().image.position) }

  /// Ends what is running, rolls back what is open, and empties the log of the store.
  func close() async {
    await replication.close()
    await streams.close()
  }
}

extension ConnectionFactory {
  /// The same factory for connections that run the SQL of clients.
  fileprivate func servingClients(_ limits: PrimaryLimits) -> ConnectionFactory {
    configured { configuration in
      var clients = ClientLimits()
      clients.statementTime = limits.statementTime
      configuration.clientLimits = clients
      configuration.busyTimeout = limits.writerWaitingTime
      configuration.containerCacheKibibytes = limits.cacheKibibytes
    }
  }
}
