/// Why bytes of a replication protocol were refused: what they should have been, where, and why.
///
/// Holds names of structures and fields, positions, lengths and limits. Never holds bytes or text of the input, which can
/// be rows of a user, so it is safe to log.
public struct WireFormatError: Error, Sendable, Hashable, CustomStringConvertible {
  /// One case per reaction a caller can have.
  public enum Code: String, Sendable, CaseIterable {
    /// The input ended inside a value, or before a value that has to be there: what was read so far cannot be trusted to
    /// be all.
    case truncated
    /// The input breaks the rules of its format.
    case malformed
    /// A length or a count is above the limit that the caller set.
    case limitExceeded
    /// The input is right, but uses a part of the protocol that this module refuses.
    case unsupported
  }

  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// The structure that was read: `replication frame`, `HelloResponse`.
  public let structure: String
  /// Where, in bytes from the start of the input: for a stream, from the start of the stream. Nil where the error concerns
  /// the whole.
  public let offset: Int?
  /// What was found, in one sentence without a full stop, free of content.
  public let detail: String

  init(_ code: Code, _ structure: String, at offset: Int? = nil, _ detail: String) {
    self.code = code
    self.structure = structure
    self.offset = offset
    self.detail = detail
  }

  /// `structure at offset: detail`, for logs and people.
  public var description: String {
    guard let offset else { return "\(structure): \(detail)" }
    return "\(structure) at byte \(offset): \(detail)"
  }

  /// The same error, for input that begins `base` bytes into a stream.
  func shifted(by base: Int) -> WireFormatError {
    WireFormatError(code, structure, at: offset.map { $0 + base }, detail)
  }
}
