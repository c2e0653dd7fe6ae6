/// SQL text of a migration, cut into statements that know where they are.
public struct MigrationScript: Sendable, Hashable {
  /// One statement.
  public struct Statement: Sendable, Hashable {
    /// The text from its first token, without the semicolon that ends it.
    public let sql: String
    /// Line of its first token, from 1.
    public let line: Int
    /// Its number in the script, from 1.
    public let number: Int
    /// What it does, as far as the migrator has to know.
    public let effect: StatementEffect

    init(sql: String, line: Int, number: Int, effect: StatementEffect) {
      self.sql = sql
      self.line = line
      self.number = number
      self.effect = effect
    }
  }

  /// Where the text is from, for messages: a file, or a name.
  public let source: String
  /// What the front matter says.
  public let options: ScriptOptions
  /// In the order of the text; empty when there are only comments.
  public let statements: [Statement]
  /// SHA-256 of the text without byte-order mark and with line feeds alone between lines: 64 lower-case digits.
  public let checksum: String

  /// Most bytes of a script.
  public static let byteCountMax = 64 << 20

  /// Cuts a text.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript`, which names source and line, for a string or comment without end, a
  ///   statement that begins or ends transactions, front matter that is not understood, and a NUL.
  public init(_ text: String, source: String) throws(MigrationError) {
    self.source = source
    var bytes = Array(text.utf8)
    // A server takes a byte-order mark for the beginning of a name.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    bytes = Self.withLineFeeds(bytes)
    guard !bytes.contains(0) else {
      throw MigrationError(.invalidScript, "\(source): holds a NUL character", hint: "write it as UTF-8 text")
    }
    options = try ScriptOptions(frontMatterOf: bytes, source: source)
    checksum = try ScriptDigest.sha256(bytes)
    statements = try Self.split(bytes, source: source)
  }

  /// `source:line: statement n`, for messages.
  public func place(of statement: Statement) -> String { "\(source):\(statement.line): statement \(statement.number)" }

  /// Whether a statement drops or deletes what cannot be brought back.
  public var isDestructive: Bool { statements.contains { $0.effect.isDestructive } }

  /// Whether foreign keys have to be off while it runs: its front matter says so, or it makes a table anew.
  ///
  /// A table is made anew by dropping it and giving its name to another one. With foreign keys on, the drop would delete
  /// what refers to its rows. Source: https://www.sqlite.org/lang_altertable.html#otheralter
  public var turnsForeignKeysOff: Bool {
    switch options.foreignKeys {
    case .off: return true
    case .on: return false
    case .automatic: break
    }
    if statements.contains(where: { $0.effect.turnsForeignKeysOff }) { return true }
    var dropped: Set<String> = []
    for statement in statements {
      if let name = statement.effect.droppedTable { dropped.insert(name.lowercased()) }
      if let name = statement.effect.newTableName, dropped.contains(name.lowercased()) { return true }
    }
    return false
  }

  private static func withLineFeeds(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(UInt8(ascii: "\r")) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for (index, byte) in bytes.enumerated() {
      let isBeforeLineFeed = index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "\n")
      if byte != UInt8(ascii: "\r") || !isBeforeLineFeed { result.append(byte) }
    }
    return result
  }

  // MARK: - Splitting

  private static func split(_ bytes: [UInt8], source: String) throws(MigrationError) -> [Statement] {
    var statements: [Statement] = []
    var tokens: [SQLToken] = []
    var boundary = StatementBoundary()
    var lines = LineCounter(bytes)
    for token in SQLLexer(bytes) {
      guard token.isTerminated else {
        let line = lines.line(at: token.range.lowerBound)
        let what = token.kind == .space ? "comment" : token.kind == .string ? "string" : "quoted name"
        throw MigrationError(.invalidScript, "\(source):\(line): the \(what) that begins here has no end")
      }
      if token.kind == .space { continue }
      let word = token.kind == .word ? SQLWords.upper(bytes[token.range]) : ""
      guard boundary.endsStatement(token.kind, word: word) else {
        tokens.append(token)
        continue
      }
      try append(tokens, of: bytes, &lines, to: &statements, source: source)
      tokens.removeAll(keepingCapacity: true)
    }
    try append(tokens, of: bytes, &lines, to: &statements, source: source)
    return statements
  }

  private static func append(
    _ tokens: [SQLToken], of bytes: [UInt8], _ lines: inout LineCounter, to statements: inout [Statement],
    source: String
  ) throws(MigrationError) {
    guard let first = tokens.first, let last = tokens.last else { return }
    let effect = StatementEffect(SQLWords(tokens, of: bytes))
    let statement = Statement(
      sql: String(decoding: bytes[first.range.lowerBound..<last.range.upperBound], as: UTF8.self),
      line: lines.line(at: first.range.lowerBound), number: statements.count + 1, effect: effect)
    guard !effect.controlsTransaction else {
      throw MigrationError(
        .invalidScript,
        "\(source):\(statement.line): statement \(statement.number) begins or ends a transaction",
        hint: "leave it out: every migration runs in one transaction, together with its record")
    }
    statements.append(statement)
  }
}

/// Counts lines of a text from its start; positions are asked for in rising order.
private struct LineCounter {
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func line(at offset: Int) -> Int {
    while position < offset {
      if bytes[position] == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }
    return line
  }
}
