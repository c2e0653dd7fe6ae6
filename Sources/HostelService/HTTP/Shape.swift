internal import HostelDomain

/// What a value has to look like: read from here when a request is checked, and written from here into the OpenAPI document,
/// so that both say the same.
indirect enum Shape: Sendable {
  /// Code points, from and to.
  case text(ClosedRange<Int>, pattern: String? = nil)
  case integer(ClosedRange<Int64>)
  case choice([String])
  case boolean
  /// `YYYY-MM-DD`
  case day
  /// RFC 3339 in UTC. In answers only.
  case moment
  case object(ObjectShape)
  case list(Shape, countMax: Int)
  /// Of whatever members. In answers only.
  case anyObject

  /// What is wrong with a value.
  ///
  /// - Parameter pointer: where it is.
  func problems(of value: JSONValue, at pointer: String) -> [FieldProblem] {
    switch (self, value) {
    case (.text(let counts, _), .text(let text)):
      guard counts.contains(text.unicodeScalars.count) else {
        return [
          FieldProblem(pointer, "length", "\(counts.lowerBound) to \(counts.upperBound) characters")
        ]
      }
      return []
    case (.integer(let range), .integer(let number)):
      guard range.contains(number) else {
        return [FieldProblem(pointer, "range", "\(range.lowerBound) to \(range.upperBound)")]
      }
      return []
    case (.choice(let names), .text(let text)):
      return names.contains(text)
        ? [] : [FieldProblem(pointer, "choice", "one of \(names.joined(separator: ", "))")]
    case (.boolean, .bool): return []
    case (.day, .text(let text)):
      return Day(text) == nil ? [FieldProblem(pointer, "format", "a day as YYYY-MM-DD")] : []
    case (.object(let shape), .object(let members)): return shape.problems(of: members, at: pointer)
    case (.list(let shape, let countMax), .array(let values)):
      guard values.count <= countMax else { return [FieldProblem(pointer, "length", "at most \(countMax) elements")] }
      return values.enumerated().flatMap { shape.problems(of: $1, at: "\(pointer)/\($0)") }
    default: return [FieldProblem(pointer, "type", typeName)]
    }
  }

  private var typeName: String {
    switch self {
    case .text, .choice, .day, .moment: "a text"
    case .integer: "an integer"
    case .boolean: "true or false"
    case .object, .anyObject: "an object"
    case .list: "an array"
    }
  }

  /// As JSON Schema, 2020-12.
  var schema: [String: JSONValue] {
    switch self {
    case .text(let counts, let pattern):
      var schema: [String: JSONValue] = [
        "type": "string", "minLength": .integer(Int64(counts.lowerBound)),
        "maxLength": .integer(Int64(counts.upperBound)),
      ]
      if let pattern { schema["pattern"] = .text(pattern) }
      return schema
    case .integer(let range):
      return ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    case .choice(let names): return ["type": "string", "enum": .array(names.map { .text($0) })]
    case .boolean: return ["type": "boolean"]
    case .day: return ["type": "string", "format": "date"]
    case .moment: return ["type": "string", "format": "date-time"]
    case .object(let shape): return ["$ref": .text(shape.place)]
    case .list(let shape, let countMax):
      return ["type": "array", "maxItems": .integer(Int64(countMax)), "items": .object(shape.schema)]
    case .anyObject: return ["type": "object"]
    }
  }

  /// Shapes of objects that are named in it.
  var parts: [ObjectShape] {
    switch self {
    case .object(let shape): [shape] + shape.fields.flatMap(\.shape.parts)
    case .list(let shape, _): shape.parts
    default: []
    }
  }
}

/// A member of an object.
struct Field: Sendable {
  let name: String
  let shape: Shape
  /// Whether it has to be there; one that does not may be null.
  let isRequired: Bool
  let meaning: String

  init(_ name: String, _ shape: Shape, optional: Bool = false, _ meaning: String) {
    self.name = name
    self.shape = shape
    isRequired = !optional
    self.meaning = meaning
  }
}

/// An object with these members and no others.
struct ObjectShape: Sendable {
  let name: String
  let fields: [Field]
  /// One that is right, for the document.
  let example: JSONValue?

  init(_ name: String, _ fields: [Field], example: JSONValue? = nil) {
    self.name = name
    self.fields = fields
    self.example = example
  }

  var place: String { "#/components/schemas/\(name)" }

  func problems(of members: [String: JSONValue], at pointer: String) -> [FieldProblem] {
    var problems: [FieldProblem] = []
    for field in fields {
      let place = "\(pointer)/\(field.name)"
      let value = members[field.name] ?? .null
      if members[field.name] == nil, field.isRequired {
        problems.append(FieldProblem(place, "required", "has to be given"))
      } else if field.isRequired || value != .null {
        problems += field.shape.problems(of: value, at: place)
      }
    }
    let known = Set(fields.map(\.name))
    // A name that nobody knows is not repeated: it may be a value that went astray.
    if members.keys.contains(where: { !known.contains($0) }) {
      problems.append(FieldProblem(pointer, "unknown", "has a member that is not known"))
    }
    return problems
  }

  var schema: JSONValue {
    var properties: [String: JSONValue] = [:]
    for field in fields {
      var schema = field.shape.schema
      if !field.isRequired {
        if let type = schema["type"] {
          schema["type"] = [type, "null"]
          if case .array(let names)? = schema["enum"] { schema["enum"] = .array(names + [.null]) }
        } else {
          schema = ["anyOf": [.object(schema), ["type": "null"]]]
        }
      }
      schema["description"] = .text(field.meaning)
      properties[field.name] = .object(schema)
    }
    var schema: [String: JSONValue] = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
      "required": .array(fields.filter(\.isRequired).map { .text($0.name) }),
    ]
    if let example { schema["examples"] = [example] }
    return .object(schema)
  }
}
