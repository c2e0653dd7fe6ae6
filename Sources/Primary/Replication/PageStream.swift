internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import NIOCore
internal import PageStore
internal import Synchronization

/// Pages of one snapshot on their way to a replica, in runs of 256 KiB: the memory of an answer does not grow with it.
///
/// The snapshot is closed when the last page has been read, when the answer breaks off, when nobody sends the answer, and
/// when the client takes nothing for too long.
struct PageStream: Sendable {
  /// The order of pages.
  enum Order: Sendable { case ascending, descending }

  /// A page and its place in the answer.
  struct Item {
    let page: Page
    /// From 0.
    let index: Int
    /// Whether it is the last of its transaction.
    let endsTransaction: Bool
  }

  let source: PageSource
  let pages: ChangedPages
  var order = Order.ascending
  /// How many pages are sent: all of them over and over again, each time as a transaction. Nil sends each once.
  var frameCount: Int?
  /// How long a client may take nothing before its snapshot is closed, and the answer breaks off.
  let stallLimit: Duration
  let tally: ReplicationCounters.Tally
  /// Before the first page, and after the last.
  var head: [UInt8] = []
  var tail: [UInt8] = []
  /// One item as it is sent.
  let encode: @Sendable (Item, inout ByteBuffer) -> Void

  private var itemCount: Int { pages.count == 0 ? 0 : frameCount ?? pages.count }

  /// The answer: what is short is read at once, so that no snapshot waits for its client.
  ///
  /// - Parameter byteCount: of the whole body; nil sends it in chunks.
  func response(_ contentType: String, byteCount: Int?) async throws -> Response {
    let headers: HTTPFields = [.contentType: contentType]
    guard itemCount > StoreSnapshot.runLength else {
      var body = ByteBuffer(bytes: head)
      do {
        try await forEachRun { run in for item in run { encode(item, &body) } }
      } catch {
        await source.close()
        throw error
      }
      await source.close()
      body.writeBytes(tail)
      return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
    }
    return Response(
      status: .ok, headers: headers,
      body: ResponseBody(contentLength: byteCount) { writer in
        let watch = StallWatch(source, limit: stallLimit)
        do {
          var buffer = ByteBuffer(bytes: head)
          try await forEachRun { run in
            for item in run { encode(item, &buffer) }
            try await writer.write(buffer)
            buffer.clear()
            watch.noteProgress()
          }
          await source.close()
          watch.end()
          if !tail.isEmpty { try await writer.write(ByteBuffer(bytes: tail)) }
        } catch {
          // Thrown on: the connection is closed before the end of the body, which the client notices.
          watch.end()
          await source.close()
          tally.add(to: \.streamsAborted)
          throw error
        }
        try await writer.finish(nil)
      })
  }

  /// Reads the pages run by run, and hands them on with their places.
  private func forEachRun(_ body: ([Item]) async throws -> Void) async throws {
    var index = 0
    while index < itemCount {
      // From the first page to the last, as often as it takes.
      var left = min(pages.count, itemCount - index)
      var edge: UInt32?
      while left > 0 {
        let numbers = next(after: edge, limit: min(left, StoreSnapshot.runLength))
        edge = order == .ascending ? numbers.last : numbers.first
        left -= numbers.count
        var run = try await source.read(numbers)
        if order == .descending { run.reverse() }
        tally.add(run.count, to: \.framesServed)
        var items: [Item] = []
        for page in run {
          items.append(Item(page: page, index: index, endsTransaction: left == 0 && items.count == run.count - 1))
          index += 1
        }
        try await body(items)
      }
    }
  }

  private func next(after edge: UInt32?, limit: Int) -> [UInt32] {
    switch order {
    case .ascending: pages.pages(after: edge ?? 0, limit: limit)
    case .descending: pages.pages(before: edge.map(UInt64.init) ?? UInt64(UInt32.max) + 1, limit: limit)
    }
  }
}

/// One answer's hold on a snapshot.
final class PageSource: Sendable {
  private let snapshot: Mutex<StoreSnapshot?>
  private let isShared: Bool

  /// - Parameter isShared: others read the snapshot too; it is let go of at the end, not closed.
  init(_ snapshot: StoreSnapshot, isShared: Bool = false) {
    self.snapshot = Mutex(snapshot)
    self.isShared = isShared
  }

  /// - Throws: as ``StoreSnapshot/read(_:)``; `.closed` after ``close()``.
  func read(_ numbers: [UInt32]) async throws -> [Page] {
    guard let snapshot = snapshot.withLock({ $0 }) else {
      throw EncryptedStorageError(.closed, operation: "read", detail: "the answer took too long")
    }
    return try await snapshot.read(numbers)
  }

  func close() async {
    let held = snapshot.withLock { held in
      defer { held = nil }
      return held
    }
    if !isShared { await held?.close() }
  }
}

/// Closes the snapshot of an answer that makes no progress: a client that stops reading must not keep the log of the store
/// growing.
private final class StallWatch: Sendable {
  private let progress = Mutex<UInt64>(0)
  private let task = Mutex<Task<Void, Never>?>(nil)

  init(_ source: PageSource, limit: Duration) {
    let watching = Task { [weak self] in
      var seen: UInt64?
      while let now = self?.progress.withLock({ $0 }), now != seen {
        seen = now
        do { try await Task.sleep(for: limit) } catch { return }
      }
      await source.close()
    }
    task.withLock { $0 = watching }
  }

  func noteProgress() { progress.withLock { $0 += 1 } }

  func end() {
    task.withLock { task in
      task?.cancel()
      task = nil
    }
  }
}
