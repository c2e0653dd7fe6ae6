import Foundation

/// Which operations of a workload are made to fail: of a long one a sample, since each costs a run of the workload.
///
/// `ALBERGUE_FAULT_OPERATIONS` is `all`, or numbers of operations, separated by commas; `ALBERGUE_TEST_SEED` draws another
/// sample, and tears writes at other places.
package struct FaultSample: Sendable {
  /// Numbers from 1, ascending.
  package let numbers: [Int]
  private let seed: UInt64
  private let suite: String

  /// Everything that is not a write, and about `writeCount` writes, evenly spread.
  package init(of operations: [Operation], writeCount: Int, suite: String) {
    let variables = ProcessInfo.processInfo.environment
    seed = variables["ALBERGUE_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    self.suite = suite
    let all = operations.indices.map { $0 + 1 }
    let writes = all.filter { operations[$0 - 1].kind == .write }
    let stride = max(1, writes.count / max(1, writeCount))
    switch variables["ALBERGUE_FAULT_OPERATIONS"] {
    case "all": numbers = all
    case let list?: numbers = list.split(separator: ",").compactMap { Int($0) }.filter(all.contains)
    case nil:
      let offset = Int(seed % UInt64(stride))
      let chosen = Set(writes.enumerated().filter { $0.offset % stride == offset }.map(\.element))
      numbers = all.filter { operations[$0 - 1].kind != .write || chosen.contains($0) }
    }
  }

  /// Seed of one run of an operation.
  package func seed(of number: Int, time: Int) -> UInt64 { seed &* 1_000_000 &+ UInt64(number * 100 + time) }

  /// The command that runs an operation again.
  package func replay(_ number: Int) -> String {
    "ALBERGUE_TEST_SEED=\(seed) ALBERGUE_FAULT_OPERATIONS=\(number) swift test --filter \(suite)"
  }
}
