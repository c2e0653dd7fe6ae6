import Foundation
import TestSupport
import Testing

/// Runs workloads of many seeds, on all processors.
enum DifferentialRun {
  /// - Parameter judgedEvery: each seed that this divides is repeated by the `sqlcipher` command line too.
  static func run(seeds: Range<UInt64>, judgedEvery: UInt64) async throws {
    let rest = Locked(seeds)
    let failureCount = Locked(0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<max(2, ProcessInfo.processInfo.activeProcessorCount) {
        group.addTask {
          while failureCount.withLock({ $0 }) < 3, let seed = rest.withLock({ $0.popFirst() }) {
            var workload = Workload(seed: seed)
            workload.asksOtherProgram = seed.isMultiple(of: judgedEvery)
            workload.isLoud = seeds.count == 1
            do { try await workload.run() } catch {
              failureCount.withLock { $0 += 1 }
              Issue.record(
                """
                seed \(seed): \(error)
                again: ALBERGUE_WORKLOAD_FIRST_SEED=\(seed) ALBERGUE_WORKLOAD_SEEDS=1 \
                swift test --filter SlowDifferentialTests
                """)
            }
          }
        }
      }
    }
  }

  static func setting(_ name: String, _ fallback: UInt64) -> UInt64 {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? fallback
  }
}

@Suite struct DifferentialTests {
  @Test func anImageAnswersLikeAnOrdinaryDatabase() async throws {
    try await DifferentialRun.run(seeds: 1..<25, judgedEvery: 8)
  }
}

/// Set ALBERGUE_WORKLOAD_SEEDS for more seeds than the default, ALBERGUE_WORKLOAD_FIRST_SEED for others.
@Suite("Slow: random workloads")
struct SlowDifferentialTests {
  @Test func anImageAnswersLikeAnOrdinaryDatabase() async throws {
    let first = DifferentialRun.setting("ALBERGUE_WORKLOAD_FIRST_SEED", 1000)
    let count = DifferentialRun.setting("ALBERGUE_WORKLOAD_SEEDS", 1200)
    // A single seed is being looked into: by everybody.
    try await DifferentialRun.run(seeds: first..<(first + count), judgedEvery: count == 1 ? 1 : 10)
  }
}
