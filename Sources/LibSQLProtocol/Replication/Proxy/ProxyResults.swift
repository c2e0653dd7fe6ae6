/// `proxy.ExecuteResults`, the answer of `proxy.Proxy/Execute`.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto; what clients need: recorded.
public struct ProxyResults: Sendable, Hashable {
  /// The state of the connection after the program.
  public enum State: UInt64, Sendable, CaseIterable {
    /// No transaction is open.
    case autocommit = 0
    /// A transaction that cannot go on.
    case invalid = 1
    /// A transaction is open.
    case transaction = 2
  }

  /// Field 1: one for each step. A step that was skipped has empty rows: clients fail on a result that is neither.
  public let results: [Result<ProxyRows, ProxyError>]
  /// Field 2.
  public let state: State
  /// Field 3: the frame number that the log is at; a client that reads its own writes pulls up to it. Nil where it is not
  /// said.
  public let currentFrameNumber: UInt64?

  /// Results.
  public init(results: [Result<ProxyRows, ProxyError>], state: State, currentFrameNumber: UInt64?) {
    self.results = results
    self.state = state
    self.currentFrameNumber = currentFrameNumber
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for a result that is neither rows nor error, or an unknown state.
  public init(_ message: ArraySlice<UInt8>, limits: ProxyLimits = ProxyLimits()) throws(WireFormatError) {
    var reader = ProtobufReader(message, "ExecuteResults")
    var results: [Result<ProxyRows, ProxyError>] = []
    var state = State.autocommit
    var frameNumber: UInt64?
    while let field = try reader.next() {
      switch field.number {
      case 1:
        try limits.check(results.count + 1, limits.stepCount, "results", field)
        results.append(try Self.result(field, limits))
      case 2:
        guard let value = State(rawValue: try field.uint64()) else { throw field.refused("is an unknown state") }
        state = value
      case 3: frameNumber = try field.uint64()
      default: continue
      }
    }
    self.init(results: results, state: state, currentFrameNumber: frameNumber)
  }

  private static func result(
    _ field: ProtobufField, _ limits: ProxyLimits
  ) throws(WireFormatError) -> Result<ProxyRows, ProxyError> {
    var reader = try field.submessage("QueryResult")
    var result: Result<ProxyRows, ProxyError>?
    while let part = try reader.next() {
      switch part.number {
      case 1: result = .failure(try ProxyError(part))
      case 2: result = .success(try ProxyRows(part, limits))
      default: continue
      }
    }
    guard let result else { throw field.refused("is neither rows nor error") }
    return result
  }

  /// The message, as the recorded server's encoder writes it.
  public var encoded: [UInt8] {
    ProtobufWriter.encode { writer in
      for result in results {
        writer.message(1) { writer in
          switch result {
          case .failure(let error): writer.message(1) { error.write(to: &$0) }
          case .success(let rows): writer.message(2) { rows.write(to: &$0) }
          }
        }
      }
      writer.uint64(2, state.rawValue)
      writer.optionalUInt64(3, currentFrameNumber)
    }
  }
}

/// `proxy.Error`: why a statement failed.
///
/// The message is SQLite's text, which can name values of a row: it is for the user, not for logs.
public struct ProxyError: Error, Sendable, Hashable {
  /// What kind of failure. sqld answers errors of SQLite with `internal` and the extended code.
  public enum Code: UInt64, Sendable, CaseIterable {
    /// Wrong arguments.
    case sql = 0
    /// Another transaction has the database.
    case transactionBusy = 1
    /// The transaction took too long and is gone.
    case transactionTimeout = 2
    /// Anything else.
    case `internal` = 3
  }

  /// Field 1.
  public let code: Code
  /// Field 2.
  public let message: String
  /// Field 3: the extended result code of SQLite, 0 where it was not SQLite.
  /// Source: https://www.sqlite.org/rescode.html
  public let extendedCode: Int32

  /// An error.
  public init(_ code: Code, message: String, extendedCode: Int32 = 0) {
    self.code = code
    self.message = message
    self.extendedCode = extendedCode
  }

  init(_ field: ProtobufField) throws(WireFormatError) {
    var reader = try field.submessage("Error")
    var code = Code.sql
    var (message, extendedCode) = ("", Int32(0))
    while let part = try reader.next() {
      switch part.number {
      case 1:
        guard let value = Code(rawValue: try part.uint64()) else { throw part.refused("is an unknown kind of error") }
        code = value
      case 2: message = try part.string()
      case 3: extendedCode = try part.int32()
      default: continue
      }
    }
    self.init(code, message: message, extendedCode: extendedCode)
  }

  func write(to writer: inout ProtobufWriter) {
    writer.uint64(1, code.rawValue)
    writer.string(2, message)
    writer.int32(3, extendedCode)
  }
}
