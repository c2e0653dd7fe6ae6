internal import LibSQLProtocol

/// The SQL texts that a client has stored on a stream.
struct StoredSQL: Sendable {
  private var texts: [Int32: String] = [:]

  /// Sizes as in sqld.
  static let countMax = 50
  static let byteCountMax = 5000

  var isEmpty: Bool { texts.isEmpty }

  /// - Throws: `SQL_STORE_TOO_MANY`, `SQL_STORE_TOO_LARGE`.
  mutating func store(_ sql: String, as id: Int32) throws(ClientError) {
    guard sql.utf8.count <= Self.byteCountMax else { throw ClientError(SQLFailure.storedTooLarge) }
    guard texts[id] != nil || texts.count < Self.countMax else { throw ClientError(SQLFailure.storedTooMany) }
    texts[id] = sql
  }

  /// Forgets a text; one that is not there is forgotten already.
  mutating func close(_ id: Int32) { texts[id] = nil }

  /// - Throws: `SQL_NOT_FOUND`.
  func text(_ sql: Hrana.SQLText) throws(ClientError) -> String {
    switch sql {
    case .text(let text): return text
    case .stored(let id):
      guard let text = texts[id] else { throw ClientError(SQLFailure.notStored(id)) }
      return text
    }
  }
}
