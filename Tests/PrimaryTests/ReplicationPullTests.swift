import EncryptedStorage
import Foundation
import HTTPTypes
import HummingbirdCore
import LibSQLProtocol
import NIOCore
import PageStore
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

/// Replicas of V1 and V2 pull from a primary while it changes at random; what they hold is compared with it page by page.
@Suite struct ReplicationPullTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private static let judgeSQL = "PRAGMA integrity_check; SELECT version FROM state; PRAGMA page_count"

  @Test(arguments: [1, 2, 3] as [UInt64]) func replicasOfAnyLagHoldWhatThePrimaryHolds(seed: UInt64) async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var generator = SeededGenerator(seed: seed)
    let lags = [1, 2, 7, 23, 59]
    var syncReplicas = lags.map { _ in SyncReplica() }
    var logReplicas = lags.map { _ in LogReplica() }
    for version in 1...120 {
      let place = "seed \(seed), version \(version)"
      try await primary.commit(Bookkeeping.change(to: version, &generator))
      if Int.random(in: 0..<12, using: &generator) == 0 { try await primary.run("VACUUM") }
      if Int.random(in: 0..<15, using: &generator) == 0 { try await primary.run("PRAGMA user_version = \(version)") }
      if Int.random(in: 0..<15, using: &generator) == 0 {
        try await primary.run("CREATE TABLE extra\(version) (a); DROP TABLE extra\(version)")
      }
      if Int.random(in: 0..<20, using: &generator) == 0 { try await primary.restart() }
      for (index, lag) in lags.enumerated() where version % lag == 0 {
        try await syncReplicas[index].pull(primary)
        try await syncReplicas[index].image.expectEqual(primary, "\(place), V2 every \(lag)")
        try await logReplicas[index].pull(primary)
        try await logReplicas[index].image.expectEqual(primary, "\(place), V1 every \(lag)")
        if lag > 6 || version % 10 == 0 {
          let pageCount = syncReplicas[index].image.pages.count
          for image in [syncReplicas[index].image, logReplicas[index].image] {
            #expect(try image.lines(folder, Self.judgeSQL) == ["ok", "\(version)", "\(pageCount)"], "\(place), \(lag)")
          }
        }
      }
    }
    let state = try await primary.service.pool.state()
    #expect(state.generation.number > 2, "too few generations for the test: \(state)")
    #expect(await primary.service.counters().openSnapshots == 0)
    await primary.close()
  }

  @Test func aReplicaThatIsUpToDateGetsNothing() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var sync = SyncReplica()
    var log = LogReplica()
    try await sync.pull(primary)
    try await log.pull(primary)
    let before = await primary.service.counters()
    try await sync.pull(primary)
    try await log.pull(primary)
    #expect(sync.requestCount == 1)
    #expect(log.calls == [.hello])
    let offset = LogOffset(nextOffset: try #require(log.position).frameNumber + 1)
    let answer = try await call(primary, .batchLogEntries, offset.encoded)
    #expect(try FrameBatch.decode(GRPCMessageReader.response(answer.body)[...]) == [])
    let after = await primary.service.counters()
    #expect(after.framesServed == before.framesServed)
    #expect(after.emptyPulls == before.emptyPulls + 2)
    await primary.close()
  }

  @Test func aSmallChangeIsAFewFramesAndALargeOneASnapshot() async throws {
    let primary = try await ReplicationPrimary.make(
      in: folder, "CREATE TABLE a (n, note); INSERT INTO a VALUES (1, '')")
    var log = LogReplica()
    try await log.pull(primary)
    #expect(log.calls == [.hello, .batchLogEntries, .snapshot])
    try await primary.run("UPDATE a SET n = 2")
    let before = await primary.service.counters().framesServed
    try await log.pull(primary)
    #expect(log.calls == [.hello, .batchLogEntries])
    #expect(await primary.service.counters().framesServed == before + 1)
    try await primary.run("UPDATE a SET note = zeroblob(4000000)")
    try await log.pull(primary)
    #expect(log.calls == [.hello, .batchLogEntries])
    try await primary.run("UPDATE a SET note = zeroblob(8000000)")
    try await log.pull(primary)
    #expect(log.calls == [.hello, .batchLogEntries, .snapshot])
    try await log.image.expectEqual(primary, "after a snapshot")
    await primary.close()
  }

  @Test func aReplicaOfAnOldGenerationWalksToTheNewestAndIsWhole() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (n, note); CREATE TABLE b (n)")
    try await primary.run("INSERT INTO b VALUES (0)")
    // At frame 0 of generation 1, and at a later frame.
    var bootstrapped = SyncReplica()
    try await bootstrapped.bootstrap(primary)
    var pulled = SyncReplica()
    try await pulled.pull(primary)
    for number in 1...5 {
      try await primary.run("DELETE FROM a; INSERT INTO a VALUES (1, zeroblob(\(5_000_000 - number * 500_000)))")
      try await primary.run("UPDATE b SET n = \(number)")
    }
    let state = try await primary.service.pool.state()
    #expect(state.generation.number > 4)
    var stale = pulled
    try await pulled.pull(primary)
    try await pulled.image.expectEqual(primary, "after generations")
    #expect(pulled.cursor?.committed.generation == state.generation.number)
    // One request for each generation, one for the frames of the last two at most, one for the end.
    #expect(pulled.requestCount <= Int(state.generation.number) + 3)
    try await bootstrapped.pull(primary)
    try await bootstrapped.image.expectEqual(primary, "after a bootstrap and generations")
    // Restarted in between, and vacuumed.
    try await primary.run("DELETE FROM a; VACUUM")
    try await primary.restart()
    try await stale.pull(primary)
    try await stale.image.expectEqual(primary, "after a restart")
    #expect(try stale.image.lines(folder, "PRAGMA integrity_check; SELECT n FROM b") == ["ok", "5"])
    await primary.close()
  }

  @Test func replicasAreWholeAfterTheLogOfChangesWasCompacted() async throws {
    let primary = try await ReplicationPrimary.make(
      in: folder, "CREATE TABLE a (n, note); INSERT INTO a VALUES (0, '')")
    var sync = SyncReplica()
    var log = LogReplica()
    try await sync.pull(primary)
    try await log.pull(primary)
    let rows = { () async throws -> Int64 in
      let container = try await primary.factory.openContainer(primary.path, .reader)
      let count = try await container.run { try $0.value("SELECT count(*) FROM change").integer ?? 0 }
      await container.close()
      return count
    }
    for round in 1...3 {
      for number in 1...600 {
        try await primary.run("UPDATE a SET n = \(number), note = zeroblob(\(9000 + number * 10))")
      }
      let before = try await rows()
      // The first commit of a connection looks at the log.
      try await primary.restart()
      try await primary.run("UPDATE a SET n = -1")
      if round > 1 { #expect(try await rows() < before) }
      try await sync.pull(primary)
      try await sync.image.expectEqual(primary, "V2, round \(round)")
      if round == 3 { try await log.pull(primary) }
    }
    try await log.image.expectEqual(primary, "V1, after all rounds")
    await primary.close()
  }

  @Test func anAnswerThatBreaksOffIsNeverEndedAndFreesItsSnapshot() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (note)")
    try await primary.run("INSERT INTO a VALUES (zeroblob(3000000))")
    let service = await primary.service
    let range = try #require(SyncRange(generation: 1, first: 1, end: 129))
    let routes: [(ReplicationRoute, [UInt8])] = [
      (.sync(.export(generation: 1)), []), (.sync(.pull(range)), []),
      (.call(.snapshot), GRPCWeb.frame(message: LogOffset(nextOffset: 0).encoded)),
    ]
    for (number, (route, body)) in routes.enumerated() {
      let response = try await service.respond(
        to: route, headers: try sessionHeaders(service), body: .init(buffer: ByteBuffer(bytes: body)), right: .readOnly)
      #expect(await service.counters().openSnapshots == 1)
      let collected = CollectedBody(limit: 1_000_000)
      await #expect(throws: CollectedBody.ClientIsGone.self) { try await response.body.write(collected.writer) }
      #expect(!collected.isFinished)
      #expect(await service.counters().openSnapshots == 0)
      #expect(await service.counters().streamsAborted == UInt64(number) + 1)
    }
    await primary.close()
  }

  @Test func aClientThatTakesNothingLosesItsSnapshot() async throws {
    var options = ReplicationService.Options()
    options.snapshotCountLimit = 1
    options.stallLimit = .milliseconds(1)
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (note)", options: options)
    try await primary.run("INSERT INTO a VALUES (zeroblob(3000000))")
    let service = await primary.service
    let response = try await service.respond(
      to: .sync(.export(generation: 1)), headers: [:], body: .init(buffer: ByteBuffer()), right: .readOnly)
    // Its first write ends when another snapshot can be had, of which there is one.
    let collected = CollectedBody { await (try service.pool.snapshot()).close() }
    await #expect { try await response.body.write(collected.writer) } throws: { error in
      (error as? EncryptedStorageError)?.code == .closed
    }
    #expect(!collected.isFinished)
    #expect(await service.counters().openSnapshots == 0)
    await primary.close()
  }

  @Test func anAnswerThatNobodySendsFreesItsSnapshot() async throws {
    var options = ReplicationService.Options()
    options.snapshotCountLimit = 1
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (note)", options: options)
    try await primary.run("INSERT INTO a VALUES (zeroblob(3000000))")
    let service = await primary.service
    for _ in 1...3 {
      // Each waits for the snapshot of the one before.
      _ = try await service.respond(
        to: .sync(.export(generation: 1)), headers: [:], body: .init(buffer: ByteBuffer()), right: .readOnly)
    }
    await primary.close()
  }

  // MARK: - Refusals

  private func sessionHeaders(_ service: ReplicationService) throws -> HTTPFields {
    [try #require(HTTPField.Name(ReplicationHeaders.sessionToken)): service.sessionToken]
  }

  private func call(
    _ primary: ReplicationPrimary, _ method: ReplicationMethod, _ message: [UInt8]
  ) async throws -> Answer {
    try await primary.send(
      .call(method), GRPCWeb.frame(message: message), headers: try sessionHeaders(await primary.service))
  }

  @Test func callsWithoutTheSessionOfThisServerAreSentBackToHello() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    let token = await primary.service.sessionToken
    try await primary.restart()
    #expect(await primary.service.sessionToken != token)
    for method in [ReplicationMethod.batchLogEntries, .logEntries, .snapshot] {
      for session in [nil, token] as [String?] {
        var headers: HTTPFields = [:]
        headers[try #require(HTTPField.Name(ReplicationHeaders.sessionToken))] = session
        let answer = try await primary.send(
          .call(method), GRPCWeb.frame(message: LogOffset(nextOffset: 0).encoded), headers: headers)
        #expect(answer.headers[try #require(HTTPField.Name("grpc-message"))] == "NO_HELLO")
        var reader = ReplicationFrameReader(.stream)
        reader.append(answer.body)
        #expect(try reader.next() == nil)
        #expect(try reader.finish() == GRPCStatus(.noHello))
      }
    }
    await primary.close()
  }

  @Test func theStreamOfEntriesHasTheFramesOfTheBatch() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    let position = try await primary.service.pool.state().image.position
    try await primary.run("UPDATE state SET version = 1; UPDATE account SET version = 1")
    let offset = LogOffset(nextOffset: UInt64(position) + 1).encoded
    let batch = try FrameBatch.decode(
      GRPCMessageReader.response(try await call(primary, .batchLogEntries, offset).body)[...])
    var reader = ReplicationFrameReader(.stream)
    reader.append(try await call(primary, .logEntries, offset).body)
    var entries: [FrameMessage] = []
    while let entry = try reader.next() { entries.append(entry) }
    #expect(try reader.finish() == .ok)
    #expect(entries == batch && batch.count > 2)
    #expect(batch.map(\.frame.isCommit) == batch.indices.map { $0 == batch.count - 1 })
    #expect(batch.last?.frame.frameNumber == UInt64(try await primary.service.pool.state().image.position))
    await primary.close()
  }

  @Test func aReplicaAheadOfARestoredPrimaryIsNeverMixed() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    await primary.close()
    let backup = try Bytes.read(primary.path)
    try await primary.start()
    try await primary.run("UPDATE account SET balance = balance + id")
    var sync = SyncReplica()
    var log = LogReplica()
    try await sync.pull(primary)
    try await log.pull(primary)
    await primary.close()
    try Bytes.write(backup, to: primary.path)
    try await primary.start()
    // V2 is told.
    let range = try #require(try sync.cursor?.range())
    let answer = try await primary.send(.sync(.pull(range)))
    #expect(answer.status == 409)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("backup"))
    // V1 gets a whole image.
    let position = try #require(log.position)
    let offset = LogOffset(nextOffset: position.frameNumber + 1)
    let batch = try await call(primary, .batchLogEntries, offset.encoded)
    var reader = ReplicationFrameReader(.batch)
    reader.append(batch.body)
    #expect(try reader.next() == nil)
    #expect(try reader.finish() == GRPCStatus(.needSnapshot))
    reader = ReplicationFrameReader(.stream)
    reader.append(try await call(primary, .snapshot, offset.encoded).body)
    var image = ReplicaImage()
    var size: UInt32 = 0
    while let frame = try reader.next()?.frame {
      image.add(frame.pageNumber, frame.page)
      size = frame.sizeAfter
    }
    try image.commit(pageCount: size)
    try await image.expectEqual(primary, "after the backup was restored")
    await primary.close()
  }

  @Test func replicasOfALostHistoryBeginAnewInANewOne() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var (sync, log, pull) = (SyncReplica(), LogReplica(), PullReplica())
    try await sync.bootstrap(primary)
    let bootstrapped = sync
    await primary.close()
    let backup = try Bytes.read(primary.path)
    try await primary.start()
    var generator = SeededGenerator(seed: 21)
    for version in 1...50 { try await primary.commit(Bookkeeping.change(to: version, &generator)) }
    try await sync.pull(primary)
    try await log.pull(primary)
    try await pull.pull(primary)
    #expect(try #require(sync.cursor).committed.generation > 1)
    await primary.close()
    try Bytes.write(backup, to: primary.path)
    let store = try await PageStore.open(primary.path, factory: primary.factory)
    try await store.beginNewHistory()
    await store.close()
    try await primary.start()
    // Past the position of the replicas, with other content.
    for version in 1...70 { try await primary.commit(Bookkeeping.change(to: version, &generator)) }
    try await sync.pull(primary)
    try await sync.image.expectEqual(primary, "V2")
    var old = bootstrapped
    try await old.pull(primary)
    try await old.image.expectEqual(primary, "V2, at frame 0")
    try await log.pull(primary)
    try await log.image.expectEqual(primary, "V1")
    try await pull.pull(primary)
    try await pull.image.expectEqual(primary, "pull-updates")
    await primary.close()
  }

  @Test func generationsThatDoNotExistAreRefused() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    let range = try #require(SyncRange(generation: 9, first: 1, end: 129))
    #expect(try await primary.send(.sync(.pull(range))).status == 409)
    #expect(try await primary.send(.sync(.export(generation: 9))).status == 404)
    let probe = try await primary.send(.sync(.probe))
    #expect(probe.status == 400 && probe.headers[.contentType] == "application/json")
    await primary.close()
  }

  @Test func aServerWithoutV2SaysSo() async throws {
    var options = ReplicationService.Options()
    options.servesSync = false
    let primary = try await ReplicationPrimary.make(in: folder, options: options)
    #expect(try await primary.send(.sync(.info)).status == 404)
    #expect(try await primary.send(.sync(.export(generation: 1))).status == 404)
    await primary.close()
  }

  @Test func malformedRequestsAreRefusedWithoutAStackOfTrouble() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    for body in [
      [], [0], [0, 0, 0, 0, 9], [UInt8](repeating: 0xff, count: 300), [UInt8](repeating: 0, count: 100_000),
    ] {
      for method in [ReplicationMethod.hello, .batchLogEntries, .snapshot] {
        let answer = try await primary.send(
          .call(method), body, headers: try sessionHeaders(await primary.service))
        var reader = GRPCMessageReader()
        reader.append(answer.body)
        #expect(try reader.next() == nil)
        #expect(try reader.finish().code == .invalidArgument)
      }
    }
    await primary.close()
  }
}
