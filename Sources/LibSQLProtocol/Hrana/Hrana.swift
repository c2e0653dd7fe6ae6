/// Messages of Hrana, the protocol of SQL over HTTP and WebSocket that libSQL speaks, as values.
///
/// Covers the stateless HTTP endpoints of version 1, pipelines of versions 2 and 3, cursors of version 3, and WebSocket
/// messages of versions 1 to 3, in JSON. The versions differ only in which messages exist, so one set of types serves all
/// of them, for servers and clients. There is no I/O here: bytes in, values out.
///
/// Reading is strict about JSON, types, ranges and fields given twice, and ignores fields it does not know, as the
/// specification demands. Writing gives the fields and the order of the reference server and its client, nulls included.
///
/// - Source: https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md; what real clients send and need, and
///   the additions of the reference server (`replication_index`, counts of rows): reference/wire-libsql.md, section 1.
public enum Hrana {}

extension Hrana {
  /// What a message may hold. More is refused while reading, before it takes memory.
  ///
  /// Memory for a message is at most some 20 times its bytes (a column without name takes 3 bytes on the wire), so
  /// ``byteCountMax`` is the limit that counts; the others bound the work that follows.
  public struct Limits: Sendable, Equatable {
    /// Bytes of one body, line or frame. Default 64 MiB.
    public var byteCountMax = 64 << 20
    /// Objects and arrays in each other. Default 128. The protocol needs 7 and two for each level of conditions.
    public var nestingDepthMax = 128
    /// Conditions in each other. Default 32; clients use two.
    public var conditionDepthMax = 32
    /// Conditions in one list of `and` or `or`. Default 1000.
    public var conditionCountMax = 1000
    /// Requests, or results, of one pipeline. Default 10,000.
    public var requestCountMax = 10_000
    /// Steps of one batch. Default 100,000: scripts and pushes come as one batch.
    public var stepCountMax = 100_000
    /// Arguments of one statement, by position or by name. Default 32,766.
    /// Source: https://www.sqlite.org/limits.html#max_variable_number
    public var argumentCountMax = 32_766
    /// Columns of one result. Default 32,767, the most that SQLite can be built for.
    /// Source: https://www.sqlite.org/limits.html#max_column
    public var columnCountMax = 32_767
    /// Rows of one result, or entries of one fetch from a cursor. Default 10,000,000.
    public var rowCountMax = 10_000_000

    /// The defaults.
    public init() {}
  }
}
