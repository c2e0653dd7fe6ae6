import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport

/// Works on a page store from a process of its own, so that the tests can kill it. After each step that is durable it
/// writes one line; what a line says must survive.
///
///     store-workload apply STORE SERIES COUNT       applies that many images of a series
///     store-workload bootstrap STORE SERIES SEED    fills a store, made if there is none, with the last image
///     store-workload hold STORE SERIES SEED         bootstraps, then looks at the store in every way and keeps it open
///     store-workload write STORE COUNT SEED         commits that many versions of the bookkeeping to a primary
///     store-workload increment STORE COUNT          adds one that many times, to a counter that others add to as well
///     store-workload check STORE COUNT              checks the bookkeeping that many times
///
/// The key is in the file that TURSO_ENCRYPTION_KEY_FILE names.
@main
struct StoreWorkload {
  struct Misuse: Error {}

  static func main() async throws {
    // Should the test die, nothing stays behind for good.
    alarm(1800)
    let arguments = CommandLine.arguments.dropFirst()
    guard let mode = arguments.first, let workload = try StoreWorkload(Array(arguments.dropFirst())) else {
      throw Misuse()
    }
    switch mode {
    case "apply": try await workload.apply()
    case "bootstrap": try await workload.bootstrap()
    case "hold": try await workload.hold()
    case "write": try await workload.write()
    case "increment": try await workload.increment()
    case "check": try await workload.check()
    default: throw Misuse()
    }
  }

  private let store: String
  private let rest: [String]
  private let key: KeyMaterial
  private let factory: ConnectionFactory

  private init?(_ arguments: [String]) throws {
    guard let store = arguments.first,
      let keyFile = ProcessInfo.processInfo.environment["TURSO_ENCRYPTION_KEY_FILE"]
    else { return nil }
    self.store = store
    rest = Array(arguments.dropFirst())
    key = try Bytes.read(keyFile).withUnsafeBytes { try KeyMaterial(id: KeyID("workload"), parsing: $0) }
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    // Small enough that pages are spilled in the middle of transactions.
    configuration.cacheKibibytes = 64
    configuration.containerCacheKibibytes = 100
    configuration.busyTimeout = .seconds(60)
    factory = ConnectionFactory(key: key, configuration: configuration)
  }

  private func number(_ index: Int) throws -> Int {
    guard index < rest.count, let number = Int(rest[index]) else { throw Misuse() }
    return number
  }

  private func series() throws -> ImageSeries {
    guard let folder = rest.first else { throw Misuse() }
    return try ImageSeries(folder: folder)
  }

  /// At once: what stays in a buffer is lost with the process.
  private func say(_ line: String) throws { try FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8)) }

  private func apply() async throws {
    let series = try series()
    let pageStore = try await PageStore.open(store, factory: factory)
    guard var position = try await pageStore.state().image?.position else { throw Misuse() }
    try say("ready")
    for _ in 0..<(try number(1)) {
      position = try await pageStore.apply(series.batch(after: position)).position
      try say("\(position)")
    }
    await pageStore.close()
  }

  private func bootstrap() async throws { try await fill().close() }

  /// The store stays open, and the process stops, until it is killed.
  private func hold() async throws {
    let pageStore = try await fill()
    _ = try await FileClassifier(keys: [key]).run(store)
    _ = try await StoreState.stored(in: store, keys: [key])
    try say("status")
    let file = try RawDatabaseFile(path: store)
    _ = try PageScan(path: store, keys: try factory.matchingKey(of: file, path: store).keys).run()
    try say("scan")
    try await factory.open(store).close()
    try await factory.openContainer(store, .writer).close()
    try say("connections")
    let refusal: EncryptedStorageError?
    do {
      try await factory.create(store).close()
      refusal = nil
    } catch { refusal = error as? EncryptedStorageError }
    guard refusal?.code == .exists else { throw Misuse() }
    try say("refusal")
    while kill(getppid(), 0) == 0 { sleep(3600) }
    await pageStore.close()
  }

  private func fill() async throws -> PageStore {
    let series = try series()
    var generator = SeededGenerator(seed: UInt64(try number(1)))
    let pageStore =
      Bytes.exists(store)
      ? try await PageStore.open(store, factory: factory)
      : try await PageStore.create(store, role: .replica, factory: factory)
    let bootstrap = try await pageStore.beginBootstrap(series.target(series.count - 1))
    let image = try series.image(series.count - 1)
    var missing = await bootstrap.missingPages().flatMap { Array($0) }.shuffled(using: &generator)
    try say("missing \(missing.count)")
    while !missing.isEmpty {
      let part = missing.prefix(Int.random(in: 1...9, using: &generator))
      missing.removeFirst(part.count)
      try await bootstrap.append(
        part.map { number in
          let start = Int(number - 1) * 4096
          return Page(number: number, bytes: [UInt8](image[start..<(start + 4096)]))
        })
      try say("missing \(missing.count)")
    }
    try await bootstrap.finish()
    try say("finished")
    return pageStore
  }

  private func write() async throws {
    var generator = SeededGenerator(seed: UInt64(try number(1)))
    let connection = try await factory.open(store, .writer)
    var version = try await connection.run { try Bookkeeping.check($0) }
    try say("ready")
    for _ in 0..<(try number(0)) {
      version += 1
      let statements = Bookkeeping.change(to: version, &generator)
      try await connection.transaction { session in
        for statement in statements { try session.execute(statement) }
      }
      try say("\(version)")
      // Not a new version, but many pages.
      if version % 6 == 0 { try await connection.run { _ = try $0.execute("VACUUM") } }
      if version % 4 == 0 { _ = try await connection.run { try $0.checkpoint() } }
    }
    await connection.close()
  }

  private func increment() async throws {
    let connection = try await factory.open(store, .writer)
    try say("ready")
    for step in 0..<(try number(0)) {
      try await connection.run { session in
        guard step.isMultiple(of: 2) else {
          _ = try session.execute("UPDATE counter SET n = n + 1")
          return
        }
        try session.transaction(.immediate) { session in
          let former = try session.value("SELECT n FROM counter").integer ?? -1
          try session.execute("UPDATE counter SET n = ?", [.integer(former + 1)])
        }
      }
    }
    try say("done")
    await connection.close()
  }

  private func check() async throws {
    let connection = try await factory.open(store, .reader)
    try say("ready")
    for _ in 0..<(try number(0)) {
      let version = try await connection.transaction(.deferred) { try Bookkeeping.check($0) }
      try say("\(version)")
    }
    await connection.close()
  }
}
