internal import COpenSSL
internal import EncryptedStorage

/// SHA-256 over everything in a database that a working copy takes over: definitions, rows, settings.
///
/// Two databases with one digest have the same content, whatever their pages look like.
///
/// Unsafe code: owns the OpenSSL context until `deinit`; buffers live during the calls.
/// Source: https://docs.openssl.org/3.0/man3/EVP_DigestInit/
@safe final class ContentDigest {
  private let context: OpaquePointer
  /// What waits to be hashed, so that OpenSSL is not called for every value.
  private var buffer: [UInt8] = []

  private static let bufferByteCount = 32 << 10

  private init() throws {
    guard let context = unsafe EVP_MD_CTX_new() else { throw Self.failure }
    unsafe self.context = context
    guard unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { throw Self.failure }
    buffer.reserveCapacity(Self.bufferByteCount * 2)
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  private static var failure: EncryptedStorageError {
    EncryptedStorageError(.cipherUnavailable, operation: "digest", detail: "OpenSSL refused SHA-256")
  }

  /// The digest of a database: 32 bytes.
  ///
  /// - Throws: what reading throws.
  static func of(_ session: Session) throws -> [UInt8] {
    try session.transaction(.deferred) { session in
      let digest = try ContentDigest()
      let schema = try DatabaseSchema(of: session)
      try digest.add([.integer(schema.userVersion), .integer(schema.applicationID)])
      // A copy makes its definitions in another order.
      for entry in schema.entries.sorted(by: { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }) {
        try digest.add([.text(entry.kind.rawValue), .text(entry.name), .text(entry.tableName), .text(entry.sql)])
        guard let layout = schema.layouts[entry.name], entry.kind == .table else { continue }
        // In the order in which they are stored, which a copy keeps.
        let columns = (layout.keyExpressions + layout.columns.map(\.name.quoted)).joined(separator: ", ")
        let rows = try RowCursor(session, "SELECT \(columns) FROM \(layout.quotedName) NOT INDEXED")
        while let row = try rows.next() { try digest.add(row) }
      }
      for (table, number) in schema.sequences.sorted(by: { $0.key < $1.key }) where !OwnTable.all.contains(table) {
        try digest.add([.text(table), .integer(number)])
      }
      return try digest.finish()
    }
  }

  /// Adds a row so that no two different lists of rows are the same bytes: counts and lengths come first.
  private func add(_ row: [ExactValue]) throws {
    append(UInt64(row.count))
    for value in row {
      switch value {
      case .null: buffer.append(0)
      case .integer(let number):
        buffer.append(1)
        append(UInt64(bitPattern: number))
      case .real(let bits):
        buffer.append(2)
        append(bits)
      case .text(let bytes):
        buffer.append(3)
        append(UInt64(bytes.count))
        buffer += bytes
      case .blob(let bytes):
        buffer.append(4)
        append(UInt64(bytes.count))
        buffer += bytes
      }
    }
    if buffer.count >= Self.bufferByteCount { try flush() }
  }

  private func append(_ number: UInt64) {
    for shift in stride(from: 56, through: 0, by: -8) {
      buffer.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
    }
  }

  private func flush() throws {
    guard unsafe EVP_DigestUpdate(context, buffer, buffer.count) == 1 else { throw Self.failure }
    buffer.removeAll(keepingCapacity: true)
  }

  private func finish() throws -> [UInt8] {
    try flush()
    var digest = [UInt8](repeating: 0, count: 32)
    guard unsafe EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw Self.failure }
    return digest
  }
}
