import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

/// The answer to the commit is lost on the way, or the commit itself is.
@Suite("Pushing over a bad line", .serialized)
struct LostAnswerTests {
  /// A table without a key shows every row that comes twice.
  static let schema = ["CREATE TABLE note (text TEXT)", "INSERT INTO note VALUES ('first')"]

  @Test func findsOutThatAPushWhoseAnswerWasLostIsCommitted() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.answer, of: "\"COMMIT\"", times: 1)
    #expect(try await office.copy(proxy.url).push().kind == .pushed)
    #expect(try proxy.lostCount() == 1)
    #expect(try await office.rows("SELECT text FROM note ORDER BY 1") == ["first", "mine"])
    try await office.expectEqual()
  }

  @Test func sendsAPushAgainWhoseCommitNeverArrived() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.request, of: "\"COMMIT\"", times: 1)
    #expect(try await office.copy(proxy.url).push().kind == .pushed)
    #expect(try await office.rows("SELECT text FROM note ORDER BY 1") == ["first", "mine"])
    try await office.expectEqual()
  }

  @Test func asksFirstWhenARunEndedWithoutKnowing() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.answer, of: "COMMIT", times: 1000)
    let copy = try office.copy(proxy.url)
    #expect(await code { try await copy.push() } == .unknownOutcome)
    try office.expectNoPlaintext()
    #expect(try await office.copy().push().kind == .alreadyPushed)
    #expect(try await office.rows("SELECT text FROM note ORDER BY 1") == ["first", "mine"])
    try await office.expectEqual()
  }

  @Test func pullsAfterAPushThatArrivedWithoutAnybodyKnowing() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.answer, of: "COMMIT", times: 1000)
    let copy = try office.copy(proxy.url)
    #expect(await code { try await copy.push() } == .unknownOutcome)
    #expect(try await office.pull().hasChanged)
    try await office.expectEqual()
  }

  @Test func sendsOnlyWhatCameAfterAPushThatArrived() async throws {
    let office = try await Office(Self.schema + ["CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT)"])
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (1, 'mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.answer, of: "COMMIT", times: 1000)
    let copy = try office.copy(proxy.url)
    #expect(await code { try await copy.push() } == .unknownOutcome)
    try office.change("INSERT INTO bed VALUES (2, 'later');")
    #expect(await code { try await office.pull() } == .unpushedChanges)
    let outcome = try await office.push()
    #expect(outcome.kind == .pushed)
    #expect(outcome.counts.inserted == 1)
    try await office.expectEqual()
  }

  @Test func refusesRowsWithoutAKeyThatMayHaveBeenPartOfAPushThatArrived() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    let proxy = try LosingProxy(before: office.server.port)
    try proxy.lose(.answer, of: "COMMIT", times: 1000)
    let copy = try office.copy(proxy.url)
    #expect(await code { try await copy.push() } == .unknownOutcome)
    try office.change("INSERT INTO note VALUES ('later');")
    #expect(await code { try await office.push() } == .unsupported)
    #expect(try await office.rows("SELECT text FROM note ORDER BY 1") == ["first", "mine"])
  }

  @Test func keepsTheWorkingCopyWhenTheRemoteIsGone() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO note VALUES ('mine');")
    office.server.stop()
    #expect(await failure { try await office.push() } != nil)
    #expect(await failure { try await office.copy().pull(droppingChanges: true) } != nil)
    #expect(try office.local("SELECT count(*) FROM note") == ["2"])
    try office.expectNoPlaintext()
  }
}
