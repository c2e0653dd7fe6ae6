internal import LibSQLProtocol
internal import ServerAccess

/// What V1 replicas delegate: programs that are batches of Hrana in other words, each client on a stream of its own while it
/// is in a transaction.
///
/// Source: docs/primary.md, "Delegated statements"; libsql-replication/proto/proxy.proto.
actor DelegatedStatements {
  private let streams: StreamTable
  /// Streams of clients in a transaction, by client id.
  private var clients: [String: UInt64] = [:]

  init(_ streams: StreamTable) { self.streams = streams }

  /// Runs a program.
  ///
  /// - Returns: one result for each step, and whether a transaction is open afterwards.
  /// - Throws: ``StreamTable/Refusal``.
  func execute(
    _ program: ProxyProgram, _ right: AccessRight
  ) async throws -> (results: [Result<ProxyRows, ProxyError>], state: ProxyResults.State) {
    let key = Self.key(program.clientID, right)
    let batch = Hrana.Batch(steps: program.steps.map(Self.step))
    let (response, isAutocommit) = try await run(.batch(batch), key, right)
    let state: ProxyResults.State = isAutocommit ? .autocommit : .transaction
    switch response {
    case .ok(.batch(let result)):
      let results = zip(result.stepResults, result.stepErrors).map { result, error -> Result<ProxyRows, ProxyError> in
        if let error { return .failure(Self.error(error)) }
        return .success(result.map(Self.rows) ?? ProxyRows())
      }
      return (results, state)
    case .error(let error):
      // Such as an answer that is too large: every step says so.
      return (program.steps.map { _ in .failure(Self.error(error)) }, state)
    case .ok:
      return (
        program.steps.map { _ in .failure(ProxyError(.internal, message: "the server mixed up its answers")) }, state
      )
    }
  }

  /// Says what a statement is.
  func describe(
    _ request: ProxyDescribeRequest, _ right: AccessRight
  ) async throws -> Result<ProxyDescription, ProxyError> {
    let (response, _) = try await run(.describe(.text(request.statement)), Self.key(request.clientID, right), right)
    switch response {
    case .ok(.describe(let description)):
      return .success(
        ProxyDescription(
          columns: description.columns.map(Self.column), parameterNames: description.parameterNames.compactMap(\.self),
          parameterCount: UInt64(description.parameterNames.count)))
    case .error(let error): return .failure(Self.error(error))
    case .ok: return .failure(ProxyError(.internal, message: "the server mixed up its answers"))
    }
  }

  /// Ends a client's transaction.
  func disconnect(_ clientID: String, _ right: AccessRight) async {
    if let stream = clients.removeValue(forKey: Self.key(clientID, right)) { await streams.close(stream: stream) }
  }

  private func run(
    _ request: Hrana.StreamRequest, _ key: String, _ right: AccessRight
  ) async throws -> (response: Hrana.StreamResult, isAutocommit: Bool) {
    let lease = try await lease(key, right)
    let (results, stored, situation) = await lease.connection.run([request], lease.stored)
    // Between transactions nothing is kept for a client, so there is nothing to expire. A transaction whose time is over keeps
    // its stream until the client has been told.
    let isOver = situation.isNeutral
    if isOver { clients[key] = nil } else { clients[key] = lease.stream }
    await streams.release(lease, stored: stored, situation, closing: isOver)
    return (results.first ?? .error(SQLFailure.streamExpired), situation.isAutocommit)
  }

  private func lease(_ key: String, _ right: AccessRight) async throws -> StreamTable.Lease {
    if let stream = clients[key] {
      do { return try await streams.lease(stream: stream) } catch StreamTable.Refusal.expired { clients[key] = nil }
    }
    return try await streams.lease(stream: try await streams.openDelegatedStream(right))
  }

  /// A client id is no secret: who may do less must not get into the transaction of one who may do more.
  private static func key(_ clientID: String, _ right: AccessRight) -> String { "\(right) \(clientID)" }

  // MARK: - The same in other words

  private static func step(_ step: ProxyProgram.Step) -> Hrana.BatchStep {
    var arguments: [Hrana.Value] = []
    var named: [Hrana.NamedArgument] = []
    switch step.query.parameters {
    case .positional(let values): arguments = values.map(value)
    case .named(let pairs): named = pairs.map { Hrana.NamedArgument(name: $0.name, value: value($0.value)) }
    case nil: break
    }
    return Hrana.BatchStep(
      Hrana.Statement(
        .text(step.query.statement), arguments: arguments, namedArguments: named, wantsRows: !step.query.skipsRows),
      if: step.condition.map(condition))
  }

  private static func condition(_ condition: ProxyCondition) -> Hrana.Condition {
    switch condition {
    case .ok(let step): .ok(step: UInt32(clamping: step))
    case .error(let step): .error(step: UInt32(clamping: step))
    case .not(let condition): .not(self.condition(condition))
    case .and(let conditions): .and(conditions.map(self.condition))
    case .or(let conditions): .or(conditions.map(self.condition))
    case .isAutocommit: .isAutocommit
    }
  }

  private static func value(_ value: ProxyValue) -> Hrana.Value {
    switch value {
    case .null: .null
    case .integer(let number): .integer(number)
    case .real(let number): .float(number)
    case .text(let text): .text(text)
    case .blob(let bytes): .blob(bytes)
    }
  }

  private static func value(_ value: Hrana.Value) -> ProxyValue {
    switch value {
    case .null: .null
    case .integer(let number): .integer(number)
    case .float(let number): .real(number)
    case .text(let text): .text(text)
    case .blob(let bytes): .blob(bytes)
    }
  }

  private static func column(_ column: Hrana.Column) -> ProxyColumn {
    ProxyColumn(name: column.name ?? "", declaredType: column.declaredType)
  }

  private static func rows(_ result: Hrana.StatementResult) -> ProxyRows {
    ProxyRows(
      columns: result.columns.map(column), rows: result.rows.map { $0.map(value) },
      affectedRowCount: result.affectedRowCount, lastInsertRowID: result.lastInsertRowID)
  }

  private static func error(_ error: Hrana.ProtocolError) -> ProxyError {
    switch error.code {
    case "TRANSACTION_BUSY", "SQLITE_BUSY": ProxyError(.transactionBusy, message: error.message)
    case "TRANSACTION_TIMEOUT": ProxyError(.transactionTimeout, message: error.message)
    default: ProxyError(.sql, message: error.message)
    }
  }
}
