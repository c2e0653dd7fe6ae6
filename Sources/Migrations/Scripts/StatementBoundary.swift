/// Finds out which semicolons end a statement: all but those in the body of a trigger.
///
/// The states are those of `sqlite3_complete`. A trigger ends with `END` between two semicolons.
/// Source: https://www.sqlite.org/c3ref/complete.html
struct StatementBoundary: Sendable {
  private enum State {
    /// Before the first token of a statement.
    case start
    /// In a statement that ends with the next semicolon.
    case ordinary
    /// After `EXPLAIN`, and the words that follow it.
    case explain
    /// After `CREATE`, and `TEMP` after that.
    case create
    /// In a trigger.
    case trigger
    /// After a semicolon in a trigger.
    case triggerSemicolon
    /// After `END` that follows that.
    case triggerEnd
  }

  private var state = State.start

  /// Whether everything so far is whole statements.
  var isAtStart: Bool { state == .start }

  /// Takes the next token that is not space.
  ///
  /// - Parameter word: of a word, in capital letters.
  /// - Returns: whether it is the semicolon that ends a statement.
  mutating func endsStatement(_ kind: SQLToken.Kind, word: String) -> Bool {
    if kind == .semicolon {
      switch state {
      case .trigger, .triggerSemicolon:
        state = .triggerSemicolon
        return false
      default:
        state = .start
        return true
      }
    }
    switch state {
    case .start:
      state = word == "EXPLAIN" ? .explain : word == "CREATE" ? .create : .ordinary
    case .ordinary: break
    case .explain:
      // Others may stand between, as in `EXPLAIN QUERY PLAN CREATE TRIGGER`.
      if word == "CREATE" {
        state = .create
      } else if ["EXPLAIN", "TEMP", "TEMPORARY", "TRIGGER", "END"].contains(word) {
        state = .ordinary
      }
    case .create:
      if word == "TRIGGER" { state = .trigger } else if word != "TEMP", word != "TEMPORARY" { state = .ordinary }
    case .trigger, .triggerEnd: state = .trigger
    case .triggerSemicolon: state = word == "END" ? .triggerEnd : .trigger
    }
    return false
  }
}
