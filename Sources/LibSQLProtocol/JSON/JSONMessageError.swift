/// Why bytes are not the JSON message they should be: what, and where.
///
/// Names fields of the protocol, positions and limits only. No value, no text and no unknown key of the message gets
/// into it, so it is safe to log and to send back.
public struct JSONMessageError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One case per kind of mistake; a server answers all of them with HTTP 400 or closes the WebSocket.
  public enum Code: String, Sendable, CaseIterable {
    /// Not JSON: a wrong or missing token, a truncated message, something after its end.
    case malformed
    /// Bytes that are not UTF-8, an unknown escape, or half a surrogate pair.
    case invalidText
    /// More nested objects and arrays, or conditions, than the limits allow.
    case tooDeep
    /// More bytes or elements than the limits allow.
    case tooLarge
    /// Another JSON type than the field has.
    case wrongType
    /// A `type` that the protocol does not have at this place.
    case unknownType
    /// A field that has to be there is not.
    case missingField
    /// A field of the protocol is given twice; which one counts would depend on the reader.
    case duplicateField
    /// A number that is no integer, or outside the range of the field.
    case outOfRange
    /// Not base64 of the standard alphabet.
    case invalidBase64
    /// Fields that contradict each other: both or none of `sql` and `sql_id`, a step that refers to a later one.
    case inconsistent
  }

  /// The kind of mistake.
  public let code: Code
  /// Where, as a JSON path: `$.requests[0].batch.steps[2].stmt.args[1].value`. Keys that the protocol does not have are
  /// shown as `?`.
  public let path: String
  /// Where, in bytes from the start of the message.
  public let offset: Int
  /// What was expected or found, without a full stop.
  public let detail: String

  /// `path: detail (code, byte offset)`, for logs and people.
  public var description: String { "\(path): \(detail) (\(code.rawValue), byte \(offset))" }
}

/// A mistake at a byte of the message; its path is looked up only when it leaves the reader.
struct JSONFault: Error {
  let code: JSONMessageError.Code
  let offset: Int
  let detail: String

  init(_ code: JSONMessageError.Code, at offset: Int, _ detail: String) {
    self.code = code
    self.offset = offset
    self.detail = detail
  }
}
