import EncryptedStorage
import FaultInjection
import HostelMigrations
import Migrations
import TestSupport
import Testing

/// A disk that fails, is full, or loses power at operations of a run: what was said to be applied is there, and no
/// migration is half there.
@Suite("Slow: migrations on a disk that fails")
struct SlowFaultTests {
  private static let scenarios = FaultScenario.all.filter {
    ["one error", "a full disk, until there is space again", "a power cut", "a power cut with torn writes"]
      .contains($0.description)
  }

  private struct Outcome {
    var appliedCount = 0
    var failure: (any Error)?
  }

  private func migrate(_ work: Workshop, on disk: FaultyDisk) async throws -> Outcome {
    var configuration = ConnectionFactory.Configuration()
    configuration.fileSystem = disk.name
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let count = Locked(0)
    var outcome = Outcome()
    do {
      let file = DatabaseFile(path: work.path, mode: .readWriteCreate)
      let database = try await LocalDatabase.open(file, isChanging: true, factory: factory)
      do {
        let catalog = try MigrationCatalog(try HostelMigrations.all())
        try await Migrator(catalog, on: database) { event in
          if case .appliedMigration = event { count.withLock { $0 += 1 } }
        }.up()
      } catch { outcome.failure = error }
      await database.close()
    } catch { outcome.failure = error }
    outcome.appliedCount = count.withLock(\.self)
    return outcome
  }

  @Test(arguments: scenarios) func keepsWholeMigrations(scenario: FaultScenario) async throws {
    let counting = try FaultyDisk()
    let clean = try await migrate(try Workshop(), on: counting)
    try #require(clean.appliedCount == 10 && clean.failure == nil)
    let sample = FaultSample(of: counting.operations, writeCount: 24, suite: "MigrationsTests.SlowFault")
    var counts: Set<Int> = []
    for number in sample.numbers {
      for time in 0..<scenario.runsPerOperation {
        let place: Comment = "\(scenario), operation \(number): \(sample.replay(number))"
        let work = try Workshop()
        let disk = try FaultyDisk()
        disk.failOperation(number, with: scenario.fault, scenario.extent)
        let outcome = try await migrate(work, on: disk)
        if outcome.appliedCount < 10 {
          let code = (outcome.failure as? EncryptedStorageError)?.code
          #expect(code == (scenario.fault == .diskFull ? .diskFull : .inputOutput), place)
        }
        var generator = SeededGenerator(seed: sample.seed(of: number, time: time))
        try scenario.losePower(of: disk, &generator)
        guard Bytes.exists(work.path) else {
          #expect(outcome.appliedCount == 0, place)
          continue
        }
        let recordedCount = try work.expectWholeMigrations(place)
        // A commit that failed may be there all the same: the disk took it, and then said no.
        #expect((outcome.appliedCount...outcome.appliedCount + 1).contains(recordedCount), place)
        counts.insert(recordedCount)
        try work.succeed("up")
        #expect(try work.expectWholeMigrations(place) == 10, place)
      }
    }
    #expect(counts.isSuperset(of: 1...9), "\(counts)")
  }
}
