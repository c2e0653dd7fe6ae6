import EncryptedStorage
import Foundation
import LibSQLClient
import PageStore
import TestSupport
import Testing

@testable import ReplicaSync

/// `verify --remote`: whether a replica is what its remote is.
@Suite("Comparison with the remote", .serialized)
struct RemoteComparisonTests {
  let hostel: Hostel

  init() async throws {
    hostel = try Hostel()
    try await hostel.sequence("CREATE TABLE bed (id INTEGER PRIMARY KEY, guest TEXT)")
    try await fill(400)
  }

  private func fill(_ count: Int) async throws {
    try await hostel.run([
      """
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
      INSERT INTO bed (guest) SELECT '\(Canary.text)' || hex(randomblob(500)) FROM n
      """
    ])
  }

  private func compare() async throws -> RemoteComparisonReport {
    try await RemoteComparison(hostel.path, factory: Hostel.factory(), remote: hostel.remote()).run()
  }

  /// Writes into a stored page what its key holder could write: authentic, and not the remote's.
  private func alter(_ page: UInt32) async throws {
    let container = try await Hostel.factory().openContainer(hostel.path, .writer)
    try await container.transaction { session in
      let value = try session.value("SELECT data FROM head WHERE page = ?", [.integer(Int64(page))])
      var bytes = try #require(value.blob)
      bytes[1000] ^= 1
      try session.execute("UPDATE head SET data = ? WHERE page = ?", [.blob(bytes), .integer(Int64(page))])
    }
    await container.close()
  }

  private func verify(_ arguments: String...) throws -> Subprocess {
    try Subprocess.run(
      Executables.path("albergue-crypt"), ["verify", hostel.path, "--remote"] + arguments,
      environment: [
        "TURSO_DATABASE_URL": try hostel.server.url, "TURSO_AUTH_TOKEN": Hostel.token,
        "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"),
      ])
  }

  @Test(arguments: protocols)
  func aFreshReplicaIsEqualInEveryPage(_ name: ReplicationProtocol) async throws {
    try await hostel.pull(name)
    try await fill(50)
    try await hostel.pull()
    let files = try hostel.folder.contents().keys.sorted()
    let report = try await compare()
    #expect(report.isEqual && report.isCurrent)
    #expect(report.protocol == name.rawValue)
    #expect(report.comparedPageCount == Int(report.imagePageCount) && report.changedPageCount == 0)
    #expect(try hostel.folder.contents().keys.sorted() == files)
    try await hostel.expectEqual()
  }

  @Test(arguments: protocols)
  func aReplicaThatIsBehindIsComparedWhereTheRemoteHasNotChanged(_ name: ReplicationProtocol) async throws {
    try await hostel.pull(name)
    let before = try await hostel.state().image
    try await hostel.run(["UPDATE bed SET guest = 'another' WHERE id = 7"])
    let report = try await compare()
    #expect(report.isEqual && !report.isCurrent)
    #expect((1...4).contains(report.changedPageCount))
    #expect(report.comparedPageCount >= Int(report.imagePageCount) - report.changedPageCount)
    // Nothing was pulled.
    #expect(try await hostel.state().image == before)
  }

  @Test(arguments: protocols)
  func aPageThatIsAuthenticAndNotTheRemotesIsFound(_ name: ReplicationProtocol) async throws {
    try await hostel.pull(name)
    let page = try #require(try await hostel.state().image?.pageCount) / 2
    try await alter(page)
    try await hostel.run(["UPDATE bed SET guest = 'another' WHERE id = 400"])
    let report = try await compare()
    #expect(!report.isEqual)
    #expect(report.differingPages == [page])
    let result = try verify()
    #expect(result.status == 1)
    #expect(result.output.contains("remote-differs: page \(page) of the image"), "\(result.output)\(result.errors)")
    #expect(!result.output.contains(Canary.text) && !result.errors.contains(Canary.text))
    // A new image mends it.
    let syncer = try hostel.syncer()
    _ = try await syncer.replaceImage()
    await syncer.close()
    #expect(try await compare().isEqual)
  }

  @Test(arguments: protocols)
  func whileTheRemoteIsWrittenTheReplicaIsStillComparedAtOnePosition(_ name: ReplicationProtocol) async throws {
    try await hostel.pull(name)
    let writing = Task { [hostel] in
      var number = 0
      while !Task.isCancelled {
        number += 1
        try await hostel.run(["UPDATE bed SET guest = 'guest \(number)' WHERE id = \(number % 400 + 1)"])
      }
      return number
    }
    var reports: [RemoteComparisonReport] = []
    for _ in 1...5 {
      do { reports.append(try await compare()) } catch let error as SyncError { #expect(error.code == .restless) }
      try await hostel.pull()
    }
    writing.cancel()
    _ = try? await writing.value
    #expect(reports.allSatisfy { $0.isEqual })
    try await hostel.pull()
    let last = try await compare()
    #expect(last.isEqual && last.isCurrent)
  }

  @Test func anotherDatabaseAtTheAddressIsNoEqual() async throws {
    try await hostel.pull()
    try hostel.recreate()
    try await hostel.sequence("CREATE TABLE bed (id INTEGER PRIMARY KEY, guest TEXT)")
    let result = try verify()
    #expect(result.status == 76, "\(result.output)\(result.errors)")
    #expect(result.errors.contains("hint:"))
  }

  @Test func theCommandSaysWhatItComparedAndNeedsARemoteAndAReplica() async throws {
    try await hostel.pull()
    let result = try verify("--json")
    #expect(result.status == 0, "\(result.errors)")
    let output = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    let file = try #require((output["files"] as? [[String: Any]])?.first)
    let remote = try #require(file["remote"] as? [String: Any])
    #expect(remote["differingPages"] as? [Int] == [])
    #expect(remote["comparedPageCount"] as? Int == (file["store"] as? [String: Any])?["imagePageCount"] as? Int)
    let key = ["TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key")]
    let without = try Subprocess.run(
      Executables.path("albergue-crypt"), ["verify", hostel.path, "--remote"], environment: key)
    #expect(without.status == 64, "\(without.errors)")
    let database = hostel.folder.file("ordinary.db")
    let made = try Subprocess.run(Executables.path("albergue-crypt"), ["init", database], environment: key)
    #expect(made.status == 0, "\(made.errors)")
    let ordinary = try Subprocess.run(
      Executables.path("albergue-crypt"), ["verify", database, "--remote", "--url", try hostel.server.url],
      environment: key)
    #expect(ordinary.status == 65, "\(ordinary.output)\(ordinary.errors)")
    try hostel.stop()
    #expect(try verify().status == 69)
  }
}
