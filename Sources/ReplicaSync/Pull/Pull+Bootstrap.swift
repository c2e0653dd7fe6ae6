internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol
internal import PageStore

/// First pulls: an empty replica gets an image, streamed in bounded memory.
extension Pull {
  /// What a first pull has made, and whether it is all that the remote had when it began.
  typealias FirstImage = (identity: RemoteIdentity, image: ImageState, isCurrent: Bool)

  /// Pages that are encrypted together: 1 MiB.
  fileprivate static let appendCount = 256
  /// How often an image is asked for while the remote goes on.
  private static let attemptCountMax = 3
  /// How often it is tried to publish an image, which takes some 5 s in all.
  private static let publishingCountMax = 100

  // MARK: - V2

  func bootstrapV2(_ store: PageStore, _ report: inout SyncReport) async throws -> FirstImage {
    let client = V2Client(remote)
    let info = try await client.info()
    let image = try await client.image(generation: info.currentGeneration, database: info.database)
    let identity = History.v2(remote.url, database: info.database)
    let position = try History.number(image.position)
    guard image.pageCount > 0 else {
      // What the generation began with is nothing; what it has now is in its frames.
      let state = try await bootstrapFromLog(store, identity, start: position, newest: nil, &report) {
        client.pull(generation: info.currentGeneration, frame: 0, database: info.database)
      }
      return (identity, state, true)
    }
    let target = Bootstrap.Target(remote: identity, position: position, pageCount: image.pageCount)
    let bootstrap = try await store.beginBootstrap(target)
    progress?.step("first pull")
    progress?.begin(total: Int64(image.pageCount) * Int64(RemotePageFormat.byteCount))
    // Pages come in while those before them are encrypted and stored: two batches are in memory, no more.
    try await withThrowingTaskGroup(of: Void.self) { storing in
      var waiting: [Page] = []
      // All pages, also those that a killed run has stored: the remote may be another state of the same generation.
      for try await run in image {
        count(run.count, &report)
        waiting += Self.pages(run, upTo: image.pageCount)
        guard waiting.count >= Self.appendCount else { continue }
        try await storing.next()
        let batch = waiting
        waiting = []
        storing.addTask { try await bootstrap.append(batch) }
      }
      try await storing.next()
      try await bootstrap.append(waiting)
    }
    progress?.step("checking")
    return (identity, try await publish(bootstrap), false)
  }

  private static func pages(_ run: [RemotePage], upTo pageCount: UInt32) -> [Page] {
    run.compactMap {
      guard $0.number <= pageCount, $0.number != RemotePageFormat.lockBytePage else { return nil }
      return Page(number: $0.number, bytes: $0.bytes)
    }
  }

  // MARK: - V1, and generations of V2 that began with nothing

  func bootstrapV1(_ store: PageStore, _ report: inout SyncReport) async throws -> FirstImage {
    let client = V1Client(remote)
    let hello = try await client.hello()
    let identity = History.v1(logID: hello.logID)
    let newest = try hello.frameNumber.map {
      try History.number(.v1(logID: hello.logID, frameNumber: $0))
    }
    let image = try await bootstrapFromLog(store, identity, start: History.emptyLog, newest: newest, &report) {
      client.pull(from: nil)
    }
    return (identity, image, true)
  }

  /// How many pages there are, and which position they make, a log says at its end only. A small image waits in memory for
  /// that. A large one is stored for what its beginning lets expect; if that was wrong, it is pulled once more, for what is
  /// known then.
  ///
  /// - Parameters:
  ///   - start: the position of a log without transactions.
  ///   - newest: the position that the log will end at, where that is known.
  private func bootstrapFromLog(
    _ store: PageStore, _ identity: RemoteIdentity, start: Int64, newest: Int64?, _ report: inout SyncReport,
    _ pull: () -> ReplicationStream
  ) async throws -> ImageState {
    var expected: Bootstrap.Target?
    for _ in 1...Self.attemptCountMax {
      progress?.step("first pull")
      if let expected { progress?.begin(total: Int64(expected.pageCount) * Int64(RemotePageFormat.byteCount)) }
      var reader = LogImage(
        store, identity, newest: newest, expected: expected, byteCountMax: settings.limits.batchByteCount)
      for try await event in pull() {
        if case .pages(let run) = event { count(run.count, &report) }
        try await reader.receive(event)
      }
      progress?.step("checking")
      if let bootstrap = try await reader.finish() { return try await publish(bootstrap, syncedAt: report.lastSync) }
      guard let end = reader.end else {
        return try await makeEmpty(store, identity, reader.movedTo ?? start, syncedAt: report.lastSync)
      }
      expected = end
    }
    throw SyncError(
      .restless, "the remote changed each time its image was pulled, or never sent all of it",
      hint: "try again when it is written less")
  }

  /// A remote without a page is a database without a table. An answer that was lost on the way looks the same, so SQL is
  /// asked as well.
  private func makeEmpty(
    _ store: PageStore, _ identity: RemoteIdentity, _ position: Int64, syncedAt time: Int64
  ) async throws -> ImageState {
    let question = Hrana.Statement(.text("SELECT count(*) FROM sqlite_schema"))
    let answer = try await HranaClient(remote).execute(question, isRepeatable: true)
    guard answer.rows == [[.integer(0)]] else {
      throw SyncError(
        .incomplete, "the remote has sent no page, although it has tables",
        hint: "pull again; if it stays, report it")
    }
    let target = Bootstrap.Target(remote: identity, position: position, pageCount: 1)
    let bootstrap = try await store.beginBootstrap(target)
    try await bootstrap.append([Page.emptyDatabase])
    return try await publish(bootstrap, syncedAt: time)
  }

  /// Checks and publishes an image. Readers that wait for it look whether it is there, and each look is in the way.
  private func publish(_ bootstrap: Bootstrap, syncedAt time: Int64? = nil) async throws -> ImageState {
    var attempt = 1
    while true {
      do {
        return try await bootstrap.finish(syncedAt: time)
      } catch let error as EncryptedStorageError where error.code == .busy && attempt < Self.publishingCountMax {
        attempt += 1
        try await Task.sleep(for: .milliseconds(Int.random(in: 5...50)))
      }
    }
  }
}

/// An image out of a log, in bounded memory.
private struct LogImage {
  private let replica: PageStore
  private let identity: RemoteIdentity
  private let byteCountMax: Int
  /// The position that the log will end at, where that is known.
  private let newest: Int64?
  /// What the image will be, where that is known or has been guessed.
  private var expected: Bootstrap.Target?
  /// What the log turned out to be; nil before its first commit.
  private(set) var end: Bootstrap.Target?
  /// Where the log has moved to without a commit.
  private(set) var movedTo: Int64?
  private var bootstrap: Bootstrap?
  private var waiting: [UInt32: [UInt8]] = [:]
  private var highestPage: UInt32 = 0
  /// Whether pages are stored before the end is known.
  private var isStoring: Bool

  init(
    _ replica: PageStore, _ identity: RemoteIdentity, newest: Int64?, expected: Bootstrap.Target?, byteCountMax: Int
  ) {
    self.replica = replica
    self.identity = identity
    self.newest = newest
    self.expected = expected
    self.byteCountMax = byteCountMax
    isStoring = expected != nil
  }

  mutating func receive(_ event: ReplicationEvent) async throws {
    switch event {
    case .pages(let run):
      for page in run {
        waiting[page.number] = page.bytes
        highestPage = max(highestPage, page.number)
      }
      if waiting.count * RemotePageFormat.byteCount > byteCountMax { isStoring = true }
      if isStoring, waiting.count >= Pull.appendCount { try await storeWaiting() }
    case .commit(let place, let pageCount):
      if case .v1(let logID, _) = place, logID != identity.name { throw Self.replaced }
      end = Bootstrap.Target(remote: identity, position: try History.number(place), pageCount: pageCount)
    case .moved(let place):
      let position = try History.number(place)
      movedTo = position
      if let former = end {
        end = Bootstrap.Target(remote: identity, position: position, pageCount: former.pageCount)
      }
    case .discard, .reset: throw Self.replaced
    }
  }

  private static var replaced: SyncError {
    SyncError(.restless, "the remote's log was replaced while it was pulled", hint: "pull again")
  }

  /// The whole image, if it has become what was expected; to be published.
  mutating func finish() async throws -> Bootstrap? {
    guard let end else { return nil }
    // Then all that came waits, or some was let go and will be found missing.
    if bootstrap == nil { expected = end }
    guard expected == end else { return nil }
    try await storeWaiting()
    guard let bootstrap, await bootstrap.missingPages().isEmpty else { return nil }
    return bootstrap
  }

  /// Stores what waits for the expected image. Without an expectation it is let go, and only the end becomes known.
  private mutating func storeWaiting() async throws {
    defer { waiting = [:] }
    if bootstrap == nil, let target = expectation {
      expected = target
      bootstrap = try await replica.beginBootstrap(target)
    }
    guard let bootstrap, let expected else { return }
    try await bootstrap.append(
      waiting.compactMap { number, bytes in
        guard number <= expected.pageCount, number != RemotePageFormat.lockBytePage else { return nil }
        return Page(number: number, bytes: bytes)
      })
  }

  /// A snapshot of V1 comes with the last page first, from `albergue-primary` at least, so that its beginning says it all.
  private var expectation: Bootstrap.Target? {
    if let expected { return expected }
    guard let newest, highestPage > 0 else { return nil }
    return Bootstrap.Target(remote: identity, position: newest, pageCount: highestPage)
  }
}
