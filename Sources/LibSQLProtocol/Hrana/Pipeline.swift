extension Hrana {
  /// The body of `POST /v2/pipeline` and `/v3/pipeline`.
  ///
  /// - Source: HRANA_3_SPEC.md, Execute a pipeline of requests.
  public struct PipelineRequest: Sendable, Equatable {
    /// The stream, as the last answer on it named it; nil opens one.
    public var baton: String?
    /// Run in order, all of them, even after one fails.
    public var requests: [StreamRequest]

    /// Makes a request.
    public init(baton: String?, requests: [StreamRequest]) {
      self.baton = baton
      self.requests = requests
    }
  }

  /// The answer to a ``PipelineRequest``.
  public struct PipelineResponse: Sendable, Equatable {
    /// Names the stream in the next request, and differs in each answer; nil: the stream is closed.
    public var baton: String?
    /// Where the next request on this stream goes, an absolute URL; nil: where this one went.
    public var baseURL: String?
    /// One for each request.
    public var results: [StreamResult]

    /// Makes an answer.
    public init(baton: String?, baseURL: String? = nil, results: [StreamResult]) {
      self.baton = baton
      self.baseURL = baseURL
      self.results = results
    }
  }
}

extension Hrana.PipelineRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var baton: String?
    var requests: [Hrana.StreamRequest]?
    while let field = try reader.nextField(&members) {
      switch field {
      case .baton: baton = try reader.readOptionalString()
      case .requests:
        requests = try reader.readArray(
          countMax: reader.limits.requestCountMax, Hrana.StreamRequest.init(from:))
      default: try reader.skipValue()
      }
    }
    guard let requests else { throw members.missing(.requests) }
    self.init(baton: baton, requests: requests)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"baton":"#)
    writer.string(baton)
    writer.raw(#","requests":"#)
    writer.array(requests)
    writer.raw("}")
  }
}

extension Hrana.PipelineResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var baton: String?
    var baseURL: String?
    var results: [Hrana.StreamResult]?
    while let field = try reader.nextField(&members) {
      switch field {
      case .baton: baton = try reader.readOptionalString()
      case .baseURL: baseURL = try reader.readOptionalString()
      case .results:
        results = try reader.readArray(
          countMax: reader.limits.requestCountMax, Hrana.StreamResult.init(from:))
      default: try reader.skipValue()
      }
    }
    guard let results else { throw members.missing(.results) }
    self.init(baton: baton, baseURL: baseURL, results: results)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"baton":"#)
    writer.string(baton)
    writer.raw(#","base_url":"#)
    writer.string(baseURL)
    writer.raw(#","results":"#)
    writer.array(results)
    writer.raw("}")
  }
}
