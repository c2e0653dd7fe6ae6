internal import HTTPTypes
internal import HostelDomain
internal import HostelStore
internal import Hummingbird
internal import NIOCore
internal import ServerAccess

/// One thing that the service does: how it is asked for, checked and described.
struct Endpoint: Sendable {
  /// Who may ask.
  enum Access: Sendable {
    /// Everybody.
    case open
    /// Who has a token.
    case reading
    /// Who has a token that allows writing.
    case writing
  }

  /// A part of the path or of the query.
  struct Parameter: Sendable {
    let name: String
    let shape: Shape
    var isInPath = false
    var isRequired = false
    let meaning: String
  }

  let method: HTTPRequest.Method
  /// With parameters in braces: `/v1/beds/{id}`.
  let path: String
  /// Name of the operation in the OpenAPI document.
  let name: String
  let summary: String
  var access = Access.reading
  var parameters: [Parameter] = []
  var body: ObjectShape?
  /// The status of success, and what then comes.
  var answer: (status: HTTPResponse.Status, shape: Shape?, mediaType: String) = (.ok, nil, "application/json")
  /// Other statuses than those that every endpoint can answer.
  var failures: [Int] = []
  let respond: @Sendable (Call) async throws -> Reply
}

/// A request that was let in and has the right shape.
struct Call: Sendable {
  let actor: Actor
  let context: ServiceContext
  private let values: [String: JSONValue]
  /// The body; null where there is none.
  let body: JSONValue

  init(actor: Actor, context: ServiceContext, values: [String: JSONValue], body: JSONValue) {
    self.actor = actor
    self.context = context
    self.values = values
    self.body = body
  }

  /// - Throws: ``Problem`` when it was not given.
  func integer(_ name: String) throws(Problem) -> Int64 {
    guard let value = values[name]?.integer else { throw .malformed("a parameter is missing") }
    return value
  }

  func text(_ name: String) -> String? { values[name]?.text }

  var after: Int64 { values["after"]?.integer ?? 0 }
  var limit: Int { Int(values["limit"]?.integer ?? 50) }

  /// - Throws: ``Problem`` 404: what is no reference is that of no booking.
  func reference() throws(Problem) -> BookingReference {
    guard let reference = text("reference").flatMap({ BookingReference($0) }) else { throw .notFound }
    return reference
  }
}

/// What a call is answered with.
struct Reply: Sendable {
  var bytes: [UInt8]
  var age: HostelDatabase.Age?
  var location: String?

  init(_ value: JSONValue, age: HostelDatabase.Age? = nil, location: String? = nil) {
    bytes = value.bytes
    self.age = age
    self.location = location
  }

  init(text: String) { bytes = Array(text.utf8) }

  static let nothing = Reply(text: "")
}

extension Endpoint.Parameter {
  static let after = Self(
    name: "after", shape: .integer(0...Int64.max), meaning: "the id after which the part of the list begins")
  static let limit = Self(
    name: "limit", shape: .integer(1...Int64(Page<Int>.limitMax)), meaning: "how many there are at most; default 50")
  static let id = Self(
    name: "id", shape: .integer(1...Int64.max), isInPath: true, isRequired: true, meaning: "the id of the record")
  static let reference = Self(
    name: "reference", shape: .text(1...50, pattern: "^[A-Za-z0-9._-]{1,50}$"), isInPath: true,
    isRequired: true, meaning: "the reference of the booking")

  /// Reads the parameter as it came.
  ///
  /// - Throws: ``Problem`` with the name of the parameter.
  func value(_ texts: [String]) throws(Problem) -> JSONValue? {
    guard let text = texts.first else {
      guard !isRequired else { throw .malformed("parameter \(name): has to be given") }
      return nil
    }
    guard texts.count == 1 else { throw .malformed("parameter \(name): given more than once") }
    let value: JSONValue
    switch shape {
    case .integer:
      guard text.utf8.count <= 19, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(text) else {
        throw isInPath ? .notFound : .malformed("parameter \(name): not an integer")
      }
      value = .integer(number)
    default: value = .text(text)
    }
    if let problem = shape.problems(of: value, at: "").first {
      throw isInPath ? .notFound : .malformed("parameter \(name): \(problem.message)")
    }
    return value
  }
}
