internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol

/// Sends a push as one transaction, exactly once.
///
/// The transaction leaves its name at the remote, as every delegated write of this project does (`WriteClaims`).
struct PushSender: Sendable {
  /// What became of a push.
  enum Outcome: Sendable {
    case committed
    /// The remote is not as it was when the push was planned. Nothing was changed.
    case moved
  }

  let client: HranaClient
  let retries: RetryPolicy

  // MARK: - Sending

  /// Sends the statements that `next` gives, until it gives none.
  ///
  /// - Parameters:
  ///   - isNewest: whether the remote is still as it was; asked while the transaction keeps all other writers out.
  /// - Throws: ``WorkingCopyError`` `.refused`, `.restless`, `.unknownOutcome`; `RemoteError`: nothing was changed.
  func send(
    _ id: String, isNewest: () async throws -> Bool, next: () async throws -> [PushStatement]
  ) async throws -> Outcome {
    let transaction = try await begin()
    do {
      guard try await isNewest() else {
        try? await transaction.rollback()
        return .moved
      }
      _ = try await transaction.execute(WriteClaims.opening(id, in: .pushes))
      while true {
        let statements = try await next()
        if statements.isEmpty { break }
        try await run(statements, in: transaction)
      }
    } catch {
      // The reason is the first error; a rollback that does not arrive is made by the server.
      try? await transaction.rollback()
      if let error = error as? RemoteError, error.code == .transactionClosed || error.code == .streamExpired {
        throw Self.tookTooLong
      }
      throw error
    }
    do throws(RemoteError) {
      try await transaction.commit()
      return .committed
    } catch {
      guard error.mayHaveRun else {
        throw error.code == .transactionClosed || error.code == .streamExpired ? Self.tookTooLong : error
      }
      if try await isCommitted(id) { return .committed }
      if error.code == .streamExpired { throw Self.tookTooLong }
      return .moved
    }
  }

  private static var tookTooLong: WorkingCopyError {
    WorkingCopyError(
      .refused, "the push took longer than the remote lets a transaction take, and was undone",
      hint: "raise the limit of the remote, or push in parts: pull, change some of it, push, change the rest")
  }

  /// Begins a transaction in which no row changes but those that are named: what foreign keys would do, the working copy has
  /// done, and the rehearsal has checked.
  private func begin() async throws -> RemoteTransaction {
    do {
      return try await client.begin(.immediate, after: ["PRAGMA foreign_keys=OFF"])
    } catch {
      guard error.code == .statement, Self.isBusy(error) else { throw error }
      throw WorkingCopyError(.restless, "the remote is busy with another write", hint: "try again")
    }
  }

  private static func isBusy(_ error: RemoteError) -> Bool { error.remoteCode?.hasPrefix("SQLITE_BUSY") == true }

  private func run(_ statements: [PushStatement], in transaction: RemoteTransaction) async throws {
    let results: [Hrana.StatementResult]
    do {
      results = try await transaction.execute(statements.map(\.hrana))
    } catch {
      guard error.code == .statement else { throw error }
      let code = error.remoteCode.map { " (\($0))" } ?? ""
      let subjects = Set(statements.map(\.subject)).sorted().joined(separator: ", ")
      throw WorkingCopyError(
        .refused, "the remote refused a statement\(code), for one of: \(subjects); everything was undone",
        hint: "if it goes on, make the change at the remote, then pull")
    }
    for (statement, result) in zip(statements, results) {
      guard let expected = statement.rowCount, result.affectedRowCount != UInt64(expected) else { continue }
      throw WorkingCopyError(
        .restless, "a row of table \(statement.subject) was changed at the remote meanwhile; everything was undone",
        hint: "push again")
    }
  }

  // MARK: - What became of it

  /// Whether a push was committed. If not, it cannot be from now on.
  ///
  /// - Throws: ``WorkingCopyError`` `.unknownOutcome` when the remote cannot be asked.
  func isCommitted(_ id: String) async throws -> Bool {
    if let isCommitted = await WriteClaims(client, .pushes, retries: retries).isCommitted(id) { return isCommitted }
    throw WorkingCopyError(
      .unknownOutcome, "the remote cannot be asked whether the push was committed",
      hint: "push again when it can be reached: it is asked first, and nothing is sent twice")
  }
}

extension PushStatement {
  /// For the wire.
  fileprivate var hrana: Hrana.Statement {
    Hrana.Statement(.text(sql), arguments: arguments.map(Hrana.Value.init), wantsRows: false)
  }
}

extension Hrana.Value {
  /// Every value has a form on the wire: ``RowStatements`` leaves out those that have none.
  fileprivate init(_ value: ExactValue) {
    switch value {
    case .null: self = .null
    case .integer(let number): self = .integer(number)
    case .real(let bits): self = .float(Double(bitPattern: bits))
    case .text(let bytes): self = .text(String(decoding: bytes, as: UTF8.self))
    case .blob(let bytes): self = .blob(bytes)
    }
  }
}
