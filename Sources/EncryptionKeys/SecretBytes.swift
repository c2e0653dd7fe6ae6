/// Fixed-size secret memory, wiped on release.
///
/// The bytes live in their own pages: locked in memory if the kernel allows it (``MemoryLock`` reports a refusal once
/// per process), left out of core dumps, wiped before they are unmapped. Not copyable, so that `print`, `dump`, `Any`,
/// `Codable` and an accidental second copy do not compile. Best effort: registers, the stack of a C function, and what
/// a caller copies out are beyond its reach.
///
/// - Complexity: one page (4096 bytes on x86-64) or more per value.
public struct SecretBytes: ~Copyable, Sendable {
  /// Number of bytes.
  public let count: Int
  private let memory: SecretMemory

  /// Makes `count` zero bytes and lets `body` fill them in place.
  ///
  /// - Parameter body: may write all bytes; the pointer is valid during the call only. If it throws, what it has
  ///   written is wiped.
  /// - Throws: what `body` throws.
  public init<E: Error>(
    count: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    var memory = SecretMemory(byteCount: count)
    try unsafe body(memory.mutableBytes(count))
    self.count = count
    self.memory = memory
  }

  /// Copies `bytes`; the original stays where it is and is the caller's to wipe.
  public init(copying bytes: some Collection<UInt8>) {
    self.init(count: bytes.count) { (destination: inout MutableSpan<UInt8>) in
      for (index, byte) in bytes.enumerated() { destination[index] = byte }
    }
  }

  /// Reserves `capacity` bytes and keeps as many as `body` says it has written.
  init<E: Error>(
    capacity: Int, initializingUpTo body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    var memory = SecretMemory(byteCount: capacity)
    count = try unsafe body(memory.mutableBytes(capacity))
    precondition((0...capacity).contains(count), "more bytes reported than there is room for")
    self.memory = memory
  }

  /// Calls `body` with the bytes; the pointer is valid during the call only.
  ///
  /// - Throws: what `body` throws.
  public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe body(memory.bytes(count))
  }

  /// True if both hold the same bytes; takes constant time for equal counts.
  public borrowing func isEqual(to other: borrowing SecretBytes) -> Bool {
    guard count == other.count else { return false }
    return unsafe LibCrypto.isEqual(memory.bytes(count), other.memory.bytes(count))
  }

  /// A second, independent copy.
  public borrowing func copy() -> SecretBytes {
    unsafe SecretBytes(count: count) { (destination: UnsafeMutableRawBufferPointer) in
      unsafe destination.copyMemory(from: memory.bytes(count))
    }
  }
}

extension SecretBytes {
  /// Makes `count` zero bytes and lets `body` fill them, bounds-checked.
  init<E: Error>(count: Int, writing body: (inout MutableSpan<UInt8>) throws(E) -> Void) throws(E) {
    try unsafe self.init(count: count) { (buffer: UnsafeMutableRawBufferPointer) throws(E) in
      let elements = unsafe buffer.assumingMemoryBound(to: UInt8.self)
      var span = unsafe MutableSpan(_unsafeElements: elements)
      try body(&span)
    }
  }

  /// Calls `body` with the bytes, bounds-checked; the span cannot outlive the call.
  borrowing func withSpan<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
    try unsafe body(Span(_unsafeElements: memory.bytes(count).assumingMemoryBound(to: UInt8.self)))
  }
}
