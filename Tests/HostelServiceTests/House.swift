import EncryptedStorage
import Foundation
import HostelDomain
import HostelStore
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// How a hostel's data is kept.
enum Mode: String, CaseIterable, Sendable {
  case replica = "libsql_embedded_replica"
  case file = "seaorm_sqlite"
}

/// A hostel whose service runs in processes of its own, in one of the two modes.
final class House: Sendable {
  let mode: Mode
  /// Everything that any of the programs writes, their logs included; it is scanned.
  let folder: TemporaryDirectory
  private let keys: TemporaryDirectory
  private let primary: RunningPrimary?
  /// Before the primary, where it was asked for.
  let proxy: FaultProxy?
  private let services = Locked<[RunningService]>([])

  init(_ mode: Mode, proxied: Bool = false) async throws {
    self.mode = mode
    folder = try TemporaryDirectory(named: "albergue-house")
    keys = try TemporaryDirectory(named: "albergue-house-keys")
    for (name, text) in [
      ("server.key", TestKeys.firstHex), ("file.key", TestKeys.secondHex), ("columns.key", TestKeys.thirdHex),
      ("tokens.pub", Tokens.publicKey),
    ] {
      try Bytes.write(Data(text.utf8), to: keys.file(name))
      try Bytes.setMode(keys.file(name), 0o600)
    }
    let schema = String(decoding: try Bytes.read(Judges.root + "/taskfiles/sql/hostel-schema.sql"), as: UTF8.self)
    let users = "INSERT INTO users (username, password) VALUES ('synthetic_admin', 'synthetic_password');"
    switch mode {
    case .replica:
      let primary = try RunningPrimary(
        store: folder.file("primary.db"), keyFile: keys.file("server.key"), arguments: ["--writer-wait-secs", "60"])
      self.primary = primary
      proxy = proxied ? try FaultProxy(before: primary.port) : nil
      try await Self.run(schema + users, at: primary.url)
    case .file:
      (primary, proxy) = (nil, nil)
      let connection = try await ConnectionFactory(key: TestKeys.second()).create(folder.file("hostel.db"))
      try await connection.run { try $0.executeScript(schema + users) }
      await connection.close()
    }
    let migrated = try Subprocess.run(
      Executables.path("albergue-service"), ["migrate"], environment: environment("migrating"))
    try #require(migrated.status == 0, "\(migrated.errors)")
    #expect(migrated.output.split(separator: "\n").count == ServiceMigrations.all.count)
  }

  private static func run(_ sql: String, at url: String) async throws {
    let body = try JSONSerialization.data(withJSONObject: [
      "requests": [["type": "sequence", "sql": sql], ["type": "close"]]
    ])
    let answer = try await Client(url: url, token: nil).send("POST", "/v3/pipeline", body: body)
    try #require(answer.status == 200 && !answer.text.contains(#""error""#), "\(answer.text)")
  }

  /// - Parameter changes: variables that win; an empty one is unset.
  func environment(
    _ name: String, interval: String = "1", changing changes: [String: String] = [:]
  ) -> [String: String] {
    var variables = [
      "DB_MODE": mode.rawValue, "TURSO_REPLICA_PATH": folder.file(mode == .file ? "hostel.db" : "\(name).db"),
      "TURSO_ENCRYPTION_KEY_FILE": keys.file("file.key"), "PILGRIM_ENCRYPTION_KEY_FILE": keys.file("columns.key"),
      "ALBERGUE_ESTABLISHMENT_CODE": "0000000001", "ALBERGUE_LOG": "debug", "TURSO_SYNC_INTERVAL_SECS": interval,
    ]
    if let primary { variables["TURSO_DATABASE_URL"] = proxy?.url ?? primary.url }
    return variables.merging(changes) { $1 }.filter { !$0.value.isEmpty }
  }

  /// Starts an instance of the service, with a replica of its own.
  ///
  /// - Parameter tokens: whether it asks for them.
  func start(
    _ name: String = "one", tokens: Bool = true, interval: String = "1", changing changes: [String: String] = [:]
  ) async throws -> RunningService {
    let arguments = tokens ? ["--auth-jwt-key-file", keys.file("tokens.pub")] : []
    let service = try RunningService(
      arguments, environment: environment(name, interval: interval, changing: changes),
      log: folder.file("\(name)-\(services.withLock(\.count)).log"))
    services.withLock { $0.append(service) }
    return service
  }

  /// Starts one that has data, and gives a client with every right.
  func open(_ name: String = "one", tokens: Bool = true, interval: String = "1") async throws -> Client {
    try await client(of: try await start(name, tokens: tokens, interval: interval), tokens: tokens)
  }

  /// A client with every right of a service, once that has data.
  func client(of service: RunningService, tokens: Bool = true) async throws -> Client {
    let client = Client(url: service.url, token: tokens ? try Tokens.sign(["a": "rw", "sub": "synthetic_admin"]) : nil)
    // The first sync comes when it comes.
    while try await client.send("GET", "/health").status != 200 { await Task.yield() }
    return client
  }

  func stopPrimary() { primary?.stop() }

  func stopServices() { for service in services.withLock({ $0 }) { #expect(service.stop() == 0) } }

  /// Nobody's name, document or address is in any file, nor the beginning of a plaintext database.
  func expectNoPlaintext(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let contents = try folder.contents()
    #expect(contents.keys.contains { $0.hasSuffix(".log") } && contents.count >= 2)
    for (name, data) in contents {
      for text in Guest.canaries + ["SQLite format 3", "CREATE TABLE"] {
        #expect(data.range(of: Data(text.utf8)) == nil, "\(name): \(text)", sourceLocation: sourceLocation)
      }
    }
  }
}

/// `albergue-service serve` in a process of its own. It ends with the last reference.
final class RunningService: Sendable {
  struct Failure: Error { let message: String }

  private let process = ChildProgram()
  let url: String

  init(_ arguments: [String], environment: [String: String], log: String) throws {
    process.executableURL = URL(fileURLWithPath: Executables.path("albergue-service"))
    process.arguments = ["serve", "--listen", "127.0.0.1:0"] + arguments
    process.environment = environment
    process.setInput(FileHandle.nullDevice)
    try Bytes.write(Data(), to: log)
    let errors = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
    let output = Pipe()
    process.setOutput(output)
    process.setErrors(errors)
    try process.run()
    try errors.close()
    var text = Data()
    while !text.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else {
        process.waitUntilExit()
        throw Failure(message: String(decoding: (try? Bytes.read(log)) ?? Data(), as: UTF8.self))
      }
      text += more
    }
    let line = String(decoding: text, as: UTF8.self)
    url = try #require(line.firstMatch(of: /http:\/\/127\.0\.0\.1:\d+/).map { String($0.output) }, "\(line)")
  }

  /// Asks it to end.
  func askToEnd() { process.terminate() }

  /// Whether it has not ended yet.
  var isRunning: Bool { process.isRunning }

  /// Ends it as an operator does.
  ///
  /// - Returns: its exit code.
  func stop() -> Int32 {
    if process.isRunning { process.terminate() }
    return wait()
  }

  /// Waits until it has ended.
  ///
  /// - Returns: its exit code.
  func wait() -> Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }
}

/// Asks a service.
struct Client: Sendable {
  struct Answer: Sendable {
    let status: Int
    let headers: [String: String]
    let body: Data

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:] }

    /// A member that is a text or a number, by its path.
    subscript(path: String...) -> String? {
      var value: Any? = json
      for name in path { value = (value as? [String: Any])?[name] }
      return value.flatMap { $0 is NSNull ? nil : "\($0)" }
    }

    /// The last part of the problem's type.
    var problem: String? { self["type"].flatMap { $0.split(separator: ":").last.map(String.init) } }

    /// Pointers of the fields that the problem names.
    var pointers: [String] { (json["errors"] as? [[String: Any]])?.compactMap { $0["pointer"] as? String } ?? [] }
  }

  let url: String
  var token: String?

  private static let session: URLSession = {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpMaximumConnectionsPerHost = 64
    configuration.timeoutIntervalForRequest = 120
    return URLSession(configuration: configuration)
  }()

  func send(
    _ method: String, _ path: String, body: Data? = nil, headers: [String: String] = [:]
  ) async throws -> Answer {
    var request = URLRequest(url: try #require(URL(string: url + path)))
    request.httpMethod = method
    request.httpBody = body
    if body != nil { request.setValue("application/json", forHTTPHeaderField: "content-type") }
    if let token { request.setValue("Bearer " + token, forHTTPHeaderField: "authorization") }
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let (data, response) = try await Self.session.data(for: request)
    let head = try #require(response as? HTTPURLResponse)
    let pairs = head.allHeaderFields.map { ("\($0.key)".lowercased(), "\($0.value)") }
    return Answer(status: head.statusCode, headers: Dictionary(pairs) { first, _ in first }, body: data)
  }

  func get(_ path: String) async throws -> Answer { try await send("GET", path) }

  /// - Parameter json: an object; nil for no body.
  func post(_ path: String, _ json: String? = nil) async throws -> Answer {
    try await send("POST", path, body: json.map { Data($0.utf8) })
  }
}

/// Tokens, signed by PyJWT with the key of RFC 8037, appendix A.
enum Tokens {
  static let publicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
  private static let privateKey = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
  static let foreignKey = "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"

  static func sign(_ claims: [String: Any], key: String = privateKey) throws -> String {
    let order = try JSONSerialization.data(withJSONObject: [["key": key, "claims": claims]])
    let result = try Judges.python(
      [Judges.root + "/Tests/PrimaryTests/Clients/sign_tokens.py"], input: String(decoding: order, as: UTF8.self))
    try #require(result.status == 0, "\(result.errors)")
    return try #require(JSONDecoder().decode([String].self, from: Data(result.output.utf8)).first)
  }
}

/// Guests whose values are easy to find where they should not be.
enum Guest {
  static let canaries = [
    "Canaria-7f3a", "Peregrina-7f3a", "Secreta-7f3a", "12345678Z", "AAA000001", "canaria@7f3a.example",
    "+34 699 999 999",
    "1980-05-17", "Calle Oculta 7f3a",
  ]

  /// The body of a registration.
  static func json(number: String = "12345678Z", born: String = "1980-05-17") -> String {
    """
    {"first_name": "Canaria-7f3a", "last_name1": "Peregrina-7f3a", "last_name2": "Secreta-7f3a", "birth_date": "\(born)",
     "document": {"type": "NIF", "number": "\(number)", "support": "AAA000001"}, "sex": "M", "nationality": "ESP",
     "phone": "+34 699 999 999", "email": "canaria@7f3a.example", "address": {"street": "Calle Oculta 7f3a",
     "city": "Mérida", "postal_code": "06800", "municipality_code": "06083", "country": "ESP"}}
    """
  }

  /// Days from now, in UTC.
  static func day(_ count: Int) -> String {
    let today = Instant(seconds: Int64(Date().timeIntervalSince1970)).day
    return "\(today.adding(days: count))"
  }

  static func booking(pilgrim: String, bed: String, from: Int, nights: Int) -> String {
    #"{"pilgrim_id": \#(pilgrim), "bed_id": \#(bed), "check_in": "\#(day(from))", "check_out": "\#(day(from + nights))"}"#
  }

  static func bed(_ number: Int) -> String {
    #"{"number": \#(number), "room_number": 1, "room_name": "Dormitorio A", "price_cents": 1500}"#
  }
}
