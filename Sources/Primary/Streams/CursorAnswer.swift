internal import Synchronization

/// Gives a cursor's stream back exactly once: at the end of its answer, when the client breaks it off, or, if the answer was
/// never begun, when it is dropped.
final class CursorAnswer: Sendable {
  private let lease: Mutex<StreamTable.Lease?>
  private let streams: StreamTable

  init(_ lease: StreamTable.Lease, _ streams: StreamTable) {
    self.lease = Mutex(lease)
    self.streams = streams
  }

  deinit {
    guard let lease = lease.withLock({ $0 }) else { return }
    let streams = streams
    Task { await Self.finish(lease, streams) }
  }

  func finish() async {
    let held = lease.withLock { lease in
      defer { lease = nil }
      return lease
    }
    if let held { await Self.finish(held, streams) }
  }

  private static func finish(_ lease: StreamTable.Lease, _ streams: StreamTable) async {
    await lease.connection.closeCursor()
    await streams.release(lease, stored: lease.stored, await lease.connection.situation())
  }
}
