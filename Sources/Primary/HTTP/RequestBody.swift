internal import Hummingbird
internal import NIOCore

extension Request {
  /// The whole body.
  ///
  /// - Throws: ``HTTPFailure``: 413 for more than `byteCount` bytes, 408 when it is not there after `time`.
  consuming func bytes(upTo byteCount: Int, within time: Duration) async throws -> [UInt8] {
    if let declared = headers[.contentLength].flatMap(Int.init), declared > byteCount { throw HTTPFailure.tooLarge }
    let body = body
    return try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask {
        var bytes: [UInt8] = []
        for try await part in body {
          guard bytes.count + part.readableBytes <= byteCount else { throw HTTPFailure.tooLarge }
          bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
      }
      group.addTask {
        try await Task.sleep(for: time)
        throw HTTPFailure(.requestTimeout, "the request took too long to arrive", closesConnection: true)
      }
      defer { group.cancelAll() }
      return try await group.next() ?? []
    }
  }
}

extension HTTPFailure {
  fileprivate static var tooLarge: HTTPFailure {
    HTTPFailure(.contentTooLarge, "the request is larger than this server accepts", closesConnection: true)
  }
}
