internal import Dispatch

/// Runs the jobs of one connection one after another on a queue of its own, so that a statement that blocks holds up
/// nobody else: the cooperative pool has only as many threads as the machine has cores.
package final class ConnectionExecutor: SerialExecutor {
  private enum Lane {
    case queue(DispatchQueue)
    case background(BackgroundThread)
  }

  private let lane: Lane

  /// - Parameter isBackground: whether the connection gives way to everybody else.
  package init(isBackground: Bool = false) {
    lane = isBackground ? .background(BackgroundThread()) : .queue(DispatchQueue(label: "albergue.connection"))
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    switch lane {
    case .queue(let queue): queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    case .background(let thread): thread.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
  }
}

/// Runs blocking work of no particular connection away from the cooperative pool.
package enum BlockingWork {
  private static let queue = DispatchQueue(label: "albergue.blocking", attributes: .concurrent)

  /// Runs `body` on a thread that may block. `body` can ask its `Cancellation` whether the calling task was cancelled.
  package static func run<T: Sendable>(
    _ body: @escaping @Sendable (Cancellation) throws -> T
  ) async throws -> T {
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Result { try body(cancellation) }) }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }
}
