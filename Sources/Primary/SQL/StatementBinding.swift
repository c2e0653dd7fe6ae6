internal import EncryptedStorage
internal import LibSQLProtocol

extension ClientStatement {
  /// Gives every parameter its value.
  ///
  /// Positional values must be as many as there are parameters. A named one is looked for as it is written, then behind each
  /// prefix that SQL knows; names that the statement does not have are passed over, as sqld does.
  /// - Throws: `ARGS_INVALID`, `ARGS_BOTH_POSITIONAL_AND_NAMED`.
  func bind(_ arguments: [Hrana.Value], _ named: [Hrana.NamedArgument]) throws(ClientError) {
    guard arguments.isEmpty || named.isEmpty else { throw ClientError(SQLFailure.bothKindsOfArguments) }
    let names = parameterNames
    guard named.isEmpty else { return try bind(named, to: names) }
    guard arguments.count == names.count else {
      throw ClientError(SQLFailure.arguments("\(arguments.count) values for \(names.count) parameters"))
    }
    for (index, value) in arguments.enumerated() { try bind(value, index + 1) }
  }

  private func bind(_ named: [Hrana.NamedArgument], to names: [String?]) throws(ClientError) {
    var values: [String: Hrana.Value] = [:]
    for argument in named { values[argument.name] = argument.value }
    for (index, name) in names.enumerated() {
      guard let name else { throw ClientError(SQLFailure.arguments("parameter \(index + 1) has no name")) }
      guard let value = values[name] ?? values[String(name.dropFirst())] else {
        throw ClientError(SQLFailure.arguments("no value for parameter \(name)"))
      }
      try bind(value, index + 1)
    }
  }

  private func bind(_ value: Hrana.Value, _ index: Int) throws(ClientError) {
    do throws(StatementFailure) { try bind(Value(value), at: index) } catch { throw ClientError(error) }
  }
}

extension Value {
  init(_ value: Hrana.Value) {
    switch value {
    case .null: self = .null
    case .integer(let number): self = .integer(number)
    case .float(let number): self = .real(number)
    case .text(let text): self = .text(text)
    case .blob(let bytes): self = .blob(bytes)
    }
  }
}

extension Hrana.Value {
  init(_ value: Value) {
    switch value {
    case .null: self = .null
    case .integer(let number): self = .integer(number)
    case .real(let number): self = .float(number)
    case .text(let text): self = .text(text)
    case .blob(let bytes): self = .blob(bytes)
    }
  }

  /// About how many bytes the value has in an answer.
  var answerByteCount: Int {
    switch self {
    case .null: 16
    case .integer, .float: 48
    case .text(let text): 32 + text.utf8.count
    case .blob(let bytes): 32 + bytes.count / 3 * 4
    }
  }
}
