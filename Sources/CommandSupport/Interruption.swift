internal import Dispatch
internal import Glibc

/// Turns SIGINT and SIGTERM into cancellation of the running command.
enum Interruption {
  /// Runs `body`; a first signal cancels it, so that it can undo what it was doing, a second one ends the process.
  ///
  /// - Returns: exit code 0.
  static func cancelling(_ body: @escaping @Sendable () async throws -> Void) async throws -> Int32 {
    let task = Task { try await body() }
    let sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        if task.isCancelled { exit(ExitStatus.interrupted.rawValue) }
        task.cancel()
      }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    try await task.value
    return 0
  }
}
