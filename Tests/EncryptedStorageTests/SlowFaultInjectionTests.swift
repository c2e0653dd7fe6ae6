import EncryptedStorage
import EncryptionKeys
import FaultInjection
import Foundation
import TestSupport
import Testing
import Verification

/// A disk that fails, or loses power, at every single operation of a workload.
///
/// What must hold: a failure has its own error and nothing else; what was acknowledged is in the file afterwards, and
/// nothing is in it that is not a whole transaction; every MAC fits.
@Suite("Slow: a disk that fails at every operation")
struct SlowFaultInjectionTests {
  let folder: TemporaryDirectory
  let contents: [String]

  init() throws {
    folder = try TemporaryDirectory()
    contents = try FaultWorkload.contents(in: folder)
  }

  @Test(arguments: FaultScenario.all) func keepsWhatWasAcknowledged(scenario: FaultScenario) async throws {
    let operations = try operationsOfTheWorkload(waitsForDisk: scenario.waitsForDisk)
    #expect(Set(operations.map(\.kind)) == Set(FaultInjection.Operation.Kind.allCases))
    for number in 1...operations.count {
      let operation = operations[number - 1]
      let place = "operation \(number), \(operation.kind) of \(operation.file.split(separator: "/").last ?? "")"
      for time in 0..<scenario.runsPerOperation {
        try await run(scenario, number, place, SeededGenerator(seed: UInt64(number * 100 + time)))
      }
    }
  }

  private func operationsOfTheWorkload(waitsForDisk: Bool) throws -> [FaultInjection.Operation] {
    let disk = try FaultyDisk()
    let workload = try FaultWorkload(folder.file("count.db"), on: disk, waitsForDisk: waitsForDisk)
    workload.run()
    #expect(workload.acknowledged == FaultWorkload.lastCommit)
    return disk.operations
  }

  private func run(_ scenario: FaultScenario, _ number: Int, _ place: String, _ generator: SeededGenerator) async throws
  {
    let folder = try TemporaryDirectory()
    let disk = try FaultyDisk()
    let workload = try FaultWorkload(folder.file("x.db"), on: disk, waitsForDisk: scenario.waitsForDisk)
    disk.failOperation(number, with: scenario.fault, scenario.extent)
    workload.run(expecting: scenario.fault == .diskFull ? .diskFull : .inputOutput, scenario.reaction)
    #expect(disk.failureCount > 0, "\(place): the fault was never reached")
    // Unless it comes while closing, which reports nothing, or where everything ends well all the same.
    if scenario.extent == .everyOneAfter, workload.acknowledged < FaultWorkload.lastCommit {
      #expect(!workload.failures.isEmpty || scenario.reaction != .giveUp, "\(place): nothing was reported")
    }
    var generator = generator
    try scenario.losePower(of: disk, &generator)
    try await judge(workload, place, scenario)
  }

  /// Opens the file as a program does that knows nothing of what happened.
  private func judge(_ workload: FaultWorkload, _ place: String, _ scenario: FaultScenario) async throws {
    guard Bytes.exists(workload.path) else {
      #expect(workload.attempted == 0, "\(place): the file is gone")
      return
    }
    do {
      let factory = ConnectionFactory(key: try TestKeys.first())
      if scenario.power != nil {
        // Before anything is put right: a power cut may break the log, but must not look like manipulation.
        let before = try await Verifier(factory: factory, isQuick: true).run(workload.path)
        #expect(before.findings.allSatisfy { $0.kind == .logBroken }, "\(place): \(before.findings)")
      }

      let session = try factory.openSession(workload.path, .writer)
      let last = try FaultWorkload.lastCommit(of: session)
      // A transaction whose COMMIT failed may be in the file all the same: the disk took it, and then said no.
      #expect(last <= workload.attempted, "\(place)")
      #expect(
        last >= (scenario.waitsForDisk ? workload.acknowledged : 0), "\(place): an acknowledged transaction is lost")
      if contents.indices.contains(last) {
        #expect(
          try FaultWorkload.content(of: session) == contents[last], "\(place): the content of transaction \(last)")
      }
      session.close()

      let after = try await Verifier(factory: factory).run(workload.path)
      #expect(after.isClean && after.checkedStructure, "\(place): \(after.findings)")
      #expect(after.logFrameCount == 0, "\(place): the log is not empty")
    } catch {
      Issue.record("\(place): \(error)")
    }
  }
}
