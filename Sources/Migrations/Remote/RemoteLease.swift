internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol

/// Takes, renews and gives up the lease of a remote: ``MigrationLease``.
struct RemoteLease: Sendable {
  private let client: HranaClient
  private let retries: RetryPolicy
  private let waitingTime: Duration
  /// How often an answer may be lost before the error of the last one is thrown.
  private static let lossCountMax = 8

  init(_ client: HranaClient, retries: RetryPolicy, waitingTime: Duration) {
    self.client = client
    self.retries = retries
    self.waitingTime = waitingTime
  }

  /// Takes the lease, as soon as nobody has it.
  ///
  /// - Throws: ``MigrationError`` `.busy` after the waiting time; `RemoteError`, `CancellationError`: it is given up again,
  ///   as far as that can be said to the remote.
  func acquire(_ owner: String) async throws {
    do {
      try await waitForTurn(owner)
    } catch {
      await release(owner)
      throw error
    }
  }

  private func waitForTurn(_ owner: String) async throws {
    var pauses = Pauses(retries)
    var lossCount = 0
    while true {
      let isLate = pauses.total >= waitingTime
      let secondsLeft: Int64?
      do throws(RemoteError) {
        secondsLeft = try await request(owner)
        guard secondsLeft != nil else { return }
      } catch {
        secondsLeft = nil
        guard !error.isBusy || !isLate else { throw Busy.writers }
        // Taking it twice is as taking it once, so that a lost answer does no harm.
        if !error.isBusy { lossCount += 1 }
        guard error.isBusy || error.mayHaveRun || error.code.isPassing, lossCount < Self.lossCountMax else {
          throw error
        }
      }
      if isLate, let secondsLeft { throw Busy.runner(secondsLeft) }
      try await pauses.next()
    }
  }

  /// - Returns: nil when `owner` has the lease now; else for how many more seconds another has it.
  private func request(_ owner: String) async throws(RemoteError) -> Int64? {
    let look = Tracker.Statement(
      "SELECT \"owner\" = ?, max(0, \"expires_at\" - unixepoch()) FROM \"\(MigrationLease.table)\"", [.text(owner)])
    let statements = [MigrationLease.creation, MigrationLease.acquisition(owner: owner), look]
    let results = try await client.executeAtomically(statements.map(Hrana.Statement.init)).results
    guard let row = results.last?.rows.first, row.count == 2 else { return 0 }
    if row[0] == .integer(1) { return nil }
    return if case .integer(let seconds) = row[1] { seconds } else { 0 }
  }

  /// Gives the lease up. When that does not arrive, it ends by itself.
  func release(_ owner: String) async {
    let statement = Hrana.Statement(MigrationLease.release(owner: owner))
    // Said also when this task is cancelled: others wait for it.
    await Task { _ = try? await client.execute(statement, isRepeatable: true) }.value
  }

  private enum Busy {
    static func runner(_ seconds: Int64) -> MigrationError {
      MigrationError(
        .busy, "another runner works on this database; its lease is good for \(seconds) more seconds",
        hint: "try again when it has finished; the lease of one that has ended without a word is over then")
    }
    static let writers = MigrationError(
      .busy, "other writers keep the remote busy; nothing was begun", hint: "try again when they have finished")
  }
}

/// Pauses between attempts, each longer than the one before, and their sum.
struct Pauses {
  private let retries: RetryPolicy
  private var count = 0
  /// How long all pauses were, together.
  private(set) var total = Duration.zero
  private static let longest = Duration.seconds(2)

  init(_ retries: RetryPolicy) { self.retries = retries }

  /// Waits.
  mutating func next() async throws {
    let pause = min(retries.firstDelay * (1 << min(count, 10)), Self.longest) * (0.5 + 0.5 * retries.jitter())
    count += 1
    total += pause
    try await retries.clock.sleep(for: pause)
  }
}

/// Names that no two runs share.
enum UniqueName {
  /// 32 digits.
  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<4).map { _ in
      let digits = String(UInt32.random(in: 0 ... .max, using: &generator), radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }
}

extension RemoteError {
  /// Whether another writer was in the way.
  var isBusy: Bool {
    code == .statement
      && (remoteCode?.hasPrefix("SQLITE_BUSY") == true || remoteCode?.hasPrefix("SQLITE_LOCKED") == true)
  }
}
