import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import ReplicaSync
import TestSupport

/// Random SQL through a primary over Hrana and, statement by statement, through a plain SQLite: the same rows and failures.
/// Meanwhile replicas pull; in the end primary, replica by V1, replica by V2 and the plain database have the same content.
struct DifferentialRound {
  private let scene: Scene
  private let record: RoundRecord

  init(_ scene: Scene, _ record: RoundRecord) {
    self.scene = scene
    self.record = record
  }

  func run() async throws {
    let server = try scene.startPrimary()
    let syncers = try [ReplicationProtocol.v1, .v2].map { name in
      Syncer(
        try scene.replicaSettings("replica-\(name.rawValue).db", server.url, name),
        remote: try Scene.remote(server.url), factory: try Scene.replicaFactory())
    }
    do {
      try await work(server, syncers)
    } catch {
      for syncer in syncers { await syncer.close() }
      throw error
    }
    for syncer in syncers { await syncer.close() }
    server.stop()
    let report = try await StoreCheck.findings(scene.root.file("primary.db"), Scene.serverFactory())
    record.check(nothing: report, "the primary's file")
  }

  private func work(_ server: RunningPrimary, _ syncers: [Syncer]) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    var seeds = scene.generator(2)
    var generator = WorkloadGenerator(seed: seeds.next())
    var pair = try StatementPair(HranaClient(Scene.remote(server.url)))
    for number in 1...choices.number(60...160) {
      let step = generator.next()
      guard step.isHistory, step.connection != 2 else {
        // Steps of other connections: here there is one.
        generator.note(step, succeeded: false, isInTransaction: false)
        continue
      }
      let outcome = try await pair.perform(step)
      record.operated()
      record.check(outcome.difference == nil, "step \(number): \(outcome.difference ?? "")")
      if outcome.difference != nil { return }
      generator.note(step, succeeded: outcome.succeeded, isInTransaction: outcome.isInTransaction)
      if choices.oneIn(12) { try await syncers[choices.number(0...1)].sync() }
    }
    try await pair.end()
    for syncer in syncers { try await syncer.sync() }
    try await compare(pair)
  }

  /// All contents against that of the plain database.
  private func compare(_ pair: StatementPair) async throws {
    var contents: [(name: String, lines: [String])] = []
    var queries: [String] = []
    for name in ["v1", "v2"] {
      let reader = try await Scene.replicaFactory().open(scene.root.file("replica-\(name).db"))
      let (made, lines) = try await reader.transaction(.deferred) { session in
        let queries = try DatabaseDump.queries(session)
        return (queries, try DatabaseDump.lines(session, queries))
      }
      await reader.close()
      queries = made
      contents.append(("the replica by \(name)", lines))
    }
    contents.append(("the primary", try await pair.remoteLines(queries)))
    let expected = pair.plainLines(queries)
    for (name, lines) in contents { record.check(nothing: ContentCheck.differences(lines, expected), name) }
  }
}

/// Compares contents as `DatabaseDump` writes them.
enum ContentCheck {
  /// The first line that differs, without its content, which may be anything.
  static func differences(_ lines: [String], _ expected: [String]) -> [String] {
    guard lines != expected else { return [] }
    let index = zip(lines, expected).enumerated().first { $1.0 != $1.1 }?.offset ?? min(lines.count, expected.count)
    let table = (lines.dropFirst(index).first ?? "(nothing)").prefix { $0 != ":" }.prefix(60)
    return ["line \(index) of \(lines.count) differs, of \(expected.count) expected: \(table)"]
  }
}

/// The same statements on a stream of the primary and on a plain database.
struct StatementPair {
  struct Outcome {
    var difference: String?
    var succeeded = true
    var isInTransaction = false
  }

  private let client: HranaClient
  private var stream: RemoteStream
  private let plain: PlainDatabase

  init(_ client: HranaClient) throws {
    self.client = client
    stream = RemoteStream(client)
    plain = try PlainDatabase()
  }

  mutating func perform(_ step: WorkloadStep) async throws -> Outcome {
    guard case .statement(let sql) = step.action else {
      try await end()
      return Outcome()
    }
    let statement = Hrana.Statement(.text(sql))
    let results = try await stream.pipeline([.execute(statement), .getAutocommit], "execute")
    guard results.count == 2, case .ok(.getAutocommit(let isAutocommit)) = results[1] else {
      // The transaction took too long, and the stream went with it.
      return try await giveUp(sql)
    }
    switch results[0] {
    case .ok(.execute(let result)):
      let answer = plain.run(sql)
      var difference = Self.difference(result, answer)
      if isAutocommit != answer.isAutocommit { difference = "a transaction is open on one side only" }
      return Outcome(difference: difference.map { "\(sql.prefix(200)): \($0)" }, isInTransaction: !isAutocommit)
    case .error(let error):
      return try await failed(sql, error, isAutocommit)
    default: return Outcome(difference: "\(sql.prefix(200)): an answer to another question", succeeded: false)
    }
  }

  private mutating func failed(
    _ sql: String, _ error: Hrana.ProtocolError, _ isAutocommit: Bool
  ) async throws -> Outcome {
    if Self.isRefusal(error) { return Outcome(succeeded: false, isInTransaction: !isAutocommit) }
    if error.code == "TRANSACTION_TIMEOUT" || error.code == "STREAM_EXPIRED" { return try await giveUp(sql) }
    let answer = plain.run(sql)
    var difference: String?
    if answer.failure == nil {
      difference = "fails with \(error.code), and not on a plain database"
    } else if error.code.hasPrefix("SQLITE_CONSTRAINT") != (answer.failure == 19) {
      difference = "fails with \(error.code), on a plain database with \(answer.failure ?? 0)"
    } else if isAutocommit != answer.isAutocommit {
      difference = "a transaction is open on one side only"
    }
    return Outcome(
      difference: difference.map { "\(sql.prefix(200)): \($0)" }, succeeded: false, isInTransaction: !isAutocommit)
  }

  /// What a client may not do here, and could on a connection of its own.
  private static func isRefusal(_ error: Hrana.ProtocolError) -> Bool {
    error.code.hasPrefix("SQLITE_AUTH") || error.message.contains("not authorized")
      || error.message.contains("prohibited")
  }

  /// What the primary has undone is undone here, too.
  private mutating func giveUp(_ sql: String) async throws -> Outcome {
    stream = RemoteStream(client)
    if !plain.isAutocommit { _ = plain.run("ROLLBACK") }
    return Outcome(succeeded: false)
  }

  /// Ends the stream with whatever transaction it has.
  mutating func end() async throws {
    _ = try await stream.pipeline([.close], "close")
    stream = RemoteStream(client)
    if !plain.isAutocommit { _ = plain.run("ROLLBACK") }
  }

  private static func difference(_ result: Hrana.StatementResult, _ answer: PlainDatabase.Answer) -> String? {
    if let failure = answer.failure { return "succeeds, and fails on a plain database with \(failure)" }
    let rows = result.rows.map { $0.map(value) }.filter { !$0.isEmpty }
    let expected = answer.rows.filter { !$0.isEmpty }
    return rows == expected ? nil : "\(rows.count) rows, which differ from \(expected.count) on a plain database"
  }

  private static func value(_ value: Hrana.Value) -> Value {
    switch value {
    case .null: .null
    case .integer(let number): .integer(number)
    case .float(let number): .real(number)
    case .text(let text): .text(text)
    case .blob(let bytes): .blob(bytes)
    }
  }

  // MARK: - Contents

  func remoteLines(_ queries: [String]) async throws -> [String] {
    var lines: [String] = []
    for query in queries {
      let result = try await client.execute(Hrana.Statement(.text(query)), isRepeatable: true)
      lines += result.rows.map { Self.line($0.first.map(Self.value) ?? .null) }
    }
    return lines
  }

  func plainLines(_ queries: [String]) -> [String] {
    queries.flatMap { plain.run($0).rows.map { Self.line($0.first ?? .null) } }
  }

  /// As `DatabaseDump.lines`.
  private static func line(_ value: Value) -> String { value.text ?? "\(value.integer ?? 0)" }
}
