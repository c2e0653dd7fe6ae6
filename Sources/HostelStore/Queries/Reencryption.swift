internal import EncryptedStorage
internal import HostelDomain
internal import ReplicaSync

/// What became of the personal columns when they were to be written anew.
package struct Reencryption: Sendable, Hashable {
  /// Rows that were written.
  package var rewrittenCount = 0
  /// Rows with a value that no key reads at its place, by table and id; they were left as they are.
  package var unreadable: [String] = []

  package init() {}
}

extension HostelStore {
  /// Rows that are read, and then written in one request.
  private static let batchCount = 100

  /// Encrypts anew what is not bound to its place yet, or is under a former key; texts in clear that other programs left in
  /// `document_support` as well. Says nothing in the audit log: what the columns mean stays the same.
  ///
  /// A row is written only if it still holds what was read. Each batch is one transaction, and what is as it should be is passed
  /// over, so that a run that was interrupted is continued by the next.
  ///
  /// - Throws: ``StoreError`` `.unavailable`: what was written before stays.
  package func reencrypt() async throws -> Reencryption {
    var result = Reencryption()
    try await rewrite("pilgrims", RegisteredPilgrim.encryptedColumns, &result) { row, values, cipher in
      try Self.newLookupCode(row, values, cipher)
    }
    try await rewrite("government_submissions", ["xml_content"], &result) { _, _, _ in nil }
    return result
  }

  /// - Parameter further: another column that changes with these, given the values of the encrypted ones.
  private func rewrite(
    _ table: String, _ columns: [String], _ result: inout Reencryption,
    further: @escaping @Sendable (EncryptedRow, [String: String], FieldCipher) throws -> RemoteStatement?
  ) async throws {
    var last: Int64 = 0
    while true {
      let (after, cipher) = (last, cipher)
      let found = try await database.read { session in
        let rows = try session.query(
          """
          SELECT id, \(columns.joined(separator: ", ")), \(table == "pilgrims" ? "document_type, document_hash" : "NULL, NULL")
          FROM \(table) WHERE id > ? ORDER BY id LIMIT \(Self.batchCount)
          """, [.integer(after)]
        ) { try EncryptedRow(table, columns, $0.values) }
        return try rows.map { row in (row, try row.changes(cipher, further)) }
      }.value
      guard let end = found.last?.0.id else { return }
      last = end
      result.unreadable += found.filter { $0.1 == nil }.map { "\(table) \($0.0.id)" }
      let changes = found.compactMap(\.1).filter { !$0.isEmpty }
      guard !changes.isEmpty else { continue }
      try await database.run(changes.flatMap(\.self))
      result.rewrittenCount += changes.count
    }
  }

  /// The code by which a document is found, under the first key; nil where it is that already.
  private static func newLookupCode(
    _ row: EncryptedRow, _ values: [String: String], _ cipher: FieldCipher
  ) throws -> RemoteStatement? {
    guard let former = row.lookupCode, let kind = row.documentType.flatMap({ IdentityDocument.Kind(rawValue: $0) }),
      let number = values["document_number_encrypted"]
    else { return nil }
    let code = try cipher.lookupCodes(kind, number)[0]
    guard code != former else { return nil }
    return RemoteStatement(
      """
      UPDATE pilgrims SET document_hash = ?1 WHERE id = ?2 AND document_hash = ?3
        AND NOT EXISTS (SELECT 1 FROM pilgrims WHERE document_hash = ?1)
      """, [.text(code), .integer(row.id), .text(former)])
  }
}

/// The encrypted columns of one row, as they are stored.
private struct EncryptedRow: Sendable {
  let table: String
  let id: Int64
  let stored: [String: String]
  let documentType: String?
  let lookupCode: String?

  init(_ table: String, _ columns: [String], _ values: [Value]) throws(StoreError) {
    self.table = table
    id = try RecordReader(table, values).integer(0)
    var stored: [String: String] = [:]
    for (index, column) in columns.enumerated() {
      if let text = values[index + 1].text, text != Retention.erasedText { stored[column] = text }
    }
    self.stored = stored
    documentType = values[columns.count + 1].text
    lookupCode = values[columns.count + 2].text
  }

  /// What has to be written; nothing when all is as it should be, nil when something cannot be read.
  ///
  /// - Throws: ``StoreError`` `.cipher`.
  func changes(
    _ cipher: FieldCipher, _ further: (EncryptedRow, [String: String], FieldCipher) throws -> RemoteStatement?
  ) throws -> [RemoteStatement]? {
    var clear: [String: String] = [:]
    var old: [(column: String, stored: String)] = []
    for (column, text) in stored.sorted(by: { $0.key < $1.key }) {
      let place = FieldPlace(table, column, row: id)
      if column == "document_support", !text.contains(":") {
        clear[column] = text
        old.append((column, text))
        continue
      }
      do throws(StoreError) {
        clear[column] = try cipher.decrypt(text, at: place)
        if !(try cipher.isCurrent(text, at: place)) { old.append((column, text)) }
      } catch {
        guard error.code == .damaged else { throw error }
        return nil
      }
    }
    var statements: [RemoteStatement] = []
    if !old.isEmpty {
      var new: [Value] = []
      for (column, _) in old {
        new.append(.text(try cipher.encrypt(clear[column] ?? "", at: FieldPlace(table, column, row: id))))
      }
      statements.append(
        RemoteStatement(
          """
          UPDATE \(table) SET \(old.map { "\($0.column) = ?" }.joined(separator: ", "))
          WHERE id = ? AND \(old.map { "\($0.column) = ?" }.joined(separator: " AND "))
          """, new + [.integer(id)] + old.map { .text($0.stored) }))
    }
    if let statement = try further(self, clear, cipher) { statements.append(statement) }
    return statements
  }
}
