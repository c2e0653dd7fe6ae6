/// What a statement does, as far as the migrator has to know: told from its first words, without parsing the rest.
public struct StatementEffect: Sendable, Hashable {
  /// Whether it drops a table or a column, or deletes or replaces rows.
  public let isDestructive: Bool
  /// Whether it begins or ends a transaction. Savepoints do not.
  let controlsTransaction: Bool
  /// `PRAGMA foreign_keys=OFF`, which has no effect within a transaction.
  let turnsForeignKeysOff: Bool
  /// Of `DROP TABLE`.
  let droppedTable: String?
  /// Of `ALTER TABLE … RENAME TO`.
  let newTableName: String?
  /// Of `CREATE TABLE`, `CREATE VIEW`, `CREATE INDEX` and `CREATE TRIGGER` outside the temporary schema.
  let created: SchemaObject.Name?

  init(_ words: SQLWords) {
    var words = words
    var (drops, renames, made) = (String?.none, String?.none, SchemaObject.Name?.none)
    var (isDestructive, controls, isOff) = (false, false, false)
    switch words.next() {
    case "BEGIN", "COMMIT", "END": controls = true
    // `ROLLBACK TO` ends no transaction.
    case "ROLLBACK": controls = !words.contains("TO")
    case "DELETE", "REPLACE": isDestructive = true
    case "INSERT": isDestructive = words.next() == "OR" && words.next() == "REPLACE"
    case "WITH": isDestructive = words.contains("DELETE")
    case "PRAGMA":
      let rest = words.rest()
      isOff = rest.contains("FOREIGN_KEYS") && !rest.isDisjoint(with: ["OFF", "0", "FALSE", "NO"])
    case "DROP":
      guard words.next() == "TABLE" else { break }
      isDestructive = true
      drops = words.name(after: ["IF", "EXISTS"])
    case "ALTER":
      guard words.next() == "TABLE", words.name(after: []) != nil else { break }
      switch words.next() {
      case "DROP": isDestructive = true
      case "RENAME": if words.next() == "TO" { renames = words.name(after: []) }
      default: break
      }
    case "CREATE": made = Self.created(&words)
    default: break
    }
    (self.isDestructive, controlsTransaction, turnsForeignKeysOff) = (isDestructive, controls, isOff)
    (droppedTable, newTableName, created) = (drops, renames, made)
  }

  private static func created(_ words: inout SQLWords) -> SchemaObject.Name? {
    var word = words.next()
    if word == "UNIQUE" || word == "VIRTUAL" { word = words.next() }
    guard let kind = word.flatMap({ SchemaObject.Kind(rawValue: $0.lowercased()) }),
      let name = words.name(after: ["IF", "NOT", "EXISTS"])
    else { return nil }
    return SchemaObject.Name(kind: kind, name: name)
  }
}

/// The tokens of one statement, read from left to right.
struct SQLWords {
  private let tokens: [SQLToken]
  private let bytes: [UInt8]
  private var position = 0

  init(_ tokens: [SQLToken], of bytes: [UInt8]) {
    self.tokens = tokens
    self.bytes = bytes
  }

  /// Only ASCII letters change, as in SQLite.
  static func upper(_ bytes: ArraySlice<UInt8>) -> String {
    String(
      decoding: bytes.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) ? $0 - 32 : $0 }, as: UTF8.self)
  }

  /// The next token in capital letters; a quoted one is never a keyword, and comes as an empty text.
  mutating func next() -> String? {
    guard position < tokens.count else { return nil }
    defer { position += 1 }
    return keyword(position)
  }

  private func keyword(_ index: Int) -> String {
    let token = tokens[index]
    return token.kind == .word || token.kind == .other ? Self.upper(bytes[token.range]) : ""
  }

  /// Whether a word stands anywhere in what is left.
  func contains(_ word: String) -> Bool { rest().contains(word) }

  /// What is left, without quotes.
  func rest() -> Set<String> {
    Set((position..<tokens.count).map { tokens[$0].kind == .string ? text($0).uppercased() : keyword($0) })
  }

  /// The name that comes next, without its quotes and without the name of a schema before it.
  ///
  /// - Parameter optional: words that may stand before it, all or none.
  mutating func name(after optional: [String]) -> String? {
    if optional.enumerated().allSatisfy({
      position + $0.offset < tokens.count && keyword(position + $0.offset) == $0.element
    }
    ) {
      position += optional.count
    }
    guard var name = nextName() else { return nil }
    if position < tokens.count, keyword(position) == "." {
      position += 1
      guard let second = nextName() else { return nil }
      name = second
    }
    return name
  }

  private mutating func nextName() -> String? {
    guard position < tokens.count, [.word, .quotedName, .string].contains(tokens[position].kind) else { return nil }
    var name = text(position)
    position += 1
    // A doubled quote within a name begins another token right behind it.
    while position < tokens.count, tokens[position].kind == tokens[position - 1].kind, tokens[position].kind != .word,
      tokens[position].range.lowerBound == tokens[position - 1].range.upperBound
    {
      name += String(decoding: bytes[tokens[position].range].prefix(1), as: UTF8.self) + text(position)
      position += 1
    }
    return name
  }

  private func text(_ index: Int) -> String {
    let token = tokens[index]
    let inner = token.kind == .word ? token.range : token.range.lowerBound + 1..<token.range.upperBound - 1
    return String(decoding: bytes[inner], as: UTF8.self)
  }
}
