internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol
internal import PageStore

/// First pulls: an empty replica gets an image, streamed in bounded memory.
extension Pull {
  /// What a first pull has made, and whether it is all that the remote had when it began.
  typealias FirstImage = (identity: RemoteIdentity, image: ImageState, isCurrent: Bool)

  /// Pages that are encrypted together: 4 MiB.
  fileprivate static let appendCount = 1024
  /// How often an image is asked for while the remote goes on.
  private static let attemptCountMax = 3

  // MARK: - V2

  func bootstrapV2(_ store: PageStore, _ report: inout SyncReport) async throws -> FirstImage {
    let client = V2Client(remote)
    let info = try await client.info()
    let image = try await client.image(generation: info.currentGeneration, database: info.database)
    let identity = History.v2(remote.url, database: info.database)
    let position = try History.number(image.position)
    guard image.pageCount > 0 else {
      return (identity, try await makeEmpty(store, identity, position), false)
    }
    let target = Bootstrap.Target(remote: identity, position: position, pageCount: image.pageCount)
    let bootstrap = try await store.beginBootstrap(target)
    progress?.step("first pull")
    progress?.begin(total: Int64(image.pageCount) * Int64(RemotePageFormat.byteCount))
    var waiting: [Page] = []
    // All pages, also those that a killed run has stored: the remote may be another state of the same generation.
    for try await run in image {
      count(run.count, &report)
      waiting += Self.pages(run, upTo: image.pageCount)
      if waiting.count >= Self.appendCount {
        try await bootstrap.append(waiting)
        waiting = []
      }
    }
    try await bootstrap.append(waiting)
    progress?.step("checking")
    return (identity, try await bootstrap.finish(), false)
  }

  private static func pages(_ run: [RemotePage], upTo pageCount: UInt32) -> [Page] {
    run.compactMap {
      guard $0.number <= pageCount, $0.number != RemotePageFormat.lockBytePage else { return nil }
      return Page(number: $0.number, bytes: $0.bytes)
    }
  }

  /// A remote without a page is a database without a table.
  private func makeEmpty(
    _ store: PageStore, _ identity: RemoteIdentity, _ position: Int64, syncedAt time: Int64? = nil
  ) async throws -> ImageState {
    let target = Bootstrap.Target(remote: identity, position: position, pageCount: 1)
    let bootstrap = try await store.beginBootstrap(target)
    try await bootstrap.append([Page.emptyDatabase])
    return try await bootstrap.finish(syncedAt: time)
  }

  // MARK: - V1

  /// How many pages there are, and which position they make, a log says at its end only. A small image waits in memory for
  /// that. A large one is stored for what its beginning lets expect; if that was wrong, it is pulled once more, for what is
  /// known then.
  func bootstrapV1(_ store: PageStore, _ report: inout SyncReport) async throws -> FirstImage {
    var expected: Bootstrap.Target?
    for _ in 1...Self.attemptCountMax {
      progress?.step("first pull")
      if let expected { progress?.begin(total: Int64(expected.pageCount) * Int64(RemotePageFormat.byteCount)) }
      let hello = try await V1Client(remote).hello()
      var reader = LogImage(store, newest: hello, expected: expected, byteCountMax: settings.limits.batchByteCount)
      for try await event in V1Client(remote).pull(from: nil) {
        if case .pages(let run) = event { count(run.count, &report) }
        try await reader.receive(event)
      }
      progress?.step("checking")
      if let image = try await reader.finish(syncedAt: report.lastSync) {
        return (image.target.remote, image.state, true)
      }
      guard let end = reader.end else {
        // Not one transaction.
        let identity = History.v1(logID: hello.logID)
        let image = try await makeEmpty(store, identity, History.emptyLog, syncedAt: report.lastSync)
        return (identity, image, true)
      }
      expected = end
    }
    throw SyncError(
      .restless, "the remote changed each time its image was pulled", hint: "try again when it is written less")
  }

}

/// An image out of a log of V1, in bounded memory.
private struct LogImage {
  private let replica: PageStore
  private let byteCountMax: Int
  /// Of Hello: which log it is, and its last frame.
  private let newest: (logID: String, frameNumber: UInt64?)
  /// What the image will be, where that is known or has been guessed.
  private var expected: Bootstrap.Target?
  /// What the log turned out to be; nil before its first commit.
  private(set) var end: Bootstrap.Target?
  private var bootstrap: Bootstrap?
  private var waiting: [UInt32: [UInt8]] = [:]
  private var highestPage: UInt32 = 0
  /// Whether pages are stored before the end is known.
  private var isStoring: Bool

  init(
    _ replica: PageStore, newest: (logID: String, frameNumber: UInt64?), expected: Bootstrap.Target?, byteCountMax: Int
  ) {
    self.replica = replica
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
    case .commit(.v1(let logID, let frame), let pageCount):
      end = try Self.target(logID, frame, pageCount)
    case .commit, .moved: throw SyncError(.unsupportedProtocol, "a position of another protocol in a log of V1")
    case .discard, .reset:
      throw SyncError(.restless, "the remote's log was replaced while it was pulled", hint: "pull again")
    }
  }

  /// The image, if it has become what was expected.
  mutating func finish(syncedAt time: Int64) async throws -> (target: Bootstrap.Target, state: ImageState)? {
    guard let end else { return nil }
    // Then all that came waits, or some was let go and will be found missing.
    if bootstrap == nil { expected = end }
    guard expected == end else { return nil }
    try await storeWaiting()
    guard let bootstrap, await bootstrap.missingPages().isEmpty else { return nil }
    return (end, try await bootstrap.finish(syncedAt: time))
  }

  /// Stores what waits for the expected image. Without an expectation it is let go, and only the end becomes known.
  private mutating func storeWaiting() async throws {
    defer { waiting = [:] }
    if bootstrap == nil, let target = try expectation() {
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

  /// A snapshot comes with the last page first, from `albergue-primary` at least, so that its beginning says it all.
  private func expectation() throws -> Bootstrap.Target? {
    if let expected { return expected }
    guard let frameNumber = newest.frameNumber, highestPage > 0 else { return nil }
    return try Self.target(newest.logID, frameNumber, highestPage)
  }

  private static func target(_ logID: String, _ frame: UInt64, _ pageCount: UInt32) throws -> Bootstrap.Target {
    Bootstrap.Target(
      remote: History.v1(logID: logID), position: try History.number(.v1(logID: logID, frameNumber: frame)),
      pageCount: pageCount)
  }
}
