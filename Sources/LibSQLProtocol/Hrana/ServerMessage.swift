extension Hrana {
  /// What a server sends over WebSocket, one message for each text frame: `ServerMsg`.
  ///
  /// - Source: HRANA_3_SPEC.md, Messages.
  public enum ServerMessage: Sendable, Equatable {
    /// The client may go on.
    case helloOK
    /// The client may not; the server ignores what it sends and closes the connection.
    case helloError(ProtocolError)
    /// The answer to the request with this number. Answers can come in any order.
    case responseOK(id: Int32, SocketResponse)
    /// The request with this number failed.
    case responseError(id: Int32, ProtocolError)
  }
}

extension Hrana.ServerMessage: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    let start = reader.position - 1
    var type: FieldName?
    var id: Int32?
    var response: Hrana.SocketResponse?
    var error: Hrana.ProtocolError?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .requestID: id = try reader.readInteger()
      case .response: response = try Hrana.SocketResponse(from: &reader)
      case .error: error = try Hrana.ProtocolError(from: &reader)
      default: try reader.skipValue()
      }
    }
    switch type {
    case .helloOK: self = .helloOK
    case .helloError:
      guard let error else { throw members.missing(.error) }
      self = .helloError(error)
    case .responseOK:
      guard let id else { throw members.missing(.requestID) }
      guard let response else { throw members.missing(.response) }
      self = .responseOK(id: id, response)
    case .responseError:
      guard let id else { throw members.missing(.requestID) }
      guard let error else { throw members.missing(.error) }
      self = .responseError(id: id, error)
    case nil: throw members.missing(.type)
    default: throw JSONFault(.unknownType, at: start, "no type of a server message")
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .helloOK: writer.raw(#"{"type":"hello_ok""#)
    case .helloError(let error):
      writer.raw(#"{"type":"hello_error","error":"#)
      writer.value(error)
    case .responseOK(let id, let response):
      writer.raw(#"{"type":"response_ok","request_id":"#)
      writer.integer(id)
      writer.raw(#","response":"#)
      writer.value(response)
    case .responseError(let id, let error):
      writer.raw(#"{"type":"response_error","request_id":"#)
      writer.integer(id)
      writer.raw(#","error":"#)
      writer.value(error)
    }
    writer.raw("}")
  }
}
