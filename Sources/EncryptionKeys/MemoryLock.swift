internal import Logging
internal import Synchronization

/// Reports, once per process, that the kernel refused to lock secret memory.
///
/// A refused `mlock` is not an error: the secret is still wiped and kept out of core dumps, but the kernel may write
/// it to swap. One report is enough, because every later allocation meets the same limit.
public enum MemoryLock {
  /// Why secret memory is not locked.
  public struct Refusal: Sendable, Hashable, CustomStringConvertible {
    /// `errno` of `mlock`.
    public let errorNumber: Int32

    /// A message for a log.
    public var description: String {
      "secret memory is not locked and may be swapped: mlock: \(SystemError(errorNumber)); raise RLIMIT_MEMLOCK"
    }
  }

  /// Calls `handler` at most once per process, when the first `mlock` is refused.
  ///
  /// A refusal before this call is delivered during it. A later handler replaces an earlier one that was not called.
  public static func onRefusal(_ handler: @escaping @Sendable (Refusal) -> Void) {
    deliver(state.withLock { $0.install(handler, replacing: true) })
  }

  /// Sends the warning to `logger`, unless ``onRefusal(_:)`` has named a handler.
  static func onRefusal(warn logger: Logger) {
    deliver(state.withLock { $0.install({ logger.warning("\($0)") }, replacing: false) })
  }

  /// Notes a refusal, and reports it if it is the first.
  static func refused(errorNumber: Int32) {
    deliver(state.withLock { $0.note(Refusal(errorNumber: errorNumber)) })
  }

  private static let state = Mutex(OneReport())

  /// The handler runs outside the lock, because it may allocate secret memory itself.
  private static func deliver(_ delivery: OneReport.Delivery?) {
    if let delivery { delivery.handler(delivery.refusal) }
  }
}

/// State machine behind ``MemoryLock``: joins the first refusal with a handler, once.
struct OneReport: Sendable {
  typealias Handler = @Sendable (MemoryLock.Refusal) -> Void

  /// A report to be made, and to whom.
  struct Delivery: Sendable {
    let refusal: MemoryLock.Refusal
    let handler: Handler
  }

  private var refusal: MemoryLock.Refusal?
  private var handler: Handler?
  private var isDelivered = false

  mutating func install(_ newHandler: @escaping Handler, replacing: Bool) -> Delivery? {
    if handler == nil || replacing { handler = newHandler }
    return deliverable()
  }

  mutating func note(_ newRefusal: MemoryLock.Refusal) -> Delivery? {
    if refusal == nil { refusal = newRefusal }
    return deliverable()
  }

  private mutating func deliverable() -> Delivery? {
    guard !isDelivered, let refusal, let handler else { return nil }
    isDelivered = true
    return Delivery(refusal: refusal, handler: handler)
  }
}
