import TestSupport
import Testing

@testable import torture

/// A short run of fixed seeds: what `./taskw torture` does for longer.
@Suite("Torture: rounds", .serialized)
struct RoundTests {
  @Test func argumentsAreRefusedByName() throws {
    #expect(try TortureOptions(["--seed", "7", "--minutes", "0.5"]).minutes == 0.5)
    let replay = try TortureOptions(["--seed", "4711", "--only", "history"])
    #expect(replay.roundCountMax == 1 && replay.seed == 4711 && replay.only == .history)
    for arguments in [["--seed"], ["--seed", "x"], ["--only", "nothing"], ["--minutes", "-1"], ["--fast", "1"]] {
      #expect(throws: ProgramOptions.Refusal.self) { try TortureOptions(arguments) }
    }
  }

  /// Every subject of the crash rounds, whatever the seeds draw.
  @Test func seedsDrawEverySubject() throws {
    var subjects: Set<CrashRound.Subject> = []
    for seed in 0..<80 {
      var choices = WorkloadChoices(try Scene(seed: UInt64(seed)).generator())
      subjects.insert(choices.pick(CrashRound.Subject.allCases))
    }
    #expect(subjects.count == CrashRound.Subject.allCases.count)
  }

  @Test(arguments: [(RoundKind.differential, 2), (.history, 1), (.crash, 20)])
  func roundsOfFixedSeedsFindNothing(kind: RoundKind, count: Int) async throws {
    var options = TortureOptions()
    (options.seed, options.roundCountMax, options.only) = (1, count, kind)
    let summary = await TortureRun(options).run()
    #expect(summary.rounds.values.reduce(0, +) == count)
    for failure in summary.failures { Issue.record("\(failure.round): \(failure.what)\nagain: \(failure.replay)") }
  }

  @Test func aFailureIsCountedAndSaysHowToReplayIt() {
    var summary = TortureRun.Summary()
    let record = RoundRecord(label: "history")
    record.check(true, "")
    record.check(nothing: ["write 3 of client 1 was confirmed, and is lost"], "history")
    summary.add(record, .history, seed: 4711)
    #expect(summary.failures.count == 1)
    #expect(summary.failures.first?.replay == "./taskw torture -- --seed 4711 --only history")
    #expect(summary.table.contains("| history | 1 | 0 | 0 | 2 | 1 |"))
  }
}
