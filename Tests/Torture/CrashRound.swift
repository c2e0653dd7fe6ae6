import EncryptedStorage
import EncryptionKeys
import Foundation
import TestSupport

/// The power goes, or the disk fails, at a seeded moment of something that changes files. Then everything is opened again:
/// with the key, at a state that was published, not older than what was reported as done, with every MAC right.
struct CrashRound {
  /// What is interrupted.
  enum Subject: String, CaseIterable {
    /// In this process, on a disk that fails as well (`FaultyDisk`).
    case apply, commit
    /// In programs of their own, whatever they write with (`power_cut.c`).
    case bootstrap, pull, push, copy, serve, rekey, profile, `import`, migration
  }

  private let scene: Scene
  private let fixtures: Fixtures
  private let record: RoundRecord

  init(_ scene: Scene, _ fixtures: Fixtures, _ record: RoundRecord) {
    self.scene = scene
    self.fixtures = fixtures
    self.record = record
  }

  func run() async throws {
    var choices = WorkloadChoices(scene.generator())
    let subject = choices.pick(Subject.allCases)
    record.setLabel("crash: \(subject.rawValue)")
    switch subject {
    case .apply: try await DiskCrash(scene, record).apply(try await fixtures.imageSeries())
    case .commit: try await DiskCrash(scene, record).commit()
    case .bootstrap, .pull: try await PullCrash(scene, try await fixtures.powerCutLibrary(), record).run(subject)
    case .push, .copy: try await PushCrash(scene, try await fixtures.powerCutLibrary(), record).run(subject)
    case .serve: try await ServerCrash(scene, try await fixtures.powerCutLibrary(), record).run()
    case .migration: try await MigrationCrash(scene, fixtures.powerCutLibrary(), record).run()
    case .rekey, .profile, .import:
      try await FileCrash(scene, try await fixtures.powerCutLibrary(), record).run(subject)
    }
  }

  /// At which operation: early ones are as likely as late ones, although there are few of them.
  ///
  /// - Parameter scale: 1 for what has a few hundred operations.
  static func operation(_ choices: inout WorkloadChoices, scale: Int = 1) -> Int {
    choices.number(1...choices.pick([6, 20, 60, 250]) * scale)
  }
}
