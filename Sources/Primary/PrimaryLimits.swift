/// What the server grants its clients.
public struct PrimaryLimits: Sendable, Equatable {
  /// How long a stream lives that nobody uses. sqld: 10 s.
  public var streamIdleTime: Duration = .seconds(10)
  /// How long a transaction may stay open. sqld: 5 s.
  public var transactionTime: Duration = .seconds(5)
  /// How long one statement may run.
  public var statementTime: Duration = .seconds(30)
  /// How long a writer waits for another one.
  public var writerWaitingTime: Duration = .seconds(5)
  /// How long a request waits for a connection to the database.
  public var connectionWaitingTime: Duration = .seconds(5)
  /// Connections to the database at a time; streams share them.
  public var connectionCount = 16
  /// Page cache of each connection's container, in KiB.
  public var cacheKibibytes = 4096
  /// Streams at a time.
  public var streamCount = 10_000
  /// How long the body of a request may take to arrive.
  public var requestTime: Duration = .seconds(60)
  /// How long a connection lives without a request.
  public var connectionIdleTime: Duration = .seconds(60)
  /// How long a client may take nothing of its answer.
  public var stalledWriteTime: Duration = .seconds(60)
  /// Bytes of a request's body.
  public var requestByteCount = 32 << 20
  /// Bytes of an answer that is not streamed.
  public var answerByteCount = 64 << 20
  /// Rows of an answer that is not streamed.
  public var answerRowCount = 1_000_000

  /// The defaults.
  public init() {}
}
