/// What a remote never runs, found before anything is sent.
/// Source: libSQL server, `query_analysis.rs`.
enum RemoteScript {
  /// - Throws: ``MigrationError`` `.invalidScript` for the first statement that a remote refuses.
  static func check(_ script: MigrationScript) throws(MigrationError) {
    if script.options.remoteTransactions == .eachStatement { try checkParts(script) }
    for statement in script.statements {
      let bytes = Array(statement.sql.utf8)
      let tokens = SQLLexer(bytes).filter { $0.kind != .space }
      guard let (what, hint) = refusal(of: SQLWords(tokens, of: bytes)) else { continue }
      throw MigrationError(
        .invalidScript, "\(script.place(of: statement)): \(what), which a remote refuses; nothing was done", hint: hint)
    }
  }

  /// A schema that is changed in part is of no use to anybody; rows can be.
  private static func checkParts(_ script: MigrationScript) throws(MigrationError) {
    let hint = "make two migrations of it, one for the schema and one for the rows"
    guard !script.turnsForeignKeysOff else {
      throw MigrationError(
        .invalidScript, "\(script.source): remote-transactions: each-statement, with foreign keys off", hint: hint)
    }
    for statement in script.statements {
      let bytes = Array(statement.sql.utf8)
      var words = SQLWords(SQLLexer(bytes).filter { $0.kind != .space }, of: bytes)
      guard let word = words.next(), !["INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"].contains(word) else { continue }
      throw MigrationError(
        .invalidScript,
        "\(script.place(of: statement)): with remote-transactions: each-statement, statements change rows only",
        hint: hint)
    }
  }

  private static func refusal(of words: SQLWords) -> (what: String, hint: String)? {
    var words = words
    switch words.next() {
    case "VACUUM": return ("VACUUM", "leave it out: a remote keeps its file compact by itself")
    case "ANALYZE": return ("ANALYZE", "leave it out")
    case "ATTACH", "DETACH": return ("another database file", "a migration of a remote works on that database alone")
    case "PRAGMA": return pragma(&words)
    case "CREATE":
      return isTemporary(&words)
        ? ("a temporary object", "make an ordinary one, and drop it at the end of the migration") : nil
    default: return nil
    }
  }

  /// `TEMP` and `TEMPORARY` before the kind, `temp.` before the name.
  private static func isTemporary(_ words: inout SQLWords) -> Bool {
    var word = words.next()
    if word == "TEMP" || word == "TEMPORARY" { return true }
    if word == "UNIQUE" || word == "VIRTUAL" { word = words.next() }
    word = words.next()
    if word == "IF" {
      _ = (words.next(), words.next())
      word = words.next()
    }
    return word == "TEMP" && words.next() == "."
  }

  private static func pragma(_ words: inout SQLWords) -> (what: String, hint: String)? {
    var name = words.next()
    var next = words.next()
    if next == "." {
      name = words.next()
      next = words.next()
    }
    guard let name, pragmas.contains(name.lowercased()) else {
      return ("this PRAGMA", "leave it out: settings of a connection end with the migration")
    }
    return nil
  }

  /// Those that a libSQL server runs with an argument. The others set a connection, or tell about one.
  private static let pragmas: Set<String> = [
    "collation_list", "compile_options", "data_version", "database_list", "defer_foreign_keys", "encoding",
    "foreign_key_check", "foreign_key_list", "foreign_keys", "freelist_count", "function_list", "index_info",
    "index_list", "index_xinfo", "integrity_check", "module_list", "page_count", "pragma_list", "quick_check",
    "table_info", "table_list", "table_xinfo", "user_version",
  ]
}
