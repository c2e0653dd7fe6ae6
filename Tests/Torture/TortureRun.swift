import Foundation
import TestSupport

/// Rounds one after the other, each with a seed of its own.
struct TortureRun: Sendable {
  struct Failure: Sendable {
    let round: String
    let what: String
    let replay: String
  }

  /// What all rounds together did.
  struct Summary: Sendable {
    var rounds: [String: Int] = [:]
    var counts: [String: RoundRecord.Counts] = [:]
    var failureCounts: [String: Int] = [:]
    var failures: [Failure] = []
    var seconds = 0.0

    mutating func add(_ record: RoundRecord, _ kind: RoundKind, seed: UInt64) {
      let label = record.label
      rounds[label, default: 0] += 1
      counts[label, default: .init()] += record.counts
      failureCounts[label, default: 0] += record.failures.isEmpty ? 0 : 1
      failures += record.failures.map {
        Failure(round: "\(label), seed \(seed)", what: $0, replay: kind.replay(seed: seed))
      }
    }

    /// As a table of Markdown, which docs/reliability.md can take over.
    var table: String {
      var lines = [
        "| rounds of | rounds | operations | faults injected | checks made | rounds that failed |",
        "|---|---:|---:|---:|---:|---:|",
      ]
      func line(_ label: String, _ rounds: Int, _ counts: RoundRecord.Counts, _ failures: Int) -> String {
        "| \(label) | \(rounds) | \(counts.operations) | \(counts.faults) | \(counts.checks) | \(failures) |"
      }
      var total = RoundRecord.Counts()
      for label in rounds.keys.sorted() {
        let counts = counts[label] ?? .init()
        total += counts
        lines.append(line(label, rounds[label] ?? 0, counts, failureCounts[label] ?? 0))
      }
      lines.append(line("all", rounds.values.reduce(0, +), total, failureCounts.values.reduce(0, +)))
      return lines.joined(separator: "\n") + "\n\(Int(seconds)) s"
    }
  }

  let options: TortureOptions
  private let say: @Sendable (String) -> Void

  init(_ options: TortureOptions, _ say: @escaping @Sendable (String) -> Void = { _ in }) {
    self.options = options
    self.say = say
  }

  /// Runs rounds until time or number is reached.
  func run() async -> Summary {
    let start = ContinuousClock.now
    var summary = Summary()
    var number = 0
    let fixtures = Fixtures()
    while number < options.roundCountMax, ContinuousClock.now - start < .seconds(options.minutes * 60) {
      let seed = options.seed &+ UInt64(number)
      let kind = options.only ?? Self.kind(of: seed)
      let record = RoundRecord(label: kind.rawValue)
      await Self.round(kind, seed: seed, fixtures, record)
      summary.add(record, kind, seed: seed)
      number += 1
      if !record.failures.isEmpty {
        say("FAILED \(record.label), seed \(seed): \(record.failures[0])\n  again: \(kind.replay(seed: seed))")
      } else if number.isMultiple(of: 20) {
        say("\(number) rounds in \(Int((ContinuousClock.now - start) / .seconds(1))) s")
      }
    }
    summary.seconds = (ContinuousClock.now - start) / .seconds(1)
    return summary
  }

  /// Crash rounds are short, so there are more of them.
  private static func kind(of seed: UInt64) -> RoundKind {
    switch seed % 8 {
    case 0, 4: .differential
    case 2: .history
    default: .crash
    }
  }

  /// One round, with the scan for secrets that ends each.
  static func round(_ kind: RoundKind, seed: UInt64, _ fixtures: Fixtures, _ record: RoundRecord) async {
    do {
      let scene = try Scene(seed: seed)
      do {
        switch kind {
        case .differential: try await DifferentialRound(scene, record).run()
        case .history: try await HistoryRound(scene, record).run()
        case .crash: try await CrashRound(scene, fixtures, record).run()
        }
      } catch { record.fail("the round ended early: \(error)") }
      record.check(nothing: try SecrecyScan.findings(in: scene.root.path), "secrets in clear")
    } catch { record.fail("the round could not begin or end: \(error)") }
  }
}
