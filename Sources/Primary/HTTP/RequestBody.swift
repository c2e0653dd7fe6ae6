internal import Hummingbird
internal import NIOCore

extension Request {
  /// The whole body.
  ///
  /// - Throws: ``HTTPFailure``: 413 for more than `byteCount` bytes, 408 when it is not there after `time`.
  func bytes(upTo byteCount: Int, within time: Duration) async throws -> [UInt8] {
    if let declared = headers[.contentLength].flatMap(Int.init), declared > byteCount { throw HTTPFailure.tooLarge }
    return try await body.bytes(upTo: byteCount, within: time)
  }
}

extension RequestBody {
  /// The whole body.
  ///
  /// - Throws: ``HTTPFailure``: 413 for more than `byteCount` bytes, 408 when it is not there after `time`.
  func bytes(upTo byteCount: Int, within time: Duration) async throws -> [UInt8] {
    try await read(within: time) { body in
      var bytes: [UInt8] = []
      for try await part in body {
        guard bytes.count + part.readableBytes <= byteCount else { throw HTTPFailure.tooLarge }
        bytes.append(contentsOf: part.readableBytesView)
      }
      return bytes
    }
  }

  /// What `reading` makes of the body, which a client that sends next to nothing cannot hold up for ever.
  ///
  /// - Throws: ``HTTPFailure`` 408 when that has not ended after `time`; what `reading` throws.
  func read<T: Sendable>(
    within time: Duration, _ reading: @escaping @Sendable (RequestBody) async throws -> T
  ) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
      group.addTask { try await reading(self) }
      group.addTask {
        try await Task.sleep(for: time)
        throw HTTPFailure(.requestTimeout, "the request took too long to arrive", closesConnection: true)
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }
}

extension HTTPFailure {
  fileprivate static var tooLarge: HTTPFailure {
    HTTPFailure(.contentTooLarge, "the request is larger than this server accepts", closesConnection: true)
  }
}
