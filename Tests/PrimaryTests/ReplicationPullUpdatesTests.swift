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

@Suite struct ReplicationPullUpdatesTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  @Test(arguments: [1, 2] as [UInt64]) func replicasOfAnyLagHoldWhatThePrimaryHolds(seed: UInt64) async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var generator = SeededGenerator(seed: seed)
    let lags = [1, 3, 17]
    var replicas = lags.map { _ in PullReplica() }
    for version in 1...60 {
      let place = "seed \(seed), version \(version)"
      try await primary.commit(Bookkeeping.change(to: version, &generator))
      if version % 9 == 0 { try await primary.run("VACUUM") }
      if version % 13 == 0 { try await primary.restart() }
      for (index, lag) in lags.enumerated() where version % lag == 0 {
        try await replicas[index].pull(primary)
        try await replicas[index].image.expectEqual(primary, "\(place), every \(lag)")
        try await replicas[index].pull(primary)
        #expect(replicas[index].pageCount == 0, "\(place)")
      }
      if version % 20 == 0 {
        let lines = try replicas[0].image.lines(folder, "PRAGMA integrity_check; SELECT version FROM state")
        #expect(lines == ["ok", "\(version)"], "\(place)")
      }
    }
    await primary.close()
  }

  @Test func aFirstPullInPartsIsOfOneRevisionWhateverIsWrittenMeanwhile() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var generator = SeededGenerator(seed: 3)
    for version in 1...5 { try await primary.commit(Bookkeeping.change(to: version, &generator)) }
    let before = try await primary.image()
    var version = 5
    var replica = PullReplica()
    try await replica.bootstrap(primary, length: 4) {
      version += 1
      try await primary.commit(Bookkeeping.change(to: version, &generator))
      if version % 4 == 0 { try await primary.run("VACUUM") }
    }
    #expect(version > 10)
    #expect(replica.image.pages == before.pages)
    #expect(replica.revision == ReplicationService.revision(before.state))
    #expect(try replica.image.lines(folder, "PRAGMA integrity_check; SELECT version FROM state") == ["ok", "5"])
    try await replica.pull(primary)
    try await replica.image.expectEqual(primary, "after the bootstrap")
    #expect(await primary.service.counters().openSnapshots == 1)
    await primary.close()
  }

  @Test func aRevisionThatIsGoneIsServedAsLongAsItsPagesAreWhatTheyWere() async throws {
    var options = ReplicationService.Options()
    options.pinExpiry = .zero
    let primary = try await ReplicationPrimary.make(
      in: folder, "CREATE TABLE a (n); CREATE TABLE b (n); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)",
      options: options)
    let before = try await primary.image()
    var replica = PullReplica()
    try await replica.bootstrap(primary, length: 1) {}
    #expect(replica.image.pages == before.pages)
    // Page 3 changes.
    try await primary.run("UPDATE b SET n = 2")
    var request = PullUpdatesRequest()
    request.serverRevision = replica.revision
    request.pages = PageSet([1...1])
    let answer = try await primary.send(.pullUpdates, request.encoded)
    #expect(try await replica.add(answer).serverRevision == replica.revision)
    #expect(replica.pageCount == 1)
    request.pages = PageSet([1...2])
    #expect(try await primary.send(.pullUpdates, request.encoded).status == 410)
    // The size changes.
    try await primary.run("CREATE TABLE c (n)")
    request.pages = PageSet([1...1])
    let gone = try await primary.send(.pullUpdates, request.encoded)
    #expect(gone.status == 410)
    #expect(String(decoding: gone.body, as: UTF8.self).hasPrefix("{\"error\":\""))
    #expect(await primary.service.pinned.count == 0)
    await primary.close()
  }

  @Test func onlyAFewRevisionsAreKept() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var request = PullUpdatesRequest()
    request.pages = PageSet([0...0])
    for version in 1...12 {
      try await primary.run("UPDATE state SET version = \(version)")
      for _ in 1...3 { _ = try await primary.send(.pullUpdates, request.encoded) }
    }
    #expect(await primary.service.pinned.count == 8)
    await primary.close()
  }

  @Test func anUnknownRevisionHoldsNothing() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    let state = try await primary.service.pool.state()
    let prefix = state.identity.prefix(8)
    for revision in [
      "7", "00000000.1", "\(prefix).", "\(prefix).0", "\(prefix).-1", "\(prefix).9999999",
      "\(prefix).99999999999999999999",
    ] {
      var request = PullUpdatesRequest()
      request.clientRevision = revision
      request.longPollTimeout = 60_000
      var replica = PullReplica()
      let header = try await replica.add(try await primary.send(.pullUpdates, request.encoded))
      try replica.image.commit(pageCount: UInt32(header.pageCount))
      try await replica.image.expectEqual(primary, revision)
      request = PullUpdatesRequest()
      request.serverRevision = revision
      #expect(try await primary.send(.pullUpdates, request.encoded).status == 410, "\(revision)")
    }
    await primary.close()
  }

  @Test func aLongPollEndsWithACommitOrItsTime() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var replica = PullReplica()
    try await replica.pull(primary)
    try await replica.pull(primary, longPoll: 30)
    #expect(replica.pageCount == 0)
    let former = replica
    async let pulled = {
      var waiting = former
      try await waiting.pull(primary, longPoll: 60_000)
      return waiting
    }()
    try await primary.run("UPDATE state SET version = 1")
    let after = try await pulled
    #expect(after.pageCount == 1)
    try await after.image.expectEqual(primary, "after a long poll")
    // A client that is gone does not wait.
    let service = await primary.service
    var request = PullUpdatesRequest()
    request.clientRevision = after.revision
    request.longPollTimeout = 60_000
    let body = RequestBody(buffer: ByteBuffer(bytes: request.encoded))
    let cancelled = Task { try await service.respond(to: .pullUpdates, headers: [:], body: body, right: .readOnly) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    await primary.close()
  }

  @Test func aCommitAfterTheTicketEndsTheWaiting() async {
    let notifier = CommitNotifier()
    let ticket = notifier.ticket
    notifier.committed()
    await notifier.wait(after: ticket, until: .now + .seconds(3600))
    await notifier.wait(after: notifier.ticket, until: .now)
    let waiting = (0..<50).map { _ in
      let ticket = notifier.ticket
      return Task { await notifier.wait(after: ticket, until: .now + .seconds(3600)) }
    }
    notifier.committed()
    for task in waiting { await task.value }
  }

  @Test func whatIsNotServedIsSaid() async throws {
    let primary = try await ReplicationPrimary.make(in: folder)
    var zstd = PullUpdatesRequest()
    zstd.encoding = .zstd
    var query = PullUpdatesRequest()
    query.query = "SELECT 1"
    var log = PullUpdatesRequest()
    log.streamKind = .logicalLog
    for request in [zstd, query, log] {
      let answer = try await primary.send(.pullUpdates, request.encoded)
      #expect(answer.status == 501 && answer.headers[.contentType] == "application/json")
    }
    #expect(try await primary.send(.pullUpdates, [0x2A, 1, 0]).status == 400)
    #expect(try await primary.send(.pullUpdates, [UInt8](repeating: 0, count: 2 << 20)).status == 413)
    await primary.close()
  }

  @Test func aPageThatIsNotAuthenticBreaksTheAnswerOff() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, "CREATE TABLE a (note)")
    try await primary.run("INSERT INTO a VALUES (zeroblob(4000000))")
    await primary.close()
    try Bytes.flip(primary.path, byte: 4096 * 700 + 100)
    try await primary.start()
    let service = await primary.service
    for route in [ReplicationRoute.pullUpdates, .sync(.export(generation: 1))] {
      let response = try await service.respond(
        to: route, headers: [:], body: RequestBody(buffer: ByteBuffer()), right: .readOnly)
      let collected = CollectedBody()
      await #expect(throws: EncryptedStorageError.self) { try await response.body.write(collected.writer) }
      #expect(!collected.isFinished && !collected.bytes.isEmpty)
    }
    // What is read before the answer begins is an error without a path.
    var request = PullUpdatesRequest()
    request.pages = PageSet([600...699])
    var statuses: Set<Int> = []
    for first in stride(from: UInt32(0), to: 970, by: 60) {
      request.pages = PageSet([first...(first + 59)])
      let answer = try await primary.send(.pullUpdates, request.encoded)
      statuses.insert(answer.status)
      if answer.status != 200 {
        #expect(String(decoding: answer.body, as: UTF8.self) == "{\"error\":\"the database cannot be read: damaged\"}")
      }
    }
    #expect(statuses == [200, 500])
    await primary.close()
  }
}
