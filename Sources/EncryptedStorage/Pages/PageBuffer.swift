internal import COpenSSL

/// A block of memory for many pages, aligned for direct use by the codec, freed with the last reference.
///
/// Not Sendable: it belongs to one worker.
///
/// Unsafe code: the allocation lives exactly as long as the object; spans borrow the object.
@safe package final class PageBuffer {
  private let storage: UnsafeMutableRawBufferPointer
  package let byteCount: Int

  package init(byteCount: Int) {
    self.byteCount = byteCount
    unsafe storage = .allocate(byteCount: max(byteCount, 1), alignment: 4096)
  }

  /// The content may be plaintext, so it is cleared before the memory goes back.
  deinit {
    unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
    unsafe storage.deallocate()
  }

  /// Read-only view of `range`.
  package func withSpan<R, E: Error>(_ range: Range<Int>, _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the buffer")
    return try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[range])))
  }

  /// Writable view of `range`.
  package func withMutableSpan<R, E: Error>(
    _ range: Range<Int>, _ body: (inout MutableRawSpan) throws(E) -> R
  ) throws(E) -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the buffer")
    var span = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: storage[range]))
    return try body(&span)
  }
}
