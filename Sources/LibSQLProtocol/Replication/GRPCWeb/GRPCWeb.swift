/// gRPC-web in its binary form: frames of one flag byte, a length of four bytes (big-endian) and content. Messages come
/// first, the trailers are the last frame of a response.
///
/// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md; recorded clients of libsql 0.9.
public enum GRPCWeb {
  /// The content type of requests.
  public static let requestContentType = "application/grpc-web"
  /// The content type of responses.
  public static let responseContentType = "application/grpc-web+proto"
  /// Bytes before the content of a frame.
  static let prefixSize = 5
  static let messageFlag: UInt8 = 0x00
  static let trailersFlag: UInt8 = 0x80

  /// Whether a body of this content type can be read. Clients of libsql do not look at it, with one exception: a body of
  /// `application/grpc-web-text` is base64.
  public static func isBinary(contentType: String?) -> Bool {
    guard let contentType else { return true }
    let type = contentType.prefix { $0 != ";" && $0 != " " }.lowercased()
    return !type.hasPrefix("application/grpc-web-text")
  }

  /// One message as a frame. A request is one such frame.
  ///
  /// - Shape: `00`, length, message of fewer than 2^32 bytes.
  public static func frame(message: [UInt8]) -> [UInt8] { frame(messageFlag, message) }

  /// The frame that ends a response.
  ///
  /// - Shape: `80`, length, `grpc-status:N`, CR, LF, and the message in the same way if there is one. There is no space after
  ///   the colon: libsql's client takes a status with one for unknown.
  public static func frame(trailers status: GRPCStatus) -> [UInt8] {
    var text = "grpc-status:\(status.statusValue)\r\n"
    if let message = status.messageValue { text += "grpc-message:\(message)\r\n" }
    return frame(trailersFlag, Array(text.utf8))
  }

  /// A whole response: messages, then the status.
  public static func response(messages: [[UInt8]], status: GRPCStatus = .ok) -> [UInt8] {
    messages.flatMap { frame(message: $0) } + frame(trailers: status)
  }

  private static func frame(_ flag: UInt8, _ content: [UInt8]) -> [UInt8] {
    precondition(content.count <= Int(UInt32.max), "a gRPC message is shorter than 4 GiB")
    var bytes: [UInt8] = [flag]
    bytes.reserveCapacity(prefixSize + content.count)
    bytes.appendBigEndian(UInt32(content.count))
    bytes.append(contentsOf: content)
    return bytes
  }

  /// The text of a trailers frame: `name:value` lines. Names are compared without case, space around values is ignored,
  /// fields other than the status are skipped.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` without a `grpc-status`, with two, or for a line that is no field.
  static func trailers(_ bytes: [UInt8], at offset: Int) throws(WireFormatError) -> GRPCStatus {
    var fields: [String: String] = [:]
    for line in bytes.split(whereSeparator: { $0 == 0x0D || $0 == 0x0A }) {
      guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex else {
        throw WireFormatError(.malformed, "gRPC trailers", at: offset + line.startIndex, "a line without a name")
      }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      guard name == "grpc-status" || name == "grpc-message" else { continue }
      let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
      let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 }
      guard fields.updateValue(String(decoding: end.map { value[...$0] } ?? [], as: UTF8.self), forKey: name) == nil
      else {
        throw WireFormatError(.malformed, "gRPC trailers", at: offset + line.startIndex, "\(name) comes twice")
      }
    }
    guard let status = try GRPCStatus(status: fields["grpc-status"], message: fields["grpc-message"]) else {
      throw WireFormatError(.malformed, "gRPC trailers", at: offset, "no grpc-status")
    }
    return status
  }
}
