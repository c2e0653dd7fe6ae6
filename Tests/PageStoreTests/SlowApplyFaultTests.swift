import FaultInjection
import TestSupport
import Testing

/// A disk that fails, or loses power, while batches are applied to a replica.
///
/// What must hold: a failure has its own error; the store is at a position that was published, the last acknowledged one
/// or that of the batch in flight; every page is that of this position; every MAC fits; readers see nothing else meanwhile.
@Suite("Slow: a disk that fails while batches are applied")
struct SlowApplyFaultTests {
  private let folder: TemporaryDirectory
  private let history: ImageHistory
  private let template: String

  init() async throws {
    folder = try TemporaryDirectory()
    history = try ImageHistory(in: folder)
    template = folder.file("template.db")
    try await history.replica(template)
  }

  @Test(arguments: FaultScenario.all) func leavesAReplicaAtAPublishedPosition(scenario: FaultScenario) async throws {
    try await StoreFaultTrial(suite: "SlowApplyFaultTests", scenario: scenario, writeCount: 12) { folder, disk in
      try ApplyFaultWorkload(
        history, template: template, in: folder, on: disk, waitsForDisk: scenario.waitsForDisk)
    }.run()
  }
}
