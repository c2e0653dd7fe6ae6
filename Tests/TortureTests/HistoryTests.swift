import Testing

@testable import torture

/// Histories that are right, and the same with one thing wrong: each promise can be seen to be broken.
@Suite("Torture: histories")
struct HistoryTests {
  private static let entries = [
    History.Entry(client: 0, number: 1), History.Entry(client: 1, number: 1), History.Entry(client: 0, number: 2),
  ]

  /// Three confirmed writes, and reads that fit them.
  private var history: History {
    var history = History()
    history.writes = Self.entries.enumerated().map { index, entry in
      .init(entry: entry, outcome: .confirmed, began: 10 * index, ended: 10 * index + 5, isNamed: true)
    }
    history.reads = [
      read(0, .own, began: 6, 1), read(1, .following, began: 7, 0), read(0, .own, began: 26, 3),
      read(2, .remote, began: 27, 3), read(1, .following, began: 28, 2),
    ]
    return history
  }

  private func read(
    _ client: Int, _ kind: History.Read.Kind, began: Int, _ version: Int, disagreement: String? = nil
  ) -> History.Read {
    .init(
      client: client, kind: kind, began: began, entries: Array(Self.entries.prefix(version)), disagreement: disagreement)
  }

  /// What is found when the history is changed.
  private func violations(final: [History.Entry] = entries, _ change: (inout History) -> Void = { _ in }) -> [String] {
    var history = history
    change(&history)
    return history.violations(final: final)
  }

  @Test func aRightHistoryHasNoViolations() { #expect(violations() == []) }

  @Test func anAcknowledgedWriteThatIsLostIsFound() {
    let found = violations(final: Array(Self.entries.prefix(2))) { $0.reads = [] }
    #expect(found == ["write 2 of client 0 was confirmed, and is lost"])
  }

  @Test func aWriteThatWasDoneTwiceIsFound() {
    #expect(violations(final: Self.entries + [Self.entries[2]]) == ["write 2 of client 0 was done 2 times"])
  }

  @Test func aWriteThatWasReportedAsNotCommittedAndIsThereIsFound() {
    let found = violations { $0.writes[1].outcome = .notCommitted }
    #expect(found == ["write 1 of client 1 was reported as not committed, and is there"])
  }

  @Test func anOutcomeThatNobodyFoundOutIsFoundWhereThatWasPromised() {
    #expect(violations { $0.writes[1].outcome = .unknown } == ["what became of write 1 of client 1 was not found out"])
    #expect(violations { ($0.writes[1].outcome, $0.writes[1].ended) = (.unknown, .max) }.count == 1)
  }

  @Test func anEntryThatNobodyMadeIsFound() {
    let ghost = History.Entry(client: 9, number: 9)
    #expect(violations(final: Self.entries + [ghost]) == ["write 9 of client 9 is there, and was never made"])
  }

  @Test func aTornTransactionIsFound() {
    let found = violations { $0.reads[2] = read(0, .own, began: 26, 3, disagreement: "balances 39990") }
    #expect(found == ["client 0 saw a torn transaction: balances 39990"])
  }

  @Test func aStateThatNeverWasIsFound() {
    let found = violations { history in
      history.reads[3] = .init(
        client: 2, kind: .following, began: 27, entries: [Self.entries[1], Self.entries[0]], disagreement: nil)
    }
    #expect(found == ["client 2 saw version 2 as it never was"])
  }

  @Test func aReaderThatGoesBackIsFound() {
    let found = violations { $0.reads.append(read(1, .following, began: 40, 1)) }
    #expect(found == ["client 1 saw version 1 after version 2"])
  }

  @Test func aReaderThatDoesNotSeeItsOwnWriteIsFound() {
    let found = violations { $0.reads[2] = read(0, .own, began: 26, 2) }
    #expect(found == ["client 0 does not see write 2 of client 0, which was confirmed before"])
  }

  @Test func aReaderOfTheRemoteThatDoesNotSeeWhatWasConfirmedIsFound() {
    let found = violations { $0.reads[3] = read(2, .remote, began: 27, 2) }
    #expect(found == ["client 2 does not see write 2 of client 0, which was confirmed before"])
    // What was confirmed only afterwards need not be seen.
    #expect(violations { $0.reads[3] = read(2, .remote, began: 24, 2) } == [])
  }

  @Test func tablesThatDoNotAgreeAreFound() {
    let rows = [[1, 0, 1], [2, 1, 1]]
    let right = [2, 30, Ledger.accountCount * 1000, 2, 2, 30]
    #expect(Ledger.judge(rows, right).disagreement == nil)
    for index in right.indices {
      var wrong = right
      wrong[index] += 1
      #expect(Ledger.judge(rows, wrong).disagreement != nil, "sum \(index)")
    }
    #expect(Ledger.judge([[1, 0, 1], [3, 1, 1]], right).disagreement != nil)
  }
}
