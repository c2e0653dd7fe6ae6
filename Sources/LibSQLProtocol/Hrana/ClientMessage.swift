extension Hrana {
  /// What a client sends over WebSocket, one message for each text frame: `ClientMsg`.
  ///
  /// - Source: HRANA_3_SPEC.md, Messages.
  public enum ClientMessage: Sendable, Equatable {
    /// The first message, and again to renew the token; nil where the server asks for none.
    case hello(token: AuthToken?)
    /// A request. The server sends the number back with its answer and does not interpret it.
    case request(id: Int32, SocketRequest)
  }
}

extension Hrana.ClientMessage: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    let start = reader.position - 1
    var type: FieldName?
    var token: String?
    var id: Int32?
    var request: Hrana.SocketRequest?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .jwt: token = try reader.readOptionalString()
      case .requestID: id = try reader.readInteger()
      case .request: request = try Hrana.SocketRequest(from: &reader)
      default: try reader.skipValue()
      }
    }
    switch type {
    case .hello: self = .hello(token: token.map(Hrana.AuthToken.init))
    case .request:
      guard let id else { throw members.missing(.requestID) }
      guard let request else { throw members.missing(.request) }
      self = .request(id: id, request)
    case nil: throw members.missing(.type)
    default: throw JSONFault(.unknownType, at: start, "no type of a client message")
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .hello(let token):
      writer.raw(#"{"type":"hello","jwt":"#)
      writer.string(token?.text)
    case .request(let id, let request):
      writer.raw(#"{"type":"request","request_id":"#)
      writer.integer(id)
      writer.raw(#","request":"#)
      writer.value(request)
    }
    writer.raw("}")
  }
}
