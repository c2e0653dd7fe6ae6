/// The bytes of a file as they are stored, whoever has it open.
package protocol StoredBytes {
  /// Size in bytes.
  func byteCount() throws(EncryptedStorageError) -> Int64
  /// Fills `span` from `offset`; false when the file ended inside the range, whose rest is then zero.
  @discardableResult
  func read(into span: inout MutableRawSpan, at offset: Int64) throws(EncryptedStorageError) -> Bool
}

extension RawDatabaseFile: StoredBytes {}

extension StoredBytes {
  /// Up to `count` bytes from `offset`; fewer at the end of the file.
  package func bytes(at offset: Int64, count: Int) throws(EncryptedStorageError) -> [UInt8] {
    let available = Int(clamping: max(0, try byteCount() - offset))
    let length = min(count, available)
    guard length > 0 else { return [] }
    let buffer = PageBuffer(byteCount: length)
    try buffer.withMutableSpan(0..<length) { (span) throws(EncryptedStorageError) in
      _ = try read(into: &span, at: offset)
    }
    return buffer.withSpan(0..<length) { $0.bytes(at: 0, count: length) }
  }
}
