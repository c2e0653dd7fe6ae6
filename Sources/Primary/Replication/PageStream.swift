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
/// when the client takes nothing for a minute.
struct PageStream: Sendable {
  /// The order of pages.
  enum Order: Sendable { case ascending, descending }

  /// A page and its place in the answer.
  struct Item {
    let page: Page
    /// From 0.
    let index: Int
    let isLast: Bool
  }

  let snapshot: StoreSnapshot
  let pages: ChangedPages
  var order = Order.ascending
  /// How often the last page is sent once more, to reach a number of frames.
  var paddingCount = 0
  /// Closed at the end of the answer; false for a snapshot that others read too.
  var closesSnapshot = true
  let tally: ReplicationCounters.Tally
  /// Before the first page, and after the last.
  var head: [UInt8] = []
  var tail: [UInt8] = []
  /// One item as it is sent.
  let encode: @Sendable (Item, inout ByteBuffer) -> Void

  /// How long a client may take nothing before its snapshot is closed, and the answer breaks off.
  static let stallLimit: Duration = .seconds(60)

  private var itemCount: Int { pages.count + paddingCount }

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
        await close()
        throw error
      }
      await close()
      body.writeBytes(tail)
      return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
    }
    return Response(
      status: .ok, headers: headers,
      body: ResponseBody(contentLength: byteCount) { writer in
        let watch = StallWatch(snapshot, closesSnapshot)
        do {
          var buffer = ByteBuffer(bytes: head)
          try await forEachRun { run in
            for item in run { encode(item, &buffer) }
            try await writer.write(buffer)
            buffer.clear()
            watch.noteProgress()
          }
          await close()
          watch.end()
          if !tail.isEmpty { try await writer.write(ByteBuffer(bytes: tail)) }
        } catch {
          // Thrown on: the connection is closed before the end of the body, which the client notices.
          watch.end()
          await close()
          tally.add(to: \.streamsAborted)
          throw error
        }
        try await writer.finish(nil)
      })
  }

  private func close() async {
    if closesSnapshot { await snapshot.close() }
  }

  /// Reads the pages run by run, and hands them on with their places.
  private func forEachRun(_ body: ([Item]) async throws -> Void) async throws {
    var index = 0
    var last: Page?
    func items(_ pages: [Page]) -> [Item] {
      pages.map { page in
        defer { index += 1 }
        return Item(page: page, index: index, isLast: index + 1 == itemCount)
      }
    }
    var edge: UInt32?
    while true {
      let numbers: [UInt32]
      switch order {
      case .ascending: numbers = pages.pages(after: edge ?? 0, limit: StoreSnapshot.runLength)
      case .descending:
        numbers = pages.pages(before: edge.map(UInt64.init) ?? UInt64(UInt32.max) + 1, limit: StoreSnapshot.runLength)
      }
      guard let lowest = numbers.first, let highest = numbers.last else { break }
      edge = order == .ascending ? highest : lowest
      var run = try await snapshot.read(numbers)
      if order == .descending { run.reverse() }
      last = run.last
      tally.add(run.count, to: \.framesServed)
      try await body(items(run))
    }
    guard let last else { return }
    while index < itemCount {
      let count = min(StoreSnapshot.runLength, itemCount - index)
      tally.add(count, to: \.framesServed)
      try await body(items([Page](repeating: last, count: count)))
    }
  }
}

/// Closes the snapshot of an answer that makes no progress: a client that stops reading must not keep the log of the store
/// growing.
private final class StallWatch: Sendable {
  private let progress = Mutex<UInt64>(0)
  private let task = Mutex<Task<Void, Never>?>(nil)

  init(_ snapshot: StoreSnapshot, _ isActive: Bool) {
    guard isActive else { return }
    let watching = Task { [weak self] in
      var seen: UInt64?
      while let now = self?.progress.withLock({ $0 }), now != seen {
        seen = now
        do { try await Task.sleep(for: PageStream.stallLimit) } catch { return }
      }
      await snapshot.close()
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
