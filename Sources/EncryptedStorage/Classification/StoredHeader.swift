internal import EncryptionKeys

/// Reads the database header out of an encrypted page 1.
package enum StoredHeader {
  /// Nil when page 1 is not authentic under `keys`.
  package static func read(
    _ file: some StoredBytes, keys: PageKeys
  ) throws(EncryptedStorageError) -> DatabaseHeader? {
    let size = keys.format.pageSize
    let buffer = PageBuffer(byteCount: size)
    let codec = try PageCodec(keys)
    return try buffer.withMutableSpan(0..<size) { (span) throws(EncryptedStorageError) -> DatabaseHeader? in
      _ = try file.read(into: &span, at: 0)
      guard codec.isAuthentic(span.bytes, number: 1) else { return nil }
      try codec.decrypt(&span, number: 1)
      return DatabaseHeader(page: span.bytes)
    }
  }
}
