internal import EncryptedStorage

/// Something that changed here and at the remote in ways that do not go together.
public struct Conflict: Sendable, Hashable {
  /// What happened.
  public enum Kind: String, Sendable, Hashable, Encodable {
    /// A row was changed on both sides.
    case changedOnBothSides = "changed-on-both-sides"
    /// A row was changed here, and deleted at the remote.
    case deletedThere = "deleted-there"
    /// A row was deleted here, and changed at the remote.
    case deletedHere = "deleted-here"
    /// Rows of one key were inserted on both sides.
    case insertedOnBothSides = "inserted-on-both-sides"
    /// A constraint forbids the row beside the remote's rows: unique, check, not null.
    case constraint
    /// The row refers to one that is not there, or is referred to and gone.
    case foreignKey = "foreign-key"
    /// The definition of a table, index, view or trigger was changed on both sides, or rows of a table whose definition
    /// changed at the remote were changed here.
    case schema
    /// A table was dropped or made anew here, and its rows were changed at the remote.
    case tableReplacedHere = "table-replaced-here"
  }

  /// A value of a key, to be shown to the user and not to be logged.
  public enum KeyValue: Sendable, Hashable, Encodable, CustomStringConvertible {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    /// As SQL writes it, but for control characters, which could do something to a terminal.
    public var description: String {
      switch self {
      case .null: "NULL"
      case .integer(let number): String(number)
      case .real(let number): String(number)
      case .text(let text): "'" + Self.shown(text).replacing("'", with: "''") + "'"
      case .blob(let bytes): "x'" + bytes.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined() + "'"
      }
    }

    private static func shown(_ text: String) -> String {
      text.unicodeScalars.reduce(into: "") { shown, scalar in
        let isControl = scalar.properties.generalCategory == .control || scalar.properties.isBidiControl
        if isControl { shown += "\\u{\(String(scalar.value, radix: 16))}" } else { shown.unicodeScalars.append(scalar) }
      }
    }

    /// As ``description``, but numbers as numbers, and text as it is.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .null: try container.encodeNil()
      case .integer(let number): try container.encode(number)
      case .text(let text): try container.encode(text)
      case .real, .blob: try container.encode(description)
      }
    }

    init(_ value: ExactValue) {
      switch value {
      case .null: self = .null
      case .integer(let number): self = .integer(number)
      case .real(let bits): self = .real(Double(bitPattern: bits))
      case .text(let bytes): self = .text(String(decoding: bytes, as: UTF8.self))
      case .blob(let bytes): self = .blob(bytes)
      }
    }
  }

  /// What happened.
  public let kind: Kind
  /// The table; for ``Kind/schema`` and constraints that come with one, the name of the index, view or trigger.
  public let table: String
  /// The values of the row's key, in the order of the key; empty where it is not about a row.
  public let key: [KeyValue]

  init(_ kind: Kind, _ table: String, key: [ExactValue] = []) {
    self.kind = kind
    self.table = table
    self.key = key.map(KeyValue.init)
  }
}

extension Conflict: Encodable, CustomStringConvertible {
  /// `table (key): what happened`.
  public var description: String {
    table + (key.isEmpty ? "" : " (" + key.map(\.description).joined(separator: ", ") + ")") + ": " + kind.rawValue
  }
}

/// Which side a row takes that was changed on both.
public enum Preference: String, Sendable {
  /// The working copy's row replaces the remote's.
  case ours
  /// The remote's row stays, and the change of the working copy is dropped.
  case theirs
}
