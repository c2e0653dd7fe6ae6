import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport

/// A seeded workload, run statement by statement on an image and on an ordinary encrypted database. Both must answer the
/// same: rows, numbers of changes, errors; and in the end the same dump.
struct Workload {
  /// What was different; the message names the statement.
  struct Difference: Error, CustomStringConvertible { let description: String }

  let seed: UInt64
  var stepCount = 60
  /// Whether the `sqlcipher` command line repeats the workload on a plain file.
  var asksOtherProgram = false
  /// Whether every step and its answer is printed, to look into a seed.
  var isLoud = false

  /// - Throws: ``Difference``.
  func run() async throws {
    let folder = try TemporaryDirectory(named: "albergue-workload")
    var choices = WorkloadChoices(SeededGenerator(seed: seed ^ 0xa1b2))
    let caches = (choices.pick([16, 64, 2000]), choices.pick([nil, 8, 100]))
    let factory = try Fixture.factory(choices.oneIn(4) ? .sqlcipher4SHA256 : .sqlcipher4) { configuration in
      configuration.cacheKibibytes = caches.0
      configuration.containerCacheKibibytes = caches.1
      configuration.waitsForDisk = false
    }
    let image = folder.file("image.db")
    let ordinary = folder.file("ordinary.db")
    try await PageStore.create(image, role: .primary, factory: factory).close()
    try await factory.create(ordinary).close()
    try await BlockingWork.run { _ in
      let subject = try WorkloadConnections(image, factory)
      let reference = try WorkloadConnections(ordinary, factory)
      defer {
        subject.close()
        reference.close()
      }
      try compare(subject, reference, plain: folder.file("plain.db"))
    }
    let report = try await StoreJudge.findings(image, factory)
    guard report.isEmpty else { throw Difference(description: "\(report)") }
  }

  private func compare(_ subject: WorkloadConnections, _ reference: WorkloadConnections, plain: String) throws {
    var generator = WorkloadGenerator(seed: seed)
    var script = WorkloadScript()
    for number in 1...stepCount {
      let step = generator.next()
      let expected = try reference.perform(step)
      let answer = try subject.perform(step)
      if isLoud { print(number, step.connection, step.action, "->", answer.description.prefix(150)) }
      guard answer == expected else {
        throw Difference(description: "step \(number), \(step.action): \(answer), expected \(expected)")
      }
      if step.isHistory {
        switch step.action {
        case .statement(let sql): script.append(sql, expected)
        case .reopen: script.endTransaction()
        }
      }
      generator.note(step, succeeded: expected.resultCode == nil, isInTransaction: expected.isInTransaction)
    }
    // First the connection that has a transaction: the others wait for its lock when they close.
    let indexes = (0..<WorkloadConnections.count).map { ($0, reference.session($0).isInTransaction) }
    for index in indexes.filter(\.1).map(\.0) + indexes.filter({ !$0.1 }).map(\.0) {
      let end = WorkloadStep(action: .reopen, connection: index)
      _ = try reference.perform(end)
      _ = try subject.perform(end)
    }
    script.endTransaction()
    let queries = try DatabaseDump.queries(reference.session(2))
    let expected = try DatabaseDump.lines(reference.session(2), queries)
    let lines = try DatabaseDump.lines(subject.session(2), queries)
    guard lines == expected else {
      let index = zip(lines, expected).enumerated().first { $1.0 != $1.1 }?.offset ?? min(lines.count, expected.count)
      throw Difference(
        description: "line \(index) of the dump differs: \(lines.dropFirst(index).first?.prefix(300) ?? "")")
    }
    guard asksOtherProgram else { return }
    if let difference = try script.differenceOnPlainFile(plain, queries: queries, lines: lines) {
      throw Difference(description: difference)
    }
  }
}

/// What one step answered, in a form that can be compared between databases.
struct WorkloadAnswer: Equatable, CustomStringConvertible {
  var rows: [[Value]] = []
  var changeCount = 0
  var lastRowID: Int64 = 0
  var resultCode: Int32?
  var detail = ""
  var wasInTransaction = false
  var isInTransaction = false

  /// Messages may name different things.
  static func == (one: WorkloadAnswer, other: WorkloadAnswer) -> Bool {
    one.rows == other.rows && one.changeCount == other.changeCount && one.lastRowID == other.lastRowID
      && one.resultCode == other.resultCode && one.wasInTransaction == other.wasInTransaction
      && one.isInTransaction == other.isInTransaction
  }

  var description: String {
    let failure = resultCode.map { "fails with \($0) (\(detail))" } ?? "succeeds"
    return "\(failure), \(changeCount) changes, row \(lastRowID), in transaction \(isInTransaction), "
      + "rows \("\(rows)".prefix(300))"
  }
}

/// Two writing connections and a reading one, used in turns by one thread.
final class WorkloadConnections {
  static let count = 3
  private let path: String
  private let factory: ConnectionFactory
  private var sessions: [Session] = []

  init(_ path: String, _ factory: ConnectionFactory) throws {
    self.path = path
    self.factory = factory
    for index in 0..<Self.count { sessions.append(try open(index)) }
  }

  private func open(_ index: Int) throws -> Session { try factory.openSession(path, index == 2 ? .reader : .writer) }

  func session(_ index: Int) -> Session { sessions[index] }

  func close() { for session in sessions { session.close() } }

  func perform(_ step: WorkloadStep) throws -> WorkloadAnswer {
    let session = sessions[step.connection]
    var answer = WorkloadAnswer(wasInTransaction: session.isInTransaction)
    switch step.action {
    case .reopen:
      session.close()
      sessions[step.connection] = try open(step.connection)
    case .statement(let sql):
      let before = session.totalChanges
      do {
        // Rows without columns are the pages that an incremental vacuum moved; their number is that of the page size.
        answer.rows = try session.query(sql) { $0.values }.filter { !$0.isEmpty }
      } catch let error as EncryptedStorageError {
        // An ordinary database in WAL mode says more precisely why it is busy.
        let code = error.resultCode ?? -1
        answer.resultCode = error.code == .busy ? code & 0xff : code
        answer.detail = error.description
      }
      answer.changeCount = session.totalChanges - before
      answer.lastRowID = session.lastInsertedRowID
      answer.isInTransaction = session.isInTransaction
    }
    return answer
  }
}
