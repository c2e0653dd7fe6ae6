internal import CSQLCipher
internal import Synchronization

/// Stops the statement a connection is running, from any thread, and only if it belongs to the cancelled call.
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
      guard state.running == token, let database = unsafe OpaquePointer(bitPattern: state.address) else { return }
      unsafe sqlite3_interrupt(database)
    }
  }
}
