internal import HTTPTypes

/// The description of the service, made from the endpoints that serve it.
///
/// - Source: OpenAPI Specification 3.1.0.
struct OpenAPIDocument: Sendable {
  let endpoints: [Endpoint]
  let requiresTokens: Bool

  var json: JSONValue {
    var paths: [String: [String: JSONValue]] = [:]
    for endpoint in endpoints {
      paths[endpoint.path, default: [:]][endpoint.method.rawValue.lowercased()] = operation(endpoint)
    }
    var components: [String: JSONValue] = ["schemas": .object(schemas)]
    if requiresTokens {
      components["securitySchemes"] = [
        "token": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT, signed with EdDSA"]
      ]
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "albergue-service", "version": "0.1.0",
        "description": .text(
          """
          A pilgrims' hostel. Reads are local; x-albergue-age says how many seconds old they may be, and \
          x-albergue-lacks-writes that something written here may be missing. Times are RFC 3339 in UTC, money is in euro \
          cents, problems follow RFC 9457. Nothing is queued: what is answered with 503 was not done, except for the kind \
          outcome-unknown, which names the change to ask about.
          """),
      ],
      "paths": .object(paths.mapValues { .object($0) }), "components": .object(components),
    ]
  }

  private var schemas: [String: JSONValue] {
    let shapes = endpoints.flatMap { endpoint in
      (endpoint.body.map { Shape.object($0).parts } ?? []) + (endpoint.answer.shape?.parts ?? [])
    }
    let all = shapes + Shape.object(Problem.shape).parts
    return Dictionary(all.map { ($0.name, $0.schema) }) { first, _ in first }
  }

  private func operation(_ endpoint: Endpoint) -> JSONValue {
    var operation: [String: JSONValue] = [
      "operationId": .text(endpoint.name), "summary": .text(endpoint.summary), "responses": responses(endpoint),
    ]
    if !endpoint.parameters.isEmpty { operation["parameters"] = .array(endpoint.parameters.map(Self.parameter)) }
    if let body = endpoint.body {
      operation["requestBody"] = [
        "required": true, "content": ["application/json": ["schema": ["$ref": .text(body.place)]]],
      ]
    }
    if requiresTokens, endpoint.access != .open { operation["security"] = [["token": []]] }
    return .object(operation)
  }

  private static func parameter(_ parameter: Endpoint.Parameter) -> JSONValue {
    [
      "name": .text(parameter.name), "in": .text(parameter.isInPath ? "path" : "query"),
      "required": .bool(parameter.isRequired), "schema": .object(parameter.shape.schema),
      "description": .text(parameter.meaning),
    ]
  }

  private func responses(_ endpoint: Endpoint) -> JSONValue {
    var success: [String: JSONValue] = ["description": "Done."]
    let type = endpoint.answer.mediaType.prefix { $0 != ";" }
    if let shape = endpoint.answer.shape {
      success["content"] = .object([String(type): ["schema": .object(shape.schema)]])
    } else {
      success["content"] = .object([String(type): ["schema": ["type": "string"]]])
    }
    var responses = ["\(endpoint.answer.status.code)": JSONValue.object(success)]
    var statuses = endpoint.failures + [500, 503]
    if endpoint.access != .open { statuses += requiresTokens ? [401] : [403] }
    if endpoint.access == .writing { statuses.append(403) }
    if !endpoint.parameters.isEmpty { statuses.append(400) }
    if endpoint.body != nil { statuses += [400, 408, 413, 415] }
    for status in statuses {
      responses["\(status)"] = [
        "description": .text(HTTPResponse.Status(code: status).reasonPhrase),
        "content": ["application/problem+json": ["schema": ["$ref": .text(Problem.shape.place)]]],
      ]
    }
    return .object(responses)
  }
}
