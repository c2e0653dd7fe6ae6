import Foundation
import LibSQLClient
import Migrations
import TestSupport
import Testing

/// `albergue-migration` is killed at each of its requests in turn: before the server gets it, after it has acted, and before
/// it acts on it late.
@Suite("Slow: killed runners of remote migrations", .serialized)
struct SlowRemoteKillTests {
  private let remote: RemoteWorkshop
  private let proxy: FaultProxy

  init() throws {
    remote = try RemoteWorkshop()
    proxy = try FaultProxy(before: remote.primary.port)
  }

  /// - Returns: the exit code, negative for a signal.
  private func kill(_ arguments: [String], at request: Int, _ moment: String) throws -> Int32 {
    let (process, go) = try remote.start(arguments, through: proxy.url)
    try proxy.set(
      #"{"path": "/", "skip": \#(request - 1), "times": 1, "drop": "\#(moment)", "kill": \#(process.processIdentifier)}"#
    )
    go.fileHandleForWriting.write(Data("\n".utf8))
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
  }

  /// The first migrations are there whole, and nothing else.
  private func expectWhole(_ cause: Comment) async throws {
    let versions = try await remote.versions()
    #expect(versions == Array(SeaORMDatabase.versions.prefix(versions.count)), cause)
    let schema = try await remote.schema().filter { !$0.contains("_albergue_migrations") }
    #expect(
      Array(schema.drop { $0 == SeaORMDatabase.tracker }) == SeaORMDatabase.definitions(min(9, versions.count)), cause)
    if !versions.isEmpty {
      #expect(try await remote.rows("SELECT count(*) FROM users") == [versions.count == 10 ? "1" : "0"], cause)
    }
    try await remote.expectSound(cause)
  }

  @Test(arguments: ["before", "after", "late"], [["up"], ["migrate-remote"]])
  func leaveWholeMigrationsAndALeaseThatEnds(_ moment: String, _ arguments: [String]) async throws {
    var request = 1
    while true {
      let cause: Comment = "\(arguments) killed \(moment) request \(request)"
      let status = try kill(arguments, at: request, moment)
      if status == 0 { break }
      try #require(status == -SIGKILL, cause)
      try await expectWhole(cause)
      try await remote.expireLease()
      _ = try remote.succeed(arguments[0], "--wait-secs", "0")
      #expect(try await remote.versions() == SeaORMDatabase.versions, cause)
      try await expectWhole(cause)
      // What the dead one had sent arrives, and finds another state than the one that it was for.
      _ = try proxy.release()
      #expect(try await remote.versions() == SeaORMDatabase.versions, cause)
      try await expectWhole(cause)
      try await remote.clear()
      request += 1
    }
    #expect(request > 20)
  }

  @Test(arguments: ["before", "after"])
  func areContinuedByRefreshAndFresh(_ moment: String) async throws {
    for command in ["refresh", "fresh"] {
      var request = 1
      while true {
        let cause: Comment = "\(command) killed \(moment) request \(request)"
        _ = try remote.succeed("up")
        let status = try kill([command, "--allow-destructive"], at: request, moment)
        if status == 0 { break }
        try #require(status == -SIGKILL, cause)
        try await expectWhole(cause)
        try await remote.expireLease()
        _ = try remote.succeed("up", "--wait-secs", "0")
        #expect(try await remote.versions() == SeaORMDatabase.versions, cause)
        try await expectWhole(cause)
        try await remote.clear()
        request += 3
      }
      #expect(request > 20)
      try proxy.set()
    }
  }
}
