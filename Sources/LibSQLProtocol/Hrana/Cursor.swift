extension Hrana {
  /// The body of `POST /v3/cursor`.
  ///
  /// - Source: HRANA_3_SPEC.md, Execute a batch using a cursor.
  public struct CursorRequest: Sendable, Equatable {
    /// The stream, as the last answer on it named it; nil opens one.
    public var baton: String?
    /// What is run.
    public var batch: Batch

    /// Makes a request.
    public init(baton: String?, batch: Batch) {
      self.baton = baton
      self.batch = batch
    }
  }

  /// The first line of the answer to a ``CursorRequest``; the others are ``CursorEntry``s, each ended by a newline.
  public struct CursorResponse: Sendable, Equatable {
    /// Names the stream in the next request; nil: the stream is closed.
    public var baton: String?
    /// Where the next request on this stream goes, an absolute URL; nil: where this one went.
    public var baseURL: String?

    /// Makes a line.
    public init(baton: String?, baseURL: String? = nil) {
      self.baton = baton
      self.baseURL = baseURL
    }
  }
}

extension Hrana.CursorRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var baton: String?
    var batch: Hrana.Batch?
    while let field = try reader.nextField(&members) {
      switch field {
      case .baton: baton = try reader.readOptionalString()
      case .batch: batch = try Hrana.Batch(from: &reader)
      default: try reader.skipValue()
      }
    }
    guard let batch else { throw members.missing(.batch) }
    self.init(baton: baton, batch: batch)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"baton":"#)
    writer.string(baton)
    writer.raw(#","batch":"#)
    writer.value(batch)
    writer.raw("}")
  }
}

extension Hrana.CursorResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var baton: String?
    var baseURL: String?
    while let field = try reader.nextField(&members) {
      switch field {
      case .baton: baton = try reader.readOptionalString()
      case .baseURL: baseURL = try reader.readOptionalString()
      default: try reader.skipValue()
      }
    }
    self.init(baton: baton, baseURL: baseURL)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"baton":"#)
    writer.string(baton)
    writer.raw(#","base_url":"#)
    writer.string(baseURL)
    writer.raw("}")
  }
}
