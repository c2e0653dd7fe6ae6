import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import LibSQLClient

/// Client and server of this project, in two processes.
@Suite("Against albergue-primary", .serialized, .timeLimit(.minutes(20)))
struct PrimaryPeerTests {
  private func statement(_ sql: String, _ arguments: Hrana.Value...) -> Hrana.Statement {
    Hrana.Statement(.text(sql), arguments: arguments)
  }

  @Test(arguments: SQLPeer.available) func valuesOfEveryTypeComeBackAsTheyWere(_ peer: SQLPeer) async throws {
    let server = try await peer.start()
    let client = HranaClient(try server.remote())
    let values: [Hrana.Value] = [
      .null, .integer(.min), .integer(.max), .float(0.1), .float(-0.0), .text(""), .text("é\"\\/ \u{1F600}\n"),
      .blob([]),
      .blob([0, 255, 7]),
    ]
    try await client.sequence("DROP TABLE IF EXISTS v; CREATE TABLE v (id INTEGER PRIMARY KEY, x)")
    for value in values { _ = try await client.execute(statement("INSERT INTO v (x) VALUES (?)", value)) }
    let result = try await client.execute(statement("SELECT x FROM v ORDER BY id"), isRepeatable: true)
    #expect(result.rows.map { $0[0] } == values)
    let description = try await client.describe("SELECT id, x FROM v WHERE id = :id")
    #expect(description.isReadOnly)
    #expect(description.columns.compactMap(\.name) == ["id", "x"])
    #expect(try await client.version() == .three)
  }

  @Test(arguments: SQLPeer.available) func transactionsAreCommittedRolledBackAndRefused(_ peer: SQLPeer) async throws {
    let server = try await peer.start()
    let client = HranaClient(try server.remote())
    try await client.sequence("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL)")
    let value = try await client.transaction { transaction in
      _ = try await transaction.execute(self.statement("INSERT INTO t VALUES (1, 'one')"))
      let failed = await remoteError {
        try await transaction.execute(self.statement("INSERT INTO t VALUES (1, 'again')"))
      }
      #expect(failed?.code == .statement)
      #expect(failed?.remoteCode?.hasPrefix("SQLITE_CONSTRAINT") == true)
      return try await transaction.execute([
        self.statement("INSERT INTO t VALUES (2, ?)", .text("two")), self.statement("SELECT count(*) FROM t"),
      ]).last?.rows.first
    }
    #expect(value.value == [.integer(2)])
    await #expect(throws: CancellationError.self) {
      try await client.transaction { transaction in
        _ = try await transaction.execute(self.statement("DELETE FROM t"))
        throw CancellationError()
      }
    }
    // SQLite rolls the transaction back by itself; what follows must not run outside of it.
    let gone = await remoteError {
      try await client.transaction { transaction in
        _ = await remoteError {
          try await transaction.execute(self.statement("INSERT OR ROLLBACK INTO t VALUES (1, 'x')"))
        }
        _ = try await transaction.execute(self.statement("DELETE FROM t"))
      }
    }
    #expect(gone?.code == .transactionClosed || gone?.code == .streamExpired, "\(String(describing: gone))")
    let failed = await remoteError {
      try await client.executeAtomically([
        self.statement("INSERT INTO t VALUES (3, 'three')"), self.statement("INSERT INTO t VALUES (1, 'x')"),
      ])
    }
    #expect(failed?.remoteCode?.hasPrefix("SQLITE_CONSTRAINT") == true)
    let done = try await client.executeAtomically([statement("INSERT INTO t VALUES (4, 'four') RETURNING id")])
    #expect(done.results.first?.rows == [[.integer(4)]])
    let rows = try await client.execute(statement("SELECT id FROM t ORDER BY id")).rows
    #expect(rows == [[.integer(1)], [.integer(2)], [.integer(4)]])
  }

  @Test func aTransactionThatWaitsTooLongIsExpired() async throws {
    let primary = try await PrimaryProcess.start(["--transaction-secs", "0.2", "--stream-idle-secs", "0.2"])
    let client = HranaClient(try primary.remote())
    let transaction = try await client.begin()
    // The limit is the server's; nothing tells when it has passed.
    try await Task.sleep(for: .seconds(1))
    let error = await remoteError { try await transaction.execute(self.statement("SELECT 1")) }
    let isGone = error?.code == .streamExpired || error?.code == .transactionClosed
    #expect(isGone, "\(String(describing: error))")
    #expect(error?.mayHaveRun == false)
  }

  @Test(arguments: SQLPeer.available) func aCursorGivesManyRows(_ peer: SQLPeer) async throws {
    let server = try await peer.start()
    let client = HranaClient(try server.remote())
    let sql =
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i, hex(i) FROM n"
    var count: Int64 = 0
    for try await entry in client.cursor(Hrana.Batch(steps: [Hrana.BatchStep(statement(sql))]), isRepeatable: true) {
      guard case .row(let row) = entry else { continue }
      count += 1
      #expect(row[0] == .integer(count))
    }
    #expect(count == 50_000)
  }

  @Test func pushedChangesAreFoundByTheirTracker() async throws {
    let primary = try await PrimaryProcess.start()
    let client = HranaClient(try primary.remote())
    try await client.sequence("CREATE TABLE t (id INTEGER PRIMARY KEY, s)")
    let push = ChangePush(client, clientID: "replica-1")
    #expect(try await push.tracker() == nil)
    let first = PushTracker(pullGeneration: 1, changeID: 10)
    _ = try await push.push([statement("INSERT INTO t VALUES (1, 'a')")], tracker: first)
    let second = PushTracker(pullGeneration: 1, changeID: 11)
    let failed = await remoteError {
      try await push.push([self.statement("INSERT INTO t VALUES (1, 'b')")], tracker: second)
    }
    #expect(failed?.code == .statement)
    #expect(try await push.tracker() == first)
  }

  @Test(arguments: [ReplicationProtocol.v2, .v1, .pullUpdates])
  func aReplicaEqualsThePrimary(by name: ReplicationProtocol) async throws {
    let primary = try await PrimaryProcess.start()
    let remote = try primary.remote()
    let client = HranaClient(remote)
    try await client.sequence("CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)")
    let fill =
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
      + "INSERT INTO t (s) SELECT printf('row %d %s', i, hex(randomblob(100))) FROM n"
    _ = try await client.execute(statement(fill))
    var replica = Replica()
    switch name {
    case .v2:
      let generation = try await V2Client(remote).currentGeneration()
      try await replica.fill(V2Client(remote).image(generation: generation))
    case .v1: try await replica.apply(V1Client(remote).pull(from: nil))
    case .pullUpdates: try await replica.fill(PullUpdatesClient(remote).image(chunkPageCount: 50))
    }
    try await pull(&replica, remote)
    #expect(try await replica.rows() == rows(client))
    for change in ["UPDATE t SET s = upper(s) WHERE id % 7 = 0", "DELETE FROM t WHERE id > 1000", "VACUUM", fill] {
      // VACUUM may be refused to clients; the others are not.
      if let error = await remoteError({ try await client.execute(self.statement(change)) }) {
        #expect(change == "VACUUM", "\(error)")
      }
      try await pull(&replica, remote)
      #expect(try await replica.rows() == rows(client), "\(change)")
      #expect(try await replica.check() == "ok")
    }
    let position = replica.position
    try await pull(&replica, remote)
    #expect(replica.position == position, "nothing new moves nothing")
  }

  private func pull(_ replica: inout Replica, _ remote: Remote) async throws {
    switch try #require(replica.position) {
    case .v2(let generation, let frame):
      try await replica.apply(V2Client(remote).pull(generation: generation, frame: frame))
    case .v1(let logID, let frame): try await replica.apply(V1Client(remote).pull(from: (logID, frame)))
    case .pullUpdates(let revision): try await replica.apply(PullUpdatesClient(remote).pull(from: revision))
    }
  }

  private func rows(_ client: HranaClient) async throws -> String {
    try await client.execute(statement("SELECT * FROM t ORDER BY 1"), isRepeatable: true).rows.map { row in
      row.map { value in
        switch value {
        case .integer(let number): "\(number)"
        case .text(let text): text
        default: "\(value)"
        }
      }.joined(separator: "|") + "\n"
    }.joined()
  }

  @Test func theProtocolIsTheOneThatTheServerWants() async throws {
    let primary = try await PrimaryProcess.start()
    #expect(try await ProtocolProbe(try primary.remote()).replicationProtocol() == .v2)
    let old = try await PrimaryProcess.start(["--no-v2"])
    #expect(try await ProtocolProbe(try old.remote()).replicationProtocol() == .v1)
  }
}
