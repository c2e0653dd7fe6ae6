import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

@testable import torture

/// The checks of a round on files that are altered: each must see it.
@Suite("Torture: checks")
struct CheckerTests {
  private let scene: Scene

  init() throws { scene = try Scene(seed: 1) }

  @Test func everySecretInClearIsFoundInAnyFile() throws {
    #expect(try SecrecyScan.findings(in: scene.root.path) == [])
    for (index, secret) in SecrecyScan.secrets.enumerated() {
      let folder = scene.root.file("folder \(index)")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Bytes.write(Data("before".utf8) + secret.bytes + Data("after".utf8), to: folder + "/any.db-wal")
      #expect(try SecrecyScan.findings(in: folder).contains("any.db-wal: \(secret.name)"))
    }
  }

  @Test func anEncryptedFileHoldsNoSecretAndAPlainOneDoes() async throws {
    try await Sample.make(scene.root.file("x.db"), key: TestKeys.first())
    #expect(try SecrecyScan.findings(in: scene.root.path) == [])
    let result = try SQLCipherShell.run(scene.root.file("plain.db"), Sample.sql)
    #expect(result.status == 0)
    #expect(try SecrecyScan.findings(in: scene.root.path).count == 3)
  }

  @Test func anAlteredPageIsFound() async throws {
    let path = scene.root.file("x.db")
    try await SampleStore.makePrimary(path, key: TestKeys.first())
    let factory = try Scene.serverFactory()
    #expect(try await StoreCheck.findings(path, factory) == [])
    #expect(try await StoreCheck.findingsAfterPowerCut(path, factory) == [])
    try Bytes.flip(path, byte: Bytes.size(path) / 2)
    #expect(try await StoreCheck.findings(path, factory) != [])
    #expect(try await StoreCheck.findingsAfterPowerCut(path, factory) != [])
  }

  @Test func anAlteredRowMakesAnotherContent() throws {
    let (one, other) = (try PlainDatabase(), try PlainDatabase())
    let queries = ["SELECT name FROM sqlite_schema ORDER BY name", "SELECT 't: ' || quote(a) FROM t ORDER BY rowid"]
    func lines(_ database: PlainDatabase) -> [String] {
      queries.flatMap { database.run($0).rows.map { $0.first?.text ?? "" } }
    }
    for database in [one, other] {
      #expect(database.run("CREATE TABLE t (a)").failure == nil)
      #expect(database.run("INSERT INTO t VALUES (1), ('secret'), (NULL)").failure == nil)
    }
    #expect(ContentCheck.differences(lines(other), lines(one)) == [])
    #expect(other.run("UPDATE t SET a = 2 WHERE a = 1").failure == nil)
    let found = ContentCheck.differences(lines(other), lines(one))
    #expect(found == ["line 1 of 4 differs, of 4 expected: t"])
    #expect(other.run("DELETE FROM t").failure == nil)
    #expect(ContentCheck.differences(lines(other), lines(one)).count == 1)
  }

  @Test func aStatementThatAnswersOtherwiseIsADifference() throws {
    let plain = try PlainDatabase()
    #expect(plain.run("SELECT 1, 'a', NULL, x'00ff', 1.5").rows == [[1, "a", nil, .blob([0, 255]), 1.5]])
    #expect(plain.run("SELECT * FROM nowhere").failure == 1)
    #expect(plain.run("BEGIN").isAutocommit == false)
    #expect(plain.run("ROLLBACK").isAutocommit)
  }

  @Test func whatAPowerCutLosesIsNotThereAndWhatWasSynchronizedIs() throws {
    let library = try PowerCutLibrary(in: scene.aside)
    let path = scene.root.file("x.db")
    // Python writes as directly as our programs do.
    let program = """
      import os, sys
      file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
      os.pwrite(file, b"a" * 4096, 0)
      os.fsync(file)
      os.pwrite(file, b"b" * 4096, 0)
      os.pwrite(file, b"c" * 4096, 4096)
      os.rename(sys.argv[1], sys.argv[1] + ".db")
      os.fsync(file)
      """
    var outcomes: Set<String> = []
    for seed in 1...40 {
      for name in [path, path + ".db"] { try? FileManager.default.removeItem(atPath: name) }
      let cut = library.cut(atOperation: 6, seed: UInt64(seed), in: scene)
      let result = try Subprocess.run("python3", ["-c", program, path], environment: cut.environment)
      #expect(result.status == 137)
      #expect(try PowerCutLibrary.outcome(of: cut, in: scene).waitingCount == 2)
      try FileManager.default.removeItem(atPath: scene.aside.file("power-cut-report"))
      let isRenamed = Bytes.exists(path + ".db")
      #expect(isRenamed != Bytes.exists(path))
      let data = try Bytes.read(isRenamed ? path + ".db" : path)
      #expect(data.count >= 4096 && data.count <= 8192)
      // Sectors are whole: of the old or the new write.
      for sector in stride(from: 0, to: 4096, by: 512) { #expect(Set(data[sector..<(sector + 512)]).count == 1) }
      outcomes.insert("renamed \(isRenamed)")
      outcomes.insert(data.prefix(4096).allSatisfy { $0 == UInt8(ascii: "a") } ? "lost" : "there, at least in part")
    }
    #expect(outcomes == ["renamed true", "renamed false", "lost", "there, at least in part"])
  }

  @Test func withoutSynchronisingNothingIsSure() throws {
    let library = try PowerCutLibrary(in: scene.aside)
    let path = scene.root.file("x.db")
    let program = "import os, sys; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.pwrite(f, b'a' * 4096, 0)"
    var sizes: Set<Int> = []
    for seed in 1...20 {
      try? FileManager.default.removeItem(atPath: path)
      // The program ends well, and then the power goes.
      let cut = library.cut(atOperation: 1000, seed: UInt64(seed), in: scene)
      #expect(try Subprocess.run("python3", ["-c", program, path], environment: cut.environment).status == 0)
      sizes.insert(Bytes.size(path))
    }
    #expect(sizes.contains(0) && sizes.contains(4096))
  }
}
