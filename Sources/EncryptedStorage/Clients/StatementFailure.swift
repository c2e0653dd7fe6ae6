/// Why a client's statement failed, in SQLite's words.
///
/// The message may quote values of the statement, so it goes to the client that sent it, and never into a log.
package struct StatementFailure: Error, Sendable, Equatable {
  /// What stopped a statement that did not fail by itself.
  package enum Stop: Sendable, Equatable {
    /// Its time is over.
    case time
    /// Its instructions are used up.
    case instructions
    /// The server or the client gave it up.
    case cancelled
  }

  /// SQLite's extended result code. Source: https://www.sqlite.org/rescode.html
  package let resultCode: Int32
  package let message: String
  /// The byte of the SQL text that the message is about.
  package let offset: Int?
  package let stop: Stop?

  package init(resultCode: Int32, message: String, offset: Int? = nil, stop: Stop? = nil) {
    self.resultCode = resultCode
    self.message = message
    self.offset = offset
    self.stop = stop
  }
}
