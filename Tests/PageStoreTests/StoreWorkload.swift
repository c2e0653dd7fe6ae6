import EncryptedStorage
import FaultInjection
import TestSupport
import Testing
import Verification

/// What a program does with its page store, on a disk that fails. The store goes through numbered versions.
protocol StoreWorkload: AnyObject {
  associatedtype Action: Equatable

  static var actions: [Action] { get }

  var path: String { get }
  var disk: FaultyDisk { get }
  /// The last version that was reported as done.
  var acknowledged: Int { get }
  /// The last version that was begun.
  var attempted: Int { get }

  func perform(_ action: Action) async throws
  /// Everyone who has the store open must see the version that was acknowledged, or the one of their snapshot.
  func checkReaders() async throws
  func close() async

  /// Which version a store on a healthy disk is at, after comparing all of it with the model of that version.
  func version(_ place: String) async throws -> Int
  /// Makes the version after that one.
  func goOn(from version: Int) async throws
}

extension StoreWorkload {
  static var lastVersion: Int { 5 }

  /// Runs everything.
  ///
  /// - Returns: the failures, each of which has the code `expected`.
  func run(
    _ place: String = "a disk that works", expecting expected: EncryptedStorageError.Code? = nil,
    _ reaction: FaultScenario.Reaction = .giveUp
  ) async -> [EncryptedStorageError] {
    var failures: [EncryptedStorageError] = []
    for action in Self.actions {
      var tries = 0
      var isDone = false
      while !isDone {
        do {
          try await perform(action)
          isDone = true
        } catch {
          let failure = EncryptedStorageError(error, file: path)
          failures.append(failure)
          #expect(
            failure.code == expected, "\(place), \(action): \(failure), result code \(failure.resultCode ?? 0)")
        }
        // The disk still reads.
        do { try await checkReaders() } catch { Issue.record("\(place): after \(action): \(error)") }
        guard !isDone else { continue }
        tries += 1
        switch reaction {
        case .tryAgain where tries == 1: break
        case .tryAgainWhenHealed where tries <= 3: if tries == 3 { disk.heal() }
        case .giveUp:
          await close()
          return failures
        default:
          Issue.record("\(place): \(action) fails on a disk that works")
          await close()
          return failures
        }
      }
    }
    await close()
    return failures
  }
}

/// Makes operations of a workload fail, one after the other, and looks at what is left.
struct StoreFaultTrial<Workload: StoreWorkload> {
  let suite: String
  let scenario: FaultScenario
  /// Of how many writes one fails, in a run of its own.
  let writeCount: Int
  /// Makes the workload in a folder.
  let make: (TemporaryDirectory, FaultyDisk) throws -> Workload

  func run() async throws {
    let counted = try make(TemporaryDirectory(), FaultyDisk())
    #expect(await counted.run().isEmpty)
    #expect(counted.acknowledged == Workload.lastVersion)
    let operations = counted.disk.operations
    let sample = FaultSample(of: operations, writeCount: writeCount, suite: suite)
    for number in sample.numbers {
      let operation = operations[number - 1]
      let place = """
        operation \(number) of \(operations.count), \(operation.kind) of \
        \(operation.file.split(separator: "/").last ?? "") [\(sample.replay(number))]
        """
      for time in 0..<scenario.runsPerOperation {
        try await run(number, place, SeededGenerator(seed: sample.seed(of: number, time: time)))
      }
    }
  }

  private func run(_ number: Int, _ place: String, _ generator: SeededGenerator) async throws {
    let disk = try FaultyDisk()
    let folder = try TemporaryDirectory()
    let workload = try make(folder, disk)
    disk.failOperation(number, with: scenario.fault, scenario.extent)
    let failures = await workload.run(
      place, expecting: scenario.fault == .diskFull ? .diskFull : .inputOutput, scenario.reaction)
    #expect(disk.failureCount > 0, "\(place): the fault was never reached")
    // Unless it comes while closing, which reports nothing, or where everything ends well all the same.
    if scenario.extent == .everyOneAfter, workload.acknowledged < Workload.lastVersion {
      #expect(!failures.isEmpty, "\(place): nothing was reported")
    }
    var generator = generator
    try scenario.losePower(of: disk, &generator)
    do { try await judge(workload, place) } catch { Issue.record("\(place): \(error)") }
  }

  /// Opens the store as a program does that knows nothing of what happened.
  private func judge(_ workload: Workload, _ place: String) async throws {
    let path = workload.path
    guard Bytes.exists(path) else {
      #expect(workload.attempted == 0, "\(place): the file is gone")
      return
    }
    let factory = try Fixture.factory()
    if scenario.power != nil {
      // Before anything is put right: a power cut may break the log, but must not look like manipulation.
      let before = try await Verifier(factory: factory, isQuick: true).run(path)
      #expect(before.findings.allSatisfy { $0.kind == .logBroken }, "\(place): \(before.findings)")
    }
    let version = try await workload.version(place)
    // A transaction whose commit failed may be in the file all the same: the disk took it, and then said no.
    #expect(version <= workload.attempted, "\(place)")
    let first = scenario.waitsForDisk || scenario.power == nil ? workload.acknowledged : 0
    #expect(version >= first, "\(place): an acknowledged version is lost")
    try await StoreJudge.expectSound(path, place)
    guard version < Workload.lastVersion else { return }
    try await workload.goOn(from: version)
    #expect(try await workload.version(place) == version + 1, "\(place): after going on")
  }
}

extension StoreJudge {
  static func expectSound(_ path: String, _ place: String) async throws {
    let findings = try await findings(path, Fixture.factory())
    #expect(findings.isEmpty, "\(place): \(findings)")
  }
}
