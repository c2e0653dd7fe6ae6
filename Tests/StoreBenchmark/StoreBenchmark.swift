import EncryptedStorage
import EncryptionKeys
import Glibc
import PageStore

/// Measures the page store against an ordinary encrypted database with the same content, profile and total cache, in
/// turns. Prints one JSON object of medians in microseconds. Started by taskfiles/bench/run.py.
@main
struct StoreBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 6, let rounds = Int(arguments[4]), let part = Part(rawValue: arguments[5]),
      let profile = CipherProfile(rawValue: arguments[3])
    else {
      return print(
        """
        usage: store-benchmark PLAINTEXT-FILE FOLDER PROFILE ROUNDS bootstrap|use
        bootstrap makes FOLDER/store.db once; use makes an ordinary database as well and measures reads and writes.
        The file has table t of run.py; PLAINTEXT-FILE-changed is the same after an update of one row on 10,000 pages.
        """)
    }
    let benchmark = try StoreBenchmark(arguments[1], arguments[2], profile, rounds)
    var results = Results()
    try await benchmark.run(part, &results)
    print(results.json)
  }

  enum Part: String { case bootstrap, use }

  let plain: String
  let ordinary: String
  let store: String
  let profile: CipherProfile
  let rounds: Int
  let key: KeyMaterial
  let imageByteCount: Int

  init(_ plain: String, _ folder: String, _ profile: CipherProfile, _ rounds: Int) throws {
    self.plain = plain
    self.profile = profile
    self.rounds = rounds
    ordinary = folder + "/ordinary.db"
    store = folder + "/store.db"
    let digits = Array(String(repeating: "a1", count: 32).utf8)
    key = try digits.withUnsafeBytes { try KeyMaterial(id: KeyID("benchmark"), parsing: $0) }
    imageByteCount = try Self.size(plain)
  }

  /// - Parameters:
  ///   - outer: cache of the connection in KiB.
  ///   - inner: cache of the container below an image in KiB.
  func factory(outer: Int = 2000, inner: Int? = nil, durable: Bool = false) -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.cacheKibibytes = outer
    configuration.containerCacheKibibytes = inner
    configuration.waitsForDisk = durable
    return ConnectionFactory(key: key, profile: profile, configuration: configuration)
  }

  func run(_ part: Part, _ results: inout Results) async throws {
    switch part {
    case .bootstrap:
      try await results.measure("bootstrap") { try await fill(store, role: .replica) }
      results.values["store_bytes"] = Double(try Self.size(store))
      results.values["image_bytes"] = Double(imageByteCount)
    case .use:
      _ = try await DatabaseCopy(sourceKeys: [], target: .encrypted(key, profile)).run(from: plain, to: ordinary)
      try await fill(store, role: .replica)
      try reads(&results)
      try await writes(&results)
      try await apply(&results)
    }
  }

  // MARK: - Files

  private func fill(_ path: String, role: PageStore.Role) async throws {
    let store = try await PageStore.create(path, role: role, factory: factory())
    let file = try ImageFile(plain)
    let remote = RemoteIdentity(name: "benchmark", protocolName: "none", generation: 1)
    let bootstrap = try await store.beginBootstrap(
      Bootstrap.Target(remote: remote, position: 1, pageCount: UInt32(imageByteCount / 4096)))
    while case let pages = file.next(256), !pages.isEmpty { try await bootstrap.append(pages) }
    try await bootstrap.finish()
    await store.close()
  }

  // MARK: - Reads

  private func reads(_ results: inout Results) throws {
    let inner = StoreBenchmark.containerCache(imageByteCount)
    let rowCount = try factory().openSession(ordinary, .reader).value("SELECT max(id) FROM t").integer ?? 0
    let small = [
      ("ordinary", try factory(outer: 2000 + inner).openSession(ordinary, .reader)),
      ("store", try factory(outer: 2000, inner: inner).openSession(store, .reader)),
    ]
    for round in 0...rounds {
      for (name, session) in small {
        results.skips = round == 0
        try results.measure("scan_\(name)") {
          _ = try session.value("SELECT count(*), sum(length(a)), sum(length(b)) FROM t")
        }
      }
      for (name, session) in small {
        try results.measure("point_\(name)") { try points(session, seed: UInt64(round), rowCount, 10_000) }
      }
    }
    let image = imageByteCount / 1024
    let warm = [
      ("ordinary", try factory(outer: 2 * image + inner).openSession(ordinary, .reader)),
      ("store", try factory(outer: 2 * image, inner: inner).openSession(store, .reader)),
    ]
    for (_, session) in warm { _ = try session.value("SELECT sum(length(a)), sum(length(b)) FROM t") }
    for round in 0...rounds {
      for (name, session) in warm {
        results.skips = round == 0
        try results.measure("warm_\(name)") { try points(session, seed: UInt64(round), rowCount, 10_000) }
        try results.measure("warm_transaction_\(name)") {
          try session.transaction(.deferred) { try points($0, seed: UInt64(round), rowCount, 10_000) }
        }
      }
    }
    for (_, session) in small + warm { session.close() }
  }

  static func containerCache(_ byteCount: Int) -> Int { max(2000, min(64 * 1024, byteCount / 1024 * 6 / 100)) }

  private func points(_ session: Session, seed: UInt64, _ rowCount: Int64, _ count: Int) throws {
    var random = Random(state: seed &* 7919 &+ 17)
    let statement = try session.prepare("SELECT b FROM t WHERE id = ?")
    for _ in 0..<count {
      try session.forEachRow(of: statement, [.integer(1 + Int64(random.next() % UInt64(rowCount)))]) { _ in }
    }
  }

  // MARK: - Writes

  private func writes(_ results: inout Results) async throws {
    let inner = StoreBenchmark.containerCache(imageByteCount)
    let primary = store + "-primary"
    let role = try await PageStore.create(primary, role: .primary, factory: factory())
    await role.close()
    let source = try factory().openSession(store, .reader)
    let target = try factory().openSession(primary, .writer)
    let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rootpage"
    for sql in try source.query(schema, [], { $0[0].text ?? "" }) { try target.execute(sql) }
    try target.transaction { target in
      let insert = "INSERT INTO t VALUES (?, ?, ?)"
      try source.forEachRow("SELECT id, a, b FROM t") { try target.execute(insert, $0.values) }
    }
    source.close()
    target.close()
    for durable in [false, true] {
      let name = durable ? "write_durable" : "write"
      let sessions = [
        ("ordinary", try factory(outer: 2000 + inner, durable: durable).openSession(ordinary, .writer)),
        ("store", try factory(outer: 2000, inner: inner, durable: durable).openSession(primary, .writer)),
      ]
      for round in 0...rounds {
        results.skips = round == 0
        for (kind, session) in sessions {
          try results.measure("\(name)_\(kind)") { try updates(session, seed: UInt64(round), durable ? 200 : 1000) }
          try session.checkpoint()
        }
      }
      for (_, session) in sessions { session.close() }
    }
  }

  private func updates(_ session: Session, seed: UInt64, _ count: Int) throws {
    let rowCount = try session.value("SELECT max(id) FROM t").integer ?? 0
    var random = Random(state: seed &+ 99)
    for _ in 0..<count {
      let id = 1 + Int64(random.next() % UInt64(rowCount))
      try session.execute("UPDATE t SET b = randomblob(300) WHERE id = ?", [.integer(id)])
    }
  }

  /// Changed pages, against the transaction on an ordinary database that changes a row on each of as many: both what the
  /// same updates make of the same table.
  private func apply(_ results: inout Results) async throws {
    let inner = StoreBenchmark.containerCache(imageByteCount)
    let store = try await PageStore.open(store, factory: factory(outer: 2000 + inner))
    let session = try factory(outer: 2000 + inner).openSession(ordinary, .writer)
    let rowCount = try session.value("SELECT max(id) FROM t").integer ?? 0
    guard let remote = try await store.state().remote else { return }
    let versions = [try Self.pages(of: plain), try Self.pages(of: plain + "-changed")]
    let changed = versions[0].indices.filter { $0 > 0 && versions[0][$0] != versions[1][$0] }
    for count in [1, 100, changed.count] {
      let chosen = (0..<count).map { changed[$0 * changed.count / count] }
      for round in 0...rounds {
        results.skips = round == 0
        let pages = chosen.map { versions[(round + 1) % 2][$0] }
        let base = try await store.state().image?.position ?? 0
        let batch = PageBatch(
          remote: remote, basePosition: base, position: base + 1, pageCount: UInt32(versions[0].count), pages: pages)
        try await results.measure("apply_\(count == changed.count ? 10_000 : count)_store") {
          try await store.apply(batch)
        }
        let ids = (0..<count).map { 1 + Int64($0) * rowCount / Int64(count) }
        var random = Random(state: UInt64(round + 5))
        let shuffled = ids.map { (random.next(), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
        for (order, ids) in [("ordinary", shuffled), ("inorder", ids)] {
          try results.measure("apply_\(count == changed.count ? 10_000 : count)_\(order)") {
            try session.transaction(.immediate) { session in
              for id in ids { try session.execute("UPDATE t SET b = randomblob(300) WHERE id = ?", [.integer(id)]) }
            }
          }
        }
      }
    }
    results.values["apply_pages"] = Double(changed.count)
    session.close()
    await store.close()
  }

  private static func pages(of path: String) throws -> [Page] {
    try ImageFile(path).next(.max)
  }

  private static func size(_ path: String) throws -> Int { Int(FileSystem.status(path)?.byteCount ?? 0) }
}

/// A database file, page by page. Without Foundation, whose memory alone is as much as a bootstrap's.
final class ImageFile {
  private let descriptor: Int32
  private var number: UInt32 = 1

  struct Failure: Error { let path: String }

  init(_ path: String) throws {
    descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw Failure(path: path) }
  }

  deinit { close(descriptor) }

  /// At most so many of the next pages; none at the end.
  func next(_ count: Int) -> [Page] {
    var pages: [Page] = []
    while pages.count < count {
      let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { $1 = max(0, read(descriptor, $0.baseAddress, 4096)) }
      guard bytes.count == 4096 else { break }
      pages.append(Page(number: number, bytes: bytes))
      number += 1
    }
    return pages
  }
}

/// Times by name.
struct Results {
  private var times: [String: [Double]] = [:]
  var values: [String: Double] = [:]
  /// While warming up.
  var skips = false

  mutating func measure(_ name: String, _ body: () throws -> Void) rethrows {
    let start = Self.now
    try body()
    add(name, Self.now - start)
  }

  mutating func measure(_ name: String, _ body: () async throws -> Void) async rethrows {
    let start = Self.now
    try await body()
    add(name, Self.now - start)
  }

  private mutating func add(_ name: String, _ microseconds: Double) {
    guard !skips else { return }
    times[name, default: []].append(microseconds)
  }

  /// Microseconds on the clock on the wall, or with CLOCK=processor those that this process has used: on a machine that
  /// does other things as well, ratios of these still say something.
  private static var now: Double {
    var time = timespec()
    clock_gettime(usesProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
  }

  private static let usesProcessorTime = getenv("CLOCK").map { String(cString: $0) } == "processor"

  var json: String {
    var fields = times.mapValues { $0.sorted()[$0.count / 2] }
    fields.merge(values) { first, _ in first }
    return "{" + fields.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ") + "}"
  }
}

/// xorshift. Source: G. Marsaglia, "Xorshift RNGs", 2003.
struct Random {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
