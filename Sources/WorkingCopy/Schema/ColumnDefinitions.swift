/// The column definitions and constraints in the text of a `CREATE TABLE`, one by one.
struct ColumnDefinitions {
  /// Without the commas, and without white space around them.
  private let parts: [Substring]

  /// - Parameter sql: as `sqlite_schema` has it; text that is no list of columns gives no definitions.
  init(of sql: String) {
    var scanner = Scanner(sql[...])
    var parts: [Substring] = []
    var depth = 0
    var start = sql.startIndex
    while let symbol = scanner.next() {
      switch symbol.text {
      case "(":
        depth += 1
        if depth == 1 { start = symbol.end }
      case ")", ",":
        if depth == 1 { parts.append(Self.trimmed(sql[start..<symbol.start])) }
        if depth == 1, symbol.text == "," { start = symbol.end }
        if symbol.text == ")" { depth -= 1 }
      default: break
      }
      if depth == 0, symbol.text == ")" { break }
    }
    self.parts = parts
  }

  /// The definition that begins with the name of a column; nil when there is none.
  func definition(of column: String) -> String? {
    parts.first { Self.name(of: $0) == column }.map(String.init)
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0.isWhitespace }
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }

  /// The first word, without its quotes.
  private static func name(of definition: Substring) -> String {
    guard let first = definition.first else { return "" }
    let closing: Character
    switch first {
    case "\"", "`", "'": closing = first
    case "[": closing = "]"
    default: return String(definition.prefix { !$0.isWhitespace && $0 != "(" && $0 != "," })
    }
    var scanner = Scanner(definition)
    guard let word = scanner.next() else { return "" }
    let inside = definition[definition.index(after: word.start)..<definition.index(before: word.end)]
    return first == "[" ? String(inside) : String(inside.replacing("\(closing)\(closing)", with: "\(closing)"))
  }

  /// Cuts SQL into single characters and whole quoted words; comments are passed over.
  private struct Scanner {
    struct Symbol {
      /// A character; of a quoted word the opening quote.
      let text: Character
      let start: String.Index
      let end: String.Index
    }

    private var rest: Substring

    init(_ text: Substring) { rest = text }

    mutating func next() -> Symbol? {
      while let first = rest.first {
        let start = rest.startIndex
        if rest.hasPrefix("--") {
          rest = rest.drop { !$0.isNewline }
        } else if rest.hasPrefix("/*") {
          rest = rest.dropFirst(2).firstRange(of: "*/").map { rest[$0.upperBound...] } ?? rest[rest.endIndex...]
        } else {
          rest = rest.dropFirst()
          switch first {
          case "'", "\"", "`": skip(to: first, isDoubled: true)
          case "[": skip(to: "]", isDoubled: false)
          default: break
          }
          return Symbol(text: first, start: start, end: rest.startIndex)
        }
      }
      return nil
    }

    private mutating func skip(to closing: Character, isDoubled: Bool) {
      while let character = rest.popFirst() {
        guard character == closing else { continue }
        guard isDoubled, rest.first == closing else { return }
        rest = rest.dropFirst()
      }
    }
  }
}

/// How one definition of a table becomes another by `ALTER TABLE`, with the rows that are there.
///
/// A guess: it counts only when SQLite, having run it, writes the text that was wanted.
struct TableAlteration: Sendable {
  let statements: [String]
  /// Former names by new names.
  let renamed: [String: String]

  /// None when the columns do not say how.
  ///
  /// SQLite writes a new name with or without quotes, as the statement has it: both are tried.
  static func candidates(
    from former: (layout: TableLayout, sql: String), to wanted: (layout: TableLayout, sql: String)
  ) -> [TableAlteration] {
    let (old, new) = (former.layout.columnNames, wanted.layout.columnNames)
    let table = wanted.layout.quotedName
    let removed = old.filter { !new.contains($0) }
    let added = new.filter { !old.contains($0) }
    guard !removed.isEmpty || !added.isEmpty else { return [] }
    if old.count == new.count, removed.count == added.count {
      let pairs = zip(old, new).filter { $0 != $1 }
      guard pairs.count == added.count else { return [] }
      let renamed = Dictionary(pairs.map { ($1, $0) }) { first, _ in first }
      let isPlain = added.allSatisfy { $0.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]*/) != nil }
      return [true, false].filter { $0 || isPlain }.map { isQuoted in
        let statements = pairs.map { former, name in
          "ALTER TABLE \(table) RENAME COLUMN \(former.quoted) TO \(isQuoted ? name.quoted : name)"
        }
        return TableAlteration(statements: statements, renamed: renamed)
      }
    }
    let definitions = ColumnDefinitions(of: wanted.sql)
    guard new.suffix(added.count).elementsEqual(added) else { return [] }
    let additions = added.compactMap { definitions.definition(of: $0) }
    guard additions.count == added.count else { return [] }
    let statements =
      removed.map { "ALTER TABLE \(table) DROP COLUMN \($0.quoted)" }
      + additions.map { "ALTER TABLE \(table) ADD COLUMN \($0)" }
    return [TableAlteration(statements: statements, renamed: [:])]
  }
}
