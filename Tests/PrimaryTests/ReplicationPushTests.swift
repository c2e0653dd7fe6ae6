import EncryptedStorage
import Foundation
import LibSQLProtocol
import PageStore
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

/// A replica that writes by itself, with the `sqlcipher` command line, and pushes the frames of its log.
struct OfflineReplica {
  var replica = SyncReplica()
  private let folder: TemporaryDirectory

  init(_ folder: TemporaryDirectory) { self.folder = folder }

  /// Runs `sql` on the replica's image.
  ///
  /// - Returns: the frames of the log that it made.
  func write(_ sql: String) throws -> [WALFrame] {
    let file = folder.file("offline-\(UInt32.random(in: 0 ... .max)).db")
    try Bytes.write(Data(replica.image.pages.flatMap { $0 }), to: file)
    _ = try SQLCipherShell.lines(file, ".dbconfig no_ckpt_on_close on\nPRAGMA wal_autocheckpoint=0;\n" + sql)
    let log = [UInt8](try Bytes.read(file + "-wal"))
    var frames: [WALFrame] = []
    for start in stride(from: 32, to: log.count, by: PageFormat.frameSize) {
      frames.append(try WALFrame(log[start..<(start + PageFormat.frameSize)]))
    }
    return frames
  }

  /// Sends frames as libsql does: 128 at a time, with the baton of the answer before.
  ///
  /// - Parameter requestLimit: requests after which the client is killed.
  /// - Returns: the last answer; nil when it was killed.
  mutating func push(
    _ frames: [WALFrame], to primary: ReplicationPrimary, window: Int = 128, requestLimit: Int = .max
  ) async throws -> PushAnswer? {
    let start = try #require(replica.cursor?.committed)
    var sent = 0
    var baton: String?
    var requestCount = 0
    var answer: PushAnswer?
    while sent < frames.count {
      guard requestCount < requestLimit else { return nil }
      requestCount += 1
      let part = frames[sent..<min(sent + window, frames.count)]
      let first = start.frame + UInt32(sent) + 1
      let range = try #require(SyncRange(generation: start.generation, first: first, end: first + UInt32(part.count)))
      let reply = try await primary.send(
        .sync(.push(range, baton: baton)), part.flatMap(\.bytes), right: .readWrite)
      try #require(reply.status == 200, "\(String(decoding: reply.body, as: UTF8.self))")
      let received = try PushAnswer(reply.body)
      answer = received
      guard case .stored(_, let next) = received.outcome(of: range) else { return received }
      // libsql keeps a baton until it gets another one.
      baton = next ?? baton
      sent += part.count
    }
    for frame in frames {
      replica.image.add(frame.pageNumber, frame.page)
      if frame.isCommit { try replica.image.commit(pageCount: frame.sizeAfter) }
    }
    if let answer {
      replica.adopt(.init(generation: answer.generation, frame: start.frame + UInt32(frames.count)))
    }
    return answer
  }
}

@Suite struct ReplicationPushTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private static let schema = """
    CREATE TABLE a (id INTEGER PRIMARY KEY, note); CREATE INDEX a_note ON a (note);
    INSERT INTO a VALUES (1, 'one');
    """

  /// Inserts, changes and removes rows, and shrinks the file now and then.
  private static func sql(_ generator: inout SeededGenerator, _ number: Int) -> String {
    var sql = ""
    for part in 0..<Int.random(in: 1...3, using: &generator) {
      let size = Int.random(in: 1...(part == 0 ? 20_000 : 300), using: &generator)
      sql += "INSERT INTO a (note) VALUES (hex(zeroblob(\(size))) || '\(number)');"
      sql += "UPDATE a SET note = note || 'x' WHERE id % \(Int.random(in: 2...9, using: &generator)) = 0;"
    }
    if number % 5 == 0 { sql += "DELETE FROM a WHERE id % 2 = 0;" }
    if number % 7 == 0 { sql += "VACUUM;" }
    return sql
  }

  @Test(arguments: [1, 2] as [UInt64]) func writersOnBothSidesMeetInOneHistory(seed: UInt64) async throws {
    let primary = try await ReplicationPrimary.make(in: folder, Self.schema)
    var generator = SeededGenerator(seed: seed)
    var offline = OfflineReplica(folder)
    var sync = SyncReplica()
    var log = LogReplica()
    var conflictCount = 0
    try await offline.replica.pull(primary)
    for number in 1...40 {
      let place = "seed \(seed), round \(number)"
      let isBehind = Int.random(in: 0..<4, using: &generator) == 0
      if isBehind { try await primary.run(Self.sql(&generator, number)) }
      let frames = try offline.write(Self.sql(&generator, number))
      let window = [128, 128, 1, 7][number % 4]
      let before = try await primary.image()
      let answer = try #require(try await offline.push(frames, to: primary, window: window))
      if isBehind {
        #expect(answer.status == .conflict, "\(place)")
        #expect(try await primary.image().pages == before.pages, "\(place)")
        conflictCount += 1
        try await offline.replica.pull(primary)
      } else {
        #expect(answer.status == .ok, "\(place)")
      }
      try await offline.replica.image.expectEqual(primary, "\(place), offline")
      if number % 3 == 0 { try await sync.pull(primary) }
      if number % 4 == 0 { try await log.pull(primary) }
      if number % 3 == 0 { try await sync.image.expectEqual(primary, "\(place), V2") }
      if number % 4 == 0 { try await log.image.expectEqual(primary, "\(place), V1") }
      if number % 11 == 0 { try await primary.restart() }
      if number % 10 == 0 {
        try await primary.run("UPDATE a SET note = 'server' WHERE id = 1; DELETE FROM a WHERE id > 5")
      }
      if number % 10 == 0 { try await offline.replica.pull(primary) }
    }
    #expect(conflictCount > 2)
    let judged = try offline.replica.image.lines(folder, "PRAGMA integrity_check; SELECT count(*) FROM a")
    let rows = try await primary.writer.run { try $0.value("SELECT count(*) FROM a") }
    #expect(judged == ["ok", "\(rows.integer ?? -1)"])
    #expect(try await primary.writer.run { try $0.value("PRAGMA integrity_check") } == "ok")
    let counters = await primary.service.counters()
    #expect(counters.openSnapshots == 0)
    await primary.close()
  }

  @Test func aReplicaThatOnlyPushesIsNotLockedOutByGenerations() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, Self.schema)
    var offline = OfflineReplica(folder)
    var sync = SyncReplica()
    try await offline.replica.pull(primary)
    for number in 1...14 {
      let frames = try offline.write("INSERT INTO a VALUES (\(number * 10), hex(zeroblob(\(600_000 + number))));")
      #expect(frames.count > 256)
      let answer = try #require(try await offline.push(frames, to: primary))
      #expect(answer.status == .ok, "push \(number)")
      if number % 3 == 0 {
        try await sync.pull(primary)
        try await sync.image.expectEqual(primary, "V2 after push \(number)")
      }
      if number % 4 == 0 {
        // A new replica begins a new generation.
        let generation = try await primary.service.pool.state().generation.number
        var new = SyncReplica()
        try await new.pull(primary)
        try await new.image.expectEqual(primary, "new after push \(number)")
        #expect(new.cursor?.committed.generation == generation + 1)
        #expect(new.requestCount == 1)
      }
    }
    #expect(try await primary.service.pool.state().generation.number > 3)
    try await offline.replica.image.expectEqual(primary, "pushed")
    try await offline.replica.pull(primary)
    try await offline.replica.image.expectEqual(primary, "pulled")
    await primary.close()
  }

  @Test func aPushWhoseAnswerWasLostIsSentAgain() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, Self.schema)
    var offline = OfflineReplica(folder)
    try await offline.replica.pull(primary)
    // One transaction after the other, and one large one: requests end inside and between transactions.
    for (number, sql) in [
      (0..<300).map { "UPDATE a SET note = 'n\($0)';" }.joined(),
      "INSERT INTO a VALUES (2, hex(zeroblob(500000)));", "UPDATE a SET note = 'x' WHERE id = 1;",
    ].enumerated() {
      let frames = try offline.write(sql)
      for limit in 1...2 {
        var killed = offline
        _ = try await killed.push(frames, to: primary, requestLimit: limit)
      }
      var again = offline
      #expect(try await again.push(frames, to: primary)?.status == .ok, "after being killed, \(number)")
      let position = try await primary.service.pool.state().image.position
      again = offline
      #expect(try await again.push(frames, to: primary)?.status == .ok, "after everything was stored, \(number)")
      #expect(try await primary.service.pool.state().image.position == position)
      if number > 0 {
        // The new process of the server knows it by the pages.
        try await primary.restart()
        again = offline
        #expect(try await again.push(frames, to: primary)?.status == .ok, "after a restart, \(number)")
        #expect(try await primary.service.pool.state().image.position == position)
      }
      offline = again
      try await offline.replica.image.expectEqual(primary, "push \(number)")
    }
    // The same frames are a conflict once something else has happened.
    let frames = try offline.write("UPDATE a SET note = 'y' WHERE id = 1;")
    var late = offline
    #expect(try await offline.push(frames, to: primary)?.status == .ok)
    try await primary.run("UPDATE a SET note = 'z' WHERE id = 1")
    #expect(try await late.push(frames, to: primary)?.status == .conflict)
    await primary.close()
  }

  @Test func aTransactionThatIsNeverFinishedIsNeverSeen() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, Self.schema)
    var offline = OfflineReplica(folder)
    try await offline.replica.pull(primary)
    let before = try await primary.image()
    let frames = try offline.write("INSERT INTO a VALUES (2, hex(zeroblob(500000)));")
    let position = try #require(offline.replica.cursor?.committed)
    _ = try await offline.push(frames, to: primary, requestLimit: 1)
    #expect(try await primary.image().pages == before.pages)
    // Somebody else commits: what follows is refused.
    try await primary.run("UPDATE a SET note = 'z'")
    #expect(offline.replica.cursor?.committed == position)
    #expect(try await offline.push(frames, to: primary)?.status == .conflict)
    await primary.close()
  }

  @Test func framesThatCannotBeOfTheDatabaseAreRefused() async throws {
    let primary = try await ReplicationPrimary.make(in: folder, Self.schema)
    var offline = OfflineReplica(folder)
    try await offline.replica.pull(primary)
    let start = try #require(offline.replica.cursor?.committed)
    let pages = offline.replica.image.pages
    let size = UInt32(pages.count)
    let zeros = [UInt8](repeating: 0, count: 4096)
    let before = try await primary.image()
    func send(
      _ frames: [WALFrame], count: UInt32? = nil, right: AccessRight = .readWrite
    ) async throws -> Answer {
      let range = try #require(
        SyncRange(
          generation: start.generation, first: start.frame + 1,
          end: start.frame + 1 + (count ?? UInt32(frames.count))))
      return try await primary.send(.sync(.push(range, baton: nil)), frames.flatMap(\.bytes), right: right)
    }
    let good = WALFrame(pageNumber: 2, sizeAfter: size, page: pages[1])
    #expect(try await send([good], right: .readOnly).status == 403)
    #expect(try await send([good], count: 2).status == 400)
    #expect(try await send([good, good], count: 1).status == 413)
    #expect(try await send([good], count: 20_000).status == 413)
    let bad: [[WALFrame]] = [
      [WALFrame(pageNumber: 1, sizeAfter: size, page: zeros)],
      // Grows and shrinks without page 1, grows without its pages.
      [WALFrame(pageNumber: size + 1, sizeAfter: size + 1, page: zeros)],
      [WALFrame(pageNumber: 2, sizeAfter: size - 1, page: pages[1])],
      [WALFrame(pageNumber: 1, sizeAfter: size + 1, page: pages[0])],
      [WALFrame(pageNumber: 1, sizeAfter: .max, page: pages[0])],
      [WALFrame(pageNumber: 262_145, sizeAfter: size, page: zeros)],
    ]
    for frames in bad { #expect(try await send(frames).status == 400, "\(frames[0].pageNumber)") }
    #expect(try await primary.image().pages == before.pages)
    #expect(try await send([good]).status == 200)
    await primary.close()
  }
}
