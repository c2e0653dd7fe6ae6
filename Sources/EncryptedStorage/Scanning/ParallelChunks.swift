internal import Dispatch
internal import Synchronization

/// Spreads a range of pages over all cores, a chunk at a time, in bounded memory.
package enum ParallelChunks {
  /// Bytes a worker holds at once. Larger chunks measured no faster; memory is this times workers.
  package static let chunkByteCount = 512 * 1024

  /// One worker per core, between 1 and 16.
  package static var workerCount: Int { min(16, max(1, ProcessorCount.online)) }

  /// Calls `work` for consecutive ranges that together cover 1...`pageCount`, each range on one of the workers.
  ///
  /// `makeWorker` runs once per worker, on its thread: what it makes (codec, buffer, file) is not shared.
  /// The first error stops all workers and is thrown. Blocks the calling thread.
  package static func forEach<Worker>(
    pageCount: UInt32, pageSize: Int, cancellation: Cancellation, operation: String,
    makeWorker: @Sendable () throws(EncryptedStorageError) -> Worker,
    work: @Sendable (inout Worker, ClosedRange<UInt32>) throws(EncryptedStorageError) -> Void
  ) throws(EncryptedStorageError) {
    guard pageCount > 0 else { return }
    let pagesPerChunk = UInt32(max(1, chunkByteCount / pageSize))
    let chunkCount = Int((UInt64(pageCount) + UInt64(pagesPerChunk) - 1) / UInt64(pagesPerChunk))
    let next = Atomic<Int>(0)
    let failure = Mutex<EncryptedStorageError?>(nil)
    DispatchQueue.concurrentPerform(iterations: min(workerCount, chunkCount)) { _ in
      do throws(EncryptedStorageError) {
        var worker = try makeWorker()
        while failure.withLock({ $0 == nil }) {
          let chunk = next.add(1, ordering: .relaxed).oldValue
          guard chunk < chunkCount else { return }
          try cancellation.check(operation)
          let first = UInt32(UInt64(chunk) * UInt64(pagesPerChunk)) + 1
          try work(&worker, first...min(pageCount, first &- 1 + pagesPerChunk))
        }
      } catch {
        failure.withLock { if $0 == nil { $0 = error } }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
