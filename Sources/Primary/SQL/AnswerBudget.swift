internal import LibSQLProtocol

/// How large the answer to one request may still become.
struct AnswerBudget: Sendable {
  var byteCount: Int
  var rowCount: Int

  /// - Throws: `RESPONSE_TOO_LARGE`.
  mutating func spend(_ row: [Hrana.Value]) throws(ClientError) {
    byteCount -= row.reduce(2) { $0 + $1.answerByteCount }
    rowCount -= 1
    guard byteCount >= 0, rowCount >= 0 else { throw ClientError(SQLFailure.responseTooLarge) }
  }
}
