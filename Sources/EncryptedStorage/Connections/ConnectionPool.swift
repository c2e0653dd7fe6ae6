/// One writer and several readers of one encrypted database in WAL mode: readers keep their snapshot while the writer
/// commits.
public final class ConnectionPool: Sendable {
  private let writer: Connection
  private let readers: ReaderPool

  init(writer: Connection, readers: ReaderPool) {
    self.writer = writer
    self.readers = readers
  }

  /// Runs `body` on a reader, in one snapshot. Waits for a reader to be free.
  ///
  /// - Throws: what `body` throws; `.cancelled`; `.closed`.
  public func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    try await readers.read(body)
  }

  /// Runs `body` in a write transaction: committed when it returns, rolled back when it throws.
  ///
  /// - Throws: what `body` throws; `.busy`, `.diskFull`, `.cancelled`, `.closed`.
  public func write<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    try await writer.transaction(.immediate, body)
  }

  /// Closes all connections. Calls that wait for a reader throw `.closed`.
  public func close() async {
    await readers.close()
    await writer.close()
  }
}
