import EncryptedStorage
import EncryptionKeys
import Foundation
import HostelDomain
import HostelStore
import LibSQLClient
import LibSQLProtocol
import PageStore
import ReplicaSync
import TestSupport
import Testing

/// A hostel in one of the two modes: a primary in a process of its own with replicas, or one ordinary encrypted file.
final class Inn: Sendable {
  typealias Mode = ReplicaSettings.Mode

  let mode: Mode
  /// Everything in it is scanned.
  let folder: TemporaryDirectory
  private let serverFolder: TemporaryDirectory
  private let running: Locked<RunningPrimary?>
  let proxy: FaultProxy?
  /// What the stores take for the time.
  let now = Locked(Instant("2026-11-21T10:00:00Z") ?? Instant(seconds: 0))

  init(_ mode: Mode, proxied: Bool = false) async throws {
    self.mode = mode
    folder = try TemporaryDirectory(named: "albergue-inn")
    serverFolder = try TemporaryDirectory(named: "albergue-inn-server")
    let schema = try Self.schema()
    switch mode {
    case .embeddedReplica:
      let keyFile = serverFolder.file("key")
      try Bytes.write(Data(TestKeys.firstHex.utf8), to: keyFile)
      try Bytes.setMode(keyFile, 0o600)
      let server = try RunningPrimary(
        store: folder.file("primary.db"), keyFile: keyFile, arguments: ["--writer-wait-secs", "60"])
      running = Locked(server)
      proxy = proxied ? try FaultProxy(before: server.port) : nil
      try await HranaClient(Remote(RemoteURL(server.url), tokens: .none, transport: try Transport())).sequence(schema)
    case .ordinaryFile:
      (running, proxy) = (Locked(nil), nil)
      let connection = try await Self.factory().create(folder.file("hostel.db"))
      try await connection.run { try $0.executeScript(schema) }
      await connection.close()
    }
    let store = try await open("migrating")
    #expect(try await store.migrate().count == ServiceMigrations.all.count)
    #expect(try await store.migrate().isEmpty)
    await store.database.close()
  }

  var server: RunningPrimary? { running.withLock { $0 } }

  /// Starts the server again, at the same port.
  func restart() throws {
    let former = try #require(server)
    let next = try RunningPrimary(
      store: folder.file("primary.db"), keyFile: serverFolder.file("key"), port: former.port)
    running.withLock { $0 = next }
  }

  static func schema() throws -> String {
    let path = Judges.root + "/taskfiles/sql/hostel-schema.sql"
    let user = "INSERT INTO users (username, password) VALUES ('synthetic_admin', 'synthetic_password');"
    return String(decoding: try Bytes.read(path), as: UTF8.self) + user
  }

  static func factory() throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.waitsForDisk = false
    configuration.busyTimeout = .seconds(60)
    return ConnectionFactory(key: try TestKeys.second(), configuration: configuration)
  }

  static func fieldKey(_ byte: UInt8 = 0xF1) throws -> FieldKey {
    FieldKey(try EncryptionKey(SecretBytes(copying: [UInt8](repeating: byte, count: 32))))
  }

  /// Texts as the hostel's other programs encrypt them, and this one did once: bound to no place, by another implementation.
  static func formerValues(of texts: [String], key: UInt8 = 0xF1) throws -> [String] {
    let script = """
      import base64, json, os, sys
      from cryptography.hazmat.primitives.ciphers.aead import AESGCM
      order = json.load(sys.stdin)
      for text in order["texts"]:
          nonce = os.urandom(12)
          sealed = AESGCM(bytes([order["key"]]) * 32).encrypt(nonce, text.encode(), None)
          print(":".join(base64.b64encode(part).decode() for part in (nonce, sealed[-16:], sealed[:-16])))
      """
    let order = try JSONSerialization.data(withJSONObject: ["key": Int(key), "texts": texts])
    let result = try Judges.python(["-c", script], input: String(decoding: order, as: UTF8.self))
    let lines = result.output.split(separator: "\n").map(String.init)
    try #require(lines.count == texts.count, "\(result.errors)")
    return lines
  }

  /// Runs SQL where the hostel's data is, as somebody with access to the database can.
  func tamper(_ statements: (sql: String, values: [Value])...) async throws {
    switch mode {
    case .embeddedReplica:
      let remote = Remote(try RemoteURL(address), tokens: .none, transport: try Transport())
      let path = folder.file("tampering.db")
      let replica = try await Replica.open(
        ReplicaSettings(path: path, url: remote.url), remote: remote, factory: try Self.factory())
      let outcome = try await replica.write(statements.map { RemoteStatement($0.sql, $0.values) })
      guard case .confirmed = outcome else { throw Tampered() }
      await replica.close()
    case .ordinaryFile:
      let connection = try await Self.factory().open(folder.file("hostel.db"), .writer)
      let statements = statements
      try await connection.transaction { session in
        for (sql, values) in statements { try session.execute(sql, values) }
      }
      await connection.close()
    }
  }

  private struct Tampered: Error {}

  private static var retries: RetryPolicy {
    var retries = RetryPolicy()
    (retries.firstDelay, retries.delayMax) = (.milliseconds(1), .milliseconds(50))
    return retries
  }

  var address: String { proxy?.url ?? server?.url ?? "" }

  /// A store as an instance of the service has it: with a replica of its own.
  func open(
    _ name: String, key: UInt8 = 0xF1, keys: [UInt8] = [], synchronising: Bool = true
  ) async throws -> HostelStore {
    let database: HostelDatabase
    switch mode {
    case .embeddedReplica:
      var settings = ReplicaSettings(path: folder.file("\(name).db"), url: try RemoteURL(address))
      settings.readDeadline = .seconds(60)
      let remote = Remote(settings.url, tokens: .none, transport: try Transport(), retries: Self.retries)
      database = try await HostelDatabase.openReplica(settings, remote: remote, factory: try Self.factory())
      if synchronising { try await database.replica?.sync() }
    case .ordinaryFile:
      database = try await HostelDatabase.openFile(folder.file("hostel.db"), factory: try Self.factory())
    }
    let now = now
    return HostelStore(database, cipher: try FieldCipher((keys.isEmpty ? [key] : keys).map(Self.fieldKey))) {
      now.withLock { $0 }
    }
  }

  func passDays(_ days: Int) { now.withLock { $0 = $0.adding(seconds: Int64(days) * 86_400) } }

  func stay(in days: Int = 0, nights: Int) throws -> Stay {
    let first = now.withLock { $0.day }.adding(days: days)
    return try Stay(checkIn: first, checkOut: first.adding(days: nights))
  }

  // MARK: - Guests

  /// Values that must be found nowhere.
  static let canaries = [
    "Canaria-7f3a", "Peregrina-7f3a", "Secreta-7f3a", "12345678Z", "AAA000001", "canaria@7f3a.example",
    "+34 699 999 999",
    "1980-05-17", "Calle Oculta 7f3a",
  ]

  static func person(_ number: Int = 12_345_678, born: String = "1980-05-17") throws -> Pilgrim {
    let digits = String(100_000_000 + number).dropFirst()
    let letter = Array("TRWAGMYFPDXBNJZSQVHLCKE")[number % 23]
    return Pilgrim(
      firstName: "Canaria-7f3a", lastName1: "Peregrina-7f3a", lastName2: "Secreta-7f3a",
      birthDate: try #require(Day(born)),
      document: try IdentityDocument(.nif, number: digits + String(letter), support: "AAA000001"), sex: .woman,
      nationality: .spain, phone: "+34 699 999 999", email: "canaria@7f3a.example",
      address: Pilgrim.Address(
        street: "Calle Oculta 7f3a", city: "Mérida", postalCode: "06800", municipalityCode: "06083", country: .spain))
  }

  static let staff = Actor("synthetic_admin")

  func bed(_ number: Int64 = 1, in store: HostelStore) async throws -> Bed {
    try await store.add(
      NewBed(number: number, roomNumber: 1, roomName: "Dormitorio A", price: try #require(Money(cents: 1500))),
      by: Self.staff)
  }

  /// No file holds what is personal, or the beginning of a plaintext database.
  func expectNoPlaintext(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let contents = try folder.contents()
    #expect(!contents.isEmpty)
    for (name, data) in contents {
      for text in Self.canaries + ["SQLite format 3", "CREATE TABLE"] {
        #expect(data.range(of: Data(text.utf8)) == nil, "\(name): \(text)", sourceLocation: sourceLocation)
      }
    }
  }
}

/// Both modes.
let modes: [ReplicaSettings.Mode] = [.embeddedReplica, .ordinaryFile]

/// The code of the error that `body` throws.
func storeError(_ body: () async throws -> some Sendable) async -> StoreError.Code? {
  do {
    _ = try await body()
    return nil
  } catch let error as StoreError { return error.code } catch {
    Issue.record(error)
    return nil
  }
}
