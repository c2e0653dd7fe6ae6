internal import Glibc

/// Whole pages of private memory for one secret: the only place that maps, locks, wipes and unmaps it.
///
/// Invariants, established in `init` and never changed: `base` is page-aligned, `mappedByteCount` is a positive
/// multiple of the page size, the mapping belongs to this value alone, and all of its bytes are initialised (the kernel
/// hands out zero pages). `deinit` wipes the whole mapping before it goes back to the kernel.
///
/// Own pages, not a heap block: `mlock`, `munlock` and `MADV_DONTDUMP` act on pages, and the calls do not nest, so two
/// secrets that shared a page would unlock each other.
@safe
struct SecretMemory: ~Copyable, @unchecked Sendable {
  // Safe because the pointer is unique to this noncopyable value, written only through `mutating` access by whoever
  // owns the value, and read only through borrows, which the compiler keeps apart from writes.
  private let base: UnsafeMutableRawPointer
  private let mappedByteCount: Int

  /// Sees the wiped memory directly before it is unmapped. For tests; inherited by child tasks.
  @TaskLocal static var wipeObserver: (@Sendable (RawSpan) -> Void)?

  /// Maps at least `byteCount` zero bytes, locked if the kernel allows it.
  init(byteCount: Int) {
    precondition(byteCount >= 0, "a secret cannot have a negative size")
    let pageSize = sysconf(Int32(_SC_PAGESIZE))
    let pageCount = max(1, (byteCount + pageSize - 1) / pageSize)
    let mapping = unsafe mmap(
      nil, pageCount * pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
      // Like a failed malloc: there is no useful way to go on without memory.
      preconditionFailure("no memory for a secret of \(byteCount) bytes: \(SystemError.last())")
    }
    if unsafe mlock(mapping, pageCount * pageSize) != 0 {
      MemoryLock.refused(errorNumber: errno)
    }
    // Cannot fail on an anonymous private mapping; on a kernel that refuses it the secret is still wiped and locked.
    _ = unsafe madvise(mapping, pageCount * pageSize, MADV_DONTDUMP)
    unsafe base = mapping
    mappedByteCount = pageCount * pageSize
  }

  deinit {
    unsafe LibCrypto.cleanse(UnsafeMutableRawBufferPointer(start: base, count: mappedByteCount))
    if let observer = Self.wipeObserver {
      let wiped = unsafe UnsafeRawBufferPointer(start: base, count: mappedByteCount)
      observer(unsafe wiped.bytes)
    }
    // Unmapping unlocks. The arguments are those of a live mapping, for which munmap does not fail.
    unsafe munmap(base, mappedByteCount)
  }

  /// The first `byteCount` bytes; valid only while this value lives.
  func bytes(_ byteCount: Int) -> UnsafeRawBufferPointer {
    precondition(byteCount <= mappedByteCount, "read past the end of secret memory")
    return unsafe UnsafeRawBufferPointer(start: base, count: byteCount)
  }

  /// The first `byteCount` bytes for writing; valid only while this value lives.
  mutating func mutableBytes(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    precondition(byteCount <= mappedByteCount, "write past the end of secret memory")
    return unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }
}
