internal import EncryptedStorage
internal import EncryptionKeys
internal import HTTPTypes
internal import Logging
internal import PageStore

/// A database whose key is with the clients: the server opens it with the first right key that it is sent, and keeps of that
/// key no more than the open database and a MAC, which later requests must meet.
actor ClientKeyDatabase: DatabaseSource {
  private let path: String
  private let limits: PrimaryLimits
  private let profile: CipherProfile?
  private let secret: ProcessSecret
  private let options: ReplicationService.Options
  private let logger: Logger
  private var opened: (mac: [UInt8], database: PrimaryDatabase)?
  /// One key is tried at a time: a trial costs a key derivation.
  private var isTrying = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(
    _ path: String, profile: CipherProfile?, limits: PrimaryLimits, secret: ProcessSecret,
    options: ReplicationService.Options, logger: Logger
  ) {
    self.path = path
    self.profile = profile
    self.limits = limits
    self.secret = secret
    self.options = options
    self.logger = logger
  }

  func database(for key: String?) async throws -> PrimaryDatabase {
    guard let key else {
      throw HTTPFailure(.unauthorized, "this server needs the key of the database: send x-turso-encryption-key")
    }
    while isTrying { await withCheckedContinuation { waiting.append($0) } }
    let bytes = Array(key.utf8)
    if let opened {
      guard secret.isMAC(opened.mac, of: bytes) else { throw Self.wrongKey }
      return opened.database
    }
    isTrying = true
    defer {
      isTrying = false
      for continuation in waiting { continuation.resume() }
      waiting = []
    }
    let database = try await open(bytes)
    guard let mac = secret.mac(of: bytes) else { throw Self.wrongKey }
    opened = (mac, database)
    return database
  }

  func openDatabase() -> PrimaryDatabase? { opened?.database }

  func close() async {
    await opened?.database.close()
    opened = nil
  }

  private func open(_ key: [UInt8]) async throws -> PrimaryDatabase {
    let material: KeyMaterial
    do throws(KeyError) {
      let id = try KeyID("client")
      let span = key.span
      material = try unsafe span.withUnsafeBytes { (bytes) throws(KeyError) in
        try unsafe KeyMaterial(id: id, parsing: bytes)
      }
    } catch { throw Self.wrongKey }
    // Only a raw key: a passphrase would let anybody keep the server busy deriving.
    guard !material.isPassphrase else { throw Self.wrongKey }
    let factory = ConnectionFactory(
      key: material, profile: profile, configuration: .mountingPageStores, logger: logger)
    do {
      return try await PrimaryDatabase.open(
        path, factory: factory, limits: limits, secret: secret, options: options, logger: logger)
    } catch let error as EncryptedStorageError where error.code == .wrongKey { throw Self.wrongKey }
  }

  private static let wrongKey = HTTPFailure(.unauthorized, "the key does not open the database")
}
