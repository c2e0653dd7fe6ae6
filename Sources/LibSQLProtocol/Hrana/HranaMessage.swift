/// A whole body, line or WebSocket frame: what has bytes of its own on the wire.
public protocol HranaMessage: Sendable, Equatable {
  /// Reads a message.
  ///
  /// - Parameter bytes: JSON in UTF-8, without a byte order mark; white space around it is allowed.
  /// - Throws: ``JSONMessageError``, which says what and where and quotes nothing.
  /// - Complexity: O(bytes).
  init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError)

  /// Appends the message to `buffer` as one line of JSON, without a newline.
  func encode(into buffer: inout [UInt8])
}

extension HranaMessage {
  /// Reads a message within the limits of ``Hrana/Limits/init()``.
  public init(decoding bytes: [UInt8]) throws(JSONMessageError) {
    try self.init(decoding: bytes, limits: Hrana.Limits())
  }

  /// The message as one line of JSON, without a newline.
  public func encoded() -> [UInt8] {
    var buffer: [UInt8] = []
    encode(into: &buffer)
    return buffer
  }
}

// The types that are messages. Each writes the same two lines, since the way to JSON is not public.

extension Hrana.ClientMessage: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.ServerMessage: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.PipelineRequest: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.PipelineResponse: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.CursorRequest: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.CursorResponse: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.CursorEntry: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.ExecuteRequest: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.ExecuteResponse: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.BatchRequest: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.BatchResponse: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}

extension Hrana.ProtocolError: HranaMessage {
  /// Reads a message, as ``HranaMessage`` says.
  public init(decoding bytes: [UInt8], limits: Hrana.Limits) throws(JSONMessageError) {
    self = try JSONReader.decode(Self.self, from: bytes, limits: limits)
  }

  /// Appends the message, as ``HranaMessage`` says.
  public func encode(into buffer: inout [UInt8]) { JSONWriter.append(self, to: &buffer) }
}
