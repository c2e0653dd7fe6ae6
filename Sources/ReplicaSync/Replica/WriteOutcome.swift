public import LibSQLClient

/// What became of a write. A statement that the remote refuses is none of these, but an error: nothing was changed.
public enum WriteOutcome<Value: Sendable>: Sendable {
  /// The remote has committed it.
  case confirmed(Confirmation<Value>)
  /// It was not committed, and will not be: it can be tried again.
  case notCommitted(RemoteError)
  /// Nobody knows yet. Ask again with ``Replica/resolve(_:_:)`` before anything is written a second time.
  case unknown(WriteID, RemoteError)
}

/// A write that the remote has committed.
public struct Confirmation<Value: Sendable>: Sendable {
  /// What the statements have produced; nil when the answer was lost, and the commit was proved afterwards.
  public let value: Value?
  /// The position of the remote after it, where the server says it.
  public let position: UInt64?
  /// The name of the write.
  public let id: WriteID
}

/// The name of a write, a UUID. The transaction leaves it in a table of the remote, which tells afterwards whether the
/// transaction was committed.
public struct WriteID: Sendable, Hashable, CustomStringConvertible {
  /// 36 characters.
  public let description: String

  /// A new name. Source: RFC 9562, section 5.4 (version 4).
  init() {
    var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    description = text
  }
}
