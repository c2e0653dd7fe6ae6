internal import CSQLCipher
internal import Dispatch
internal import Synchronization

/// Stops the statement a connection is running, or its waiting for the writer lock, from any thread, and only if it
/// belongs to the cancelled call.
///
/// Unsafe code: keeps the `sqlite3` pointer inside a mutex, so that an interrupt never meets a closed handle:
/// `sqlite3_interrupt` is the one call SQLite allows from another thread while the connection stays open.
/// Source: https://www.sqlite.org/c3ref/interrupt.html
final class Interrupter: Sendable {
  /// One call on the connection.
  struct Token: Hashable, Sendable { fileprivate let number: UInt64 }

  private struct State {
    // An integer, because a pointer is not Sendable; it is turned back only inside the mutex.
    var address: UInt = 0
    var running: Token?
    var next: UInt64 = 0
    /// What the running call waits for.
    var semaphore: DispatchSemaphore?
  }

  private let state = Mutex(State())

  func attach(_ database: OpaquePointer) {
    let address = UInt(bitPattern: database)
    state.withLock { $0.address = address }
  }

  func detach() { state.withLock { $0.address = 0 } }

  func makeToken() -> Token {
    state.withLock { state in
      state.next += 1
      return Token(number: state.next)
    }
  }

  func begin(_ token: Token) { state.withLock { $0.running = token } }

  func end() { state.withLock { $0.running = nil } }

  func interrupt(_ token: Token) {
    state.withLock { state in
      guard state.running == token else { return }
      state.semaphore?.signal()
      guard let database = unsafe OpaquePointer(bitPattern: state.address) else { return }
      unsafe sqlite3_interrupt(database)
    }
  }

  /// Blocks the connection's thread until `semaphore` is signalled, by its owner or by an interrupt.
  ///
  /// - Returns: false when the deadline came first.
  func wait(for semaphore: DispatchSemaphore, until deadline: ContinuousClock.Instant) -> Bool {
    state.withLock { $0.semaphore = semaphore }
    defer { state.withLock { $0.semaphore = nil } }
    // An interrupt that came before the semaphore was there has left this mark.
    guard !Task.isCancelled else { return true }
    // The upper bound is 31 years.
    let nanoseconds = Int(max(0, min(ContinuousClock.now.duration(to: deadline) / .nanoseconds(1), 1e18)))
    return semaphore.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .success
  }
}
