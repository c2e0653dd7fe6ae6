/// What clients of a ledger did and saw, and what must be true of it.
///
/// The ledger numbers its entries from 1 in the order of their commits, so that what a reader sees at version `n` is the
/// first `n` entries of what is there in the end, or the reader has seen what never was.
struct History: Sendable {
  struct Entry: Sendable, Hashable, CustomStringConvertible {
    let client: Int
    let number: Int

    var description: String { "write \(number) of client \(client)" }
  }

  enum Outcome: Sendable, Equatable {
    /// Reported as committed.
    case confirmed
    /// Reported as not committed, now or ever.
    case notCommitted
    /// Nobody has found out. Only clients that keep no name of their writes may leave it at that.
    case unknown
  }

  struct Write: Sendable {
    let entry: Entry
    var outcome: Outcome
    /// Moments of a clock that all clients share.
    let began: Int
    var ended: Int
    /// Whether the client promises to find out what became of it.
    let isNamed: Bool
  }

  /// What one reader saw in one snapshot.
  struct Read: Sendable {
    /// Which promise there is.
    enum Kind: Sendable {
      /// Of the remote: everything confirmed before, by whomever.
      case remote
      /// Of a replica through which the client writes: everything of its own.
      case own
      /// Of a file that another program keeps fresh: some state, and never an older one.
      case following
    }

    let client: Int
    let kind: Kind
    let began: Int
    let entries: [Entry]
    /// What did not agree within the snapshot.
    let disagreement: String?
  }

  var writes: [Write] = []
  /// In the order in which each client made them.
  var reads: [Read] = []

  /// Everything that is not as promised.
  ///
  /// - Parameter final: the ledger when everything has ended.
  func violations(final: [Entry]) -> [String] {
    fate(final) + snapshots(final) + order() + freshness()
  }

  /// How many single checks ``violations(final:)`` makes.
  var checkCount: Int { writes.count + 3 * reads.count }

  // MARK: - Writes

  private func fate(_ final: [Entry]) -> [String] {
    let counts = Dictionary(final.map { ($0, 1) }, uniquingKeysWith: +)
    var violations = counts.filter { $0.value > 1 }.map { "\($0.key) was done \($0.value) times" }
    for write in writes {
      let isThere = counts[write.entry] != nil
      switch write.outcome {
      case .confirmed where !isThere: violations.append("\(write.entry) was confirmed, and is lost")
      case .notCommitted where isThere: violations.append("\(write.entry) was reported as not committed, and is there")
      case .unknown where write.isNamed: violations.append("what became of \(write.entry) was not found out")
      default: break
      }
    }
    let attempted = Set(writes.map(\.entry))
    violations += counts.keys.filter { !attempted.contains($0) }.map { "\($0) is there, and was never made" }
    return violations
  }

  // MARK: - Reads

  private func snapshots(_ final: [Entry]) -> [String] {
    reads.compactMap { read in
      if let disagreement = read.disagreement { return "client \(read.client) saw a torn transaction: \(disagreement)" }
      guard read.entries.elementsEqual(final.prefix(read.entries.count)) else {
        return "client \(read.client) saw version \(read.entries.count) as it never was"
      }
      return nil
    }
  }

  private func order() -> [String] {
    var newest: [Int: Int] = [:]
    return reads.compactMap { read in
      let former = newest[read.client, default: 0]
      newest[read.client] = max(former, read.entries.count)
      return read.entries.count < former
        ? "client \(read.client) saw version \(read.entries.count) after version \(former)" : nil
    }
  }

  private func freshness() -> [String] {
    reads.compactMap { read in
      let seen = Set(read.entries)
      let missing = writes.first { write in
        guard write.outcome == .confirmed, write.ended < read.began, !seen.contains(write.entry) else { return false }
        switch read.kind {
        case .remote: return true
        case .own: return write.entry.client == read.client
        case .following: return false
        }
      }
      return missing.map { "client \(read.client) does not see \($0.entry), which was confirmed before" }
    }
  }
}
