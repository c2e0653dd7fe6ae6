import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

@Suite("Pulling a working copy", .serialized)
struct PullTests {
  static let schema = [
    "CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO bed VALUES (1, '\(Canary.text)'), (2, 'lower')",
  ]

  @Test func leavesAnOrdinaryFileThatTheCommandLineOpensWithTheKeyAlone() async throws {
    let office = try await Office(Self.schema)
    let outcome = try await office.pull()
    #expect(outcome.hasChanged)
    #expect(try office.local("SELECT id, name FROM bed ORDER BY id") == ["1|\(Canary.text)", "2|lower"])
    let without = try SQLCipherShell.run(office.path, "SELECT count(*) FROM bed;")
    #expect(without.status != 0)
    let wrong = try SQLCipherShell.run(office.path, key: TestKeys.thirdHex, "SELECT count(*) FROM bed;")
    #expect(wrong.status != 0)
    #expect(Bytes.mode(office.path) == 0o600)
    try await office.expectEqual()
    let names = try office.folder.contents().keys.sorted()
    #expect(names == ["copy.db", "copy.db.albergue-base", "copy.db.albergue-lock"])
  }

  @Test func takesOverWhatTheRemoteDidAndKeepsTheModeOfTheFile() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    #expect(try await !office.pull().hasChanged)
    try Bytes.setMode(office.path, 0o640)
    try await office.run(["UPDATE bed SET name = 'upper' WHERE id = 2", "CREATE INDEX bed_name ON bed (name)"])
    #expect(try await office.pull().hasChanged)
    #expect(try office.local("SELECT name FROM bed WHERE id = 2") == ["upper"])
    #expect(Bytes.mode(office.path) == 0o640)
    try await office.expectEqual()
  }

  @Test func refusesToLoseChangesUnlessToldTo() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (3, 'mine')")
    #expect(await code { try await office.pull() } == .unpushedChanges)
    try await office.run(["INSERT INTO bed VALUES (4, 'theirs')"])
    #expect(await code { try await office.pull() } == .unpushedChanges)
    #expect(try office.local("SELECT count(*) FROM bed") == ["3"])
    #expect(try await office.copy().pull(droppingChanges: true).hasChanged)
    #expect(try office.local("SELECT group_concat(id) FROM bed") == ["1,2,4"])
    try await office.expectEqual()
  }

  @Test func takesAFileThatWasOnlyRewrittenForUnchanged() async throws {
    let office = try await Office(Self.schema + ["CREATE TABLE note (text)", "INSERT INTO note VALUES ('a'), ('b')"])
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (3, 'mine'); DELETE FROM bed WHERE id = 3; VACUUM;")
    try await office.run(["INSERT INTO bed VALUES (4, 'theirs')"])
    #expect(try await office.pull().hasChanged)
    try await office.expectEqual()
  }

  @Test func refusesWhileAProcessHasTheFileOpen() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    let holder = ChildProgram()
    holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    holder.arguments = ["sqlcipher", "-batch", office.path]
    let (input, output) = (Pipe(), Pipe())
    holder.setInput(input)
    holder.setOutput(output)
    try holder.run()
    input.fileHandleForWriting.write(
      Data("PRAGMA key = \"x'\(TestKeys.secondHex)'\"; SELECT count(*) FROM bed;\n".utf8))
    var answer = Data()
    while !answer.contains(UInt8(ascii: "2")) { answer += output.fileHandleForReading.availableData }
    for attempt in [{ _ = try await office.pull() }, { _ = try await office.push() }] as [() async throws -> Void] {
      let error = await failure(of: attempt) as? EncryptedStorageError
      #expect(error?.code == .busy)
    }
    try input.fileHandleForWriting.close()
    holder.waitUntilExit()
    #expect(try await !office.pull().hasChanged)
    try office.expectNoPlaintext()
  }

  @Test func refusesAnotherRunAtTheSameTime() async throws {
    let office = try await Office(Self.schema)
    let codes = Locked<[WorkingCopyError.Code?]>([])
    let copy = try office.copy(beforePull: {
      let other = await code { try await office.pull() }
      codes.withLock { $0.append(other) }
    })
    _ = try await copy.pull()
    let found = codes.withLock { $0 }
    #expect(found == [WorkingCopyError.Code.busy])
    try office.expectNoPlaintext()
  }

  @Test func touchesNoFileThatItHasNotMade() async throws {
    let office = try await Office(Self.schema)
    try await Sample.make(office.path, key: try TestKeys.second())
    let before = try Bytes.read(office.path)
    #expect(await code { try await office.pull() } == .notAWorkingCopy)
    #expect(await code { try await office.copy().pull(droppingChanges: true) } == .notAWorkingCopy)
    #expect(await code { try await office.push() } == .notAWorkingCopy)
    #expect(try Bytes.read(office.path) == before)
  }

  @Test func saysThatTheKeyIsWrongBeforeAnythingIsFetched() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    let asked = Locked(false)
    let copy = try office.copy(key: try TestKeys.first(), beforePull: { asked.withLock { $0 = true } })
    let error = await failure { try await copy.pull() } as? EncryptedStorageError
    #expect(error?.code == .wrongKey)
    let wasAsked = asked.withLock { $0 }
    #expect(!wasAsked)
  }

  @Test func makesTheWorkingCopyOfADatabaseThatWasMadeAnew() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (3, 'mine')")
    try office.recreate()
    try await office.run(["CREATE TABLE other (id INTEGER PRIMARY KEY)", "INSERT INTO other VALUES (7)"])
    #expect(await code { try await office.push() } == .otherRemote)
    #expect(await code { try await office.pull() } == .unpushedChanges)
    _ = try await office.copy().pull(droppingChanges: true)
    #expect(try office.local("SELECT id FROM other") == ["7"])
    try await office.expectEqual()
  }

  @Test func settlesWhatAKilledRunLeftBetweenTheTwoRenames() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    let formerBase = try Bytes.read(office.path + ".albergue-base")
    try await office.run(["INSERT INTO bed VALUES (4, 'theirs')"])
    try await office.pull()
    // As if the new base had not got its name yet.
    try Bytes.write(try Bytes.read(office.path + ".albergue-base"), to: office.path + ".albergue-next")
    try Bytes.write(formerBase, to: office.path + ".albergue-base")
    try office.change("INSERT INTO bed VALUES (5, 'mine')")
    #expect(try await office.push().kind == .pushed)
    #expect(try await office.rows("SELECT id FROM bed ORDER BY id") == ["1", "2", "4", "5"])
    try await office.expectEqual()
  }

  @Test func makesALostBaseAnewUnlessThereAreChanges() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try FileManager.default.removeItem(atPath: office.path + WorkingCopy.baseSuffix)
    try await office.pull()
    #expect(Bytes.exists(office.path + WorkingCopy.baseSuffix))
    try office.change("INSERT INTO bed VALUES (3, 'mine')")
    try FileManager.default.removeItem(atPath: office.path + WorkingCopy.baseSuffix)
    #expect(await code { try await office.push() } == .notAWorkingCopy)
    #expect(await code { try await office.pull() } == .notAWorkingCopy)
    #expect(try office.local("SELECT count(*) FROM bed") == ["3"])
    #expect(try await office.copy().pull(droppingChanges: true).hasChanged)
    try await office.expectEqual()
  }

  @Test func refusesTheBaseOfAnotherWorkingCopy() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    let former = try Bytes.read(office.path + WorkingCopy.baseSuffix)
    try await office.run(["INSERT INTO bed VALUES (4, 'theirs')"])
    try await office.pull()
    try Bytes.write(former, to: office.path + WorkingCopy.baseSuffix)
    try office.change("INSERT INTO bed VALUES (3, 'mine')")
    #expect(await code { try await office.push() } == .notAWorkingCopy)
    #expect(try await office.rows("SELECT id FROM bed ORDER BY id") == ["1", "2", "4"])
  }
}
