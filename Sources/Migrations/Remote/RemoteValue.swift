internal import EncryptedStorage
internal import LibSQLProtocol

extension Hrana.Statement {
  /// A statement of the tracker, for the wire.
  init(_ statement: Tracker.Statement) {
    self.init(.text(statement.sql), arguments: statement.values.map(Hrana.Value.init))
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
