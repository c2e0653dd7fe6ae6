import Foundation
import HTTPTypes
import HummingbirdCore
import LibSQLProtocol
import NIOCore
import TestSupport
import Testing

@testable import Primary

/// Replicas and writers at the same time, and clients that go away, over HTTP.
@Suite struct ReplicationConcurrencyTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// What `Bookkeeping` keeps in step with every transaction.
  private static let judgeSQL = """
    PRAGMA integrity_check; SELECT min(account.version) = max(account.version) AND max(account.version) = state.version
      AND sum(balance) = count(*) * 1000 AND (SELECT count(*) FROM ledger) = ledger_count
      AND (SELECT coalesce(sum(length(note)), 0) FROM ledger) = ledger_bytes FROM account, state;
    """

  @Test func whatIsPulledDuringCommitsIsOneCommit() async throws {
    var options = ReplicationService.Options()
    // Fewer than replicas.
    options.snapshotCountLimit = 2
    let primary = try await ReplicationPrimary.make(in: folder, options: options)
    let writing = Task {
      var generator = SeededGenerator(seed: 11)
      for version in 1...60 {
        try await primary.commit(Bookkeeping.change(to: version, &generator))
        if version % 16 == 0 { try await primary.run("VACUUM") }
      }
    }
    try await withThrowingTaskGroup(of: ReplicaImage.self) { group in
      for _ in 1...3 {
        group.addTask {
          var replica = SyncReplica()
          for _ in 1...25 { try await replica.pull(primary) }
          return replica.image
        }
        group.addTask {
          var replica = LogReplica()
          for _ in 1...25 { try await replica.pull(primary) }
          return replica.image
        }
        group.addTask {
          var replica = PullReplica()
          for _ in 1...25 { try await replica.pull(primary, longPoll: 5) }
          return replica.image
        }
      }
      for try await image in group { #expect(try image.lines(folder, Self.judgeSQL) == ["ok", "1"]) }
    }
    try await writing.value
    var last = SyncReplica()
    try await last.pull(primary)
    try await last.image.expectEqual(primary, "at the end")
    #expect(await primary.service.counters().openSnapshots == 0)
    await primary.close()
  }

  /// Reads an answer to its end, and says how it ended.
  private static let download = """
    import http.client, sys
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.request(sys.argv[2], sys.argv[3])
    response = connection.getresponse()
    try:
        print(response.status, len(response.read()))
    except (http.client.IncompleteRead, ConnectionError) as error:
        print(response.status, "cut off")
    """

  @Test(arguments: [["GET", "/export/1"], ["POST", "/pull-updates"], ["GET", "/sync/1/1/129"]])
  func anAnswerThatFailsIsCutOffOnTheWire(request: [String]) async throws {
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (note)")
    try await primary.run("INSERT INTO a VALUES (zeroblob(4000000))")
    let download = { () async throws -> [String] in
      try await ReplicationServer.serve(primary) { port in
        let result = try await ReplicationServer.python(
          Judges.root + "/.tools/judges/bin/python3", Self.download, ["\(port)"] + request)
        return result.output.split(separator: "\n").map(String.init)
      }
    }
    let whole = try await download()
    #expect(whole.count == 1 && whole[0].hasPrefix("200 4"), "\(whole)")
    await primary.close()
    try Bytes.flip(primary.path, byte: 4096 * 700 + 100)
    try await primary.start()
    #expect(try await download() == ["200 cut off"])
    #expect(await primary.service.counters().openSnapshots == 0)
    await primary.close()
  }
}
