internal import Synchronization

/// Carries a task's cancellation to threads that no task runs on.
package final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  package func cancel() { flag.store(true, ordering: .relaxed) }

  package var isCancelled: Bool { flag.load(ordering: .relaxed) }

  /// - Throws: `.cancelled` once `cancel` was called.
  package func check(_ operation: String) throws(EncryptedStorageError) {
    guard !isCancelled else {
      throw EncryptedStorageError(
        .cancelled, operation: operation, detail: "the operation was cancelled and undone")
    }
  }
}
