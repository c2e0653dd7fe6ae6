import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport

/// `albergue-crypt` rotates or imports a file, and loses power.
struct FileCrash {
  private let scene: Scene
  private let library: PowerCutLibrary
  private let record: RoundRecord
  private let path: String

  init(_ scene: Scene, _ library: PowerCutLibrary, _ record: RoundRecord) {
    self.scene = scene
    self.library = library
    self.record = record
    path = scene.root.file("x.db")
  }

  func run(_ subject: CrashRound.Subject) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    if subject == .import { try await importing(&choices) } else { try await rotating(subject, &choices) }
  }

  // MARK: - Rotation

  private func rotating(_ subject: CrashRound.Subject, _ choices: inout WorkloadChoices) async throws {
    let isStore = choices.oneIn(2)
    if isStore {
      try await SampleStore.makePrimary(path, key: TestKeys.first())
    } else {
      try await Sample.make(path, key: TestKeys.first())
    }
    let expected = try await digest(TestKeys.first())
    var arguments = ["rekey", path, "--key-file", scene.serverKeyFile]
    arguments += subject == .rekey ? ["--new-key-file", scene.replicaKeyFile] : ["--cipher", "sqlcipher4-sha256"]
    let (status, place) = try crash(arguments, &choices)

    // Under exactly one key, the old or the new one.
    let keys = subject == .rekey ? [try TestKeys.first(), try TestKeys.second()] : [try TestKeys.first()]
    var fitting: [String] = []
    for key in keys {
      do {
        record.check(try await digest(key) == expected, "\(place): another content")
        fitting.append(key.id.description)
      } catch let error as EncryptedStorageError {
        record.check(error.code == .wrongKey && keys.count > 1, "\(place): \(error)")
      }
    }
    record.check(fitting.count == 1, "\(place): the keys that fit are \(fitting)")
    if status == 0, subject == .rekey {
      record.check(fitting == ["second"], "\(place): success was reported, and the old key fits")
    }
    // Again, with whichever key it has.
    if fitting == ["second"] { arguments[3] = scene.replicaKeyFile }
    let again = try Subprocess.run(Executables.path("albergue-crypt"), arguments)
    try scene.keep(again)
    record.check(again.status == 0, "\(place): the next rotation fails: \(again.errors.prefix(300))")
    let last = try keys.last ?? TestKeys.first()
    record.check(try await digest(last) == expected, "\(place): another content after the next rotation")
    try await judgeFile(last, place)
  }

  // MARK: - Import

  private func importing(_ choices: inout WorkloadChoices) async throws {
    let source = scene.aside.file("plain.db")
    let made = try SQLCipherShell.run(source, Sample.sql)
    guard made.status == 0 else { return record.fail("the source cannot be made: \(made.errors)") }
    let expected = try SQLCipherShell.lines(source, Sample.digestSQL + ";").first
    let arguments = ["import", source, path, "--key-file", scene.serverKeyFile]
    let (status, place) = try crash(arguments, &choices)
    record.check(status != 0 || Bytes.exists(path), "\(place): success was reported, and there is no file")
    if Bytes.exists(path) {
      record.check(try await digest(TestKeys.first()) == expected, "\(place): another content")
    } else {
      let again = try Subprocess.run(Executables.path("albergue-crypt"), arguments)
      try scene.keep(again)
      record.check(again.status == 0, "\(place): the next import fails: \(again.errors.prefix(300))")
      record.check(try await digest(TestKeys.first()) == expected, "\(place): another content after the next import")
    }
    try await judgeFile(TestKeys.first(), place)
  }

  // MARK: - Both

  private func crash(
    _ arguments: [String], _ choices: inout WorkloadChoices
  ) throws -> (status: Int32, place: String) {
    let cut = library.cut(
      atOperation: CrashRound.operation(&choices), seed: scene.generator(3).firstNumber, in: scene)
    let result = try Subprocess.run(
      Executables.path("albergue-crypt"), arguments, environment: cut.environment)
    try scene.keep(result)
    record.operated()
    record.injected()
    let outcome = try PowerCutLibrary.outcome(of: cut, in: scene)
    let place = "operation \(outcome.operation), \(outcome.waitingCount) changes not synchronized"
    record.check([0, 137].contains(result.status), "\(place): ended with \(result.status): \(result.errors.prefix(300))")
    return (result.status, place)
  }

  private func factory(_ key: KeyMaterial) -> ConnectionFactory {
    ConnectionFactory(key: key, configuration: .mountingPageStores)
  }

  private func digest(_ key: KeyMaterial) async throws -> String? {
    let connection = try await factory(key).open(path)
    do {
      let value = try await connection.run { try $0.value(Sample.digestSQL) }
      await connection.close()
      return value.text
    } catch {
      await connection.close()
      throw error
    }
  }

  private func judgeFile(_ key: KeyMaterial, _ place: String) async throws {
    record.check(nothing: try await StoreCheck.findings(path, factory(key)), "\(place): the file afterwards")
  }
}
