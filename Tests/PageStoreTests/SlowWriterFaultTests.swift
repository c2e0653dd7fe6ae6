import FaultInjection
import Testing

/// A disk that fails, or loses power, while SQL writes to a primary store.
///
/// What must hold: the statement that meets the fault fails with its own error, the connection goes on with the next one,
/// and what was acknowledged is in the store, as an ordinary encrypted database has it; every MAC fits.
@Suite("Slow: a disk that fails while a store is written by SQL")
struct SlowWriterFaultTests {
  private let contents: [[String]]

  init() async throws { contents = try await WriterFaultWorkload.contents() }

  @Test(arguments: FaultScenario.all) func keepsWhatWasAcknowledged(scenario: FaultScenario) async throws {
    try await StoreFaultTrial(suite: "SlowWriterFaultTests", scenario: scenario, writeCount: 12) { folder, disk in
      try WriterFaultWorkload(contents, in: folder, on: disk, waitsForDisk: scenario.waitsForDisk)
    }.run()
  }
}
