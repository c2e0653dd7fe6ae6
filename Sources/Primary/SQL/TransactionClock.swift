internal import EncryptedStorage

/// How long the transaction of a connection may stay open, and what becomes of the client when it is over.
///
/// A transaction holds up every writer, or keeps the log from being emptied; so it ends at its time, whatever the client does.
/// What the client sends afterwards belonged to it, and must not run outside of it: until the client begins or ends a
/// transaction, everything fails.
struct TransactionClock {
  private let limit: Duration
  private(set) var end: ContinuousClock.Instant?
  private(set) var isLost = false

  init(limit: Duration) { self.limit = limit }

  /// After a statement.
  mutating func note(isAutocommit: Bool) {
    if isAutocommit {
      end = nil
    } else if end == nil {
      end = .now + limit
    }
  }

  var isOver: Bool { end.map { $0 <= .now } ?? false }

  /// The transaction was rolled back because of its time.
  mutating func lose() {
    end = nil
    isLost = true
  }

  /// What a statement means for a client whose transaction is lost: nil when it may run.
  mutating func refusal(of sql: some StringProtocol) -> ClientError? {
    guard isLost else { return nil }
    switch sql.firstKeyword {
    case "BEGIN":
      isLost = false
      return nil
    case "COMMIT", "END", "ROLLBACK": isLost = false
    default: break
    }
    return ClientError(SQLFailure.transactionTimeout)
  }

  /// Another client gets the connection.
  mutating func reset() { self = TransactionClock(limit: limit) }
}

extension StringProtocol {
  /// The first word of a statement, in capitals, behind white space and comments.
  var firstKeyword: String {
    var rest = self[...]
    while true {
      rest = rest.drop { $0.isWhitespace }
      if rest.hasPrefix("--") {
        rest = rest.drop { !$0.isNewline }
      } else if rest.hasPrefix("/*") {
        guard let close = rest.dropFirst(2).range(ofBlockCommentEnd: ()) else { return "" }
        rest = rest[close...]
      } else {
        return rest.prefix { $0.isLetter }.uppercased()
      }
    }
  }
}

extension StringProtocol {
  /// Where the text goes on behind `*/`.
  fileprivate func range(ofBlockCommentEnd: ()) -> Index? {
    var previous: Character?
    for index in indices {
      if previous == "*", self[index] == "/" { return self.index(after: index) }
      previous = self[index]
    }
    return nil
  }
}
