internal import Synchronization

/// One request and its answer, between the thread that talks to curl and the task that waits.
///
/// The thread puts in a head, bytes and an end; the task takes them out. Bytes that wait are bounded: ``offer(_:)`` says
/// when the connection has to pause. One task at a time may wait for each of head and body.
final class Exchange: Sendable {
  let request: HTTPRequest
  private let waitingByteCountMax: Int
  private let state = Mutex(State())

  private struct State {
    var head: ResponseHead?
    var waiting: [UInt8] = []
    var isPaused = false
    var end: Result<Void, RemoteError>?
    var headReader: CheckedContinuation<Result<ResponseHead, RemoteError>, Never>?
    var bodyReader: CheckedContinuation<Result<[UInt8]?, RemoteError>, Never>?

    /// What a reader of the body gets now; nil if it has to wait.
    mutating func takeBody() -> Result<[UInt8]?, RemoteError>? {
      if !waiting.isEmpty {
        defer { waiting = [] }
        return .success(waiting)
      }
      return end.map { $0.map { nil } }
    }
  }

  init(_ request: HTTPRequest, waitingByteCountMax: Int) {
    self.request = request
    self.waitingByteCountMax = waitingByteCountMax
  }

  // MARK: The thread's side

  /// Hands over the head.
  func deliver(_ head: ResponseHead) {
    let reader = state.withLock { state in
      state.head = head
      return state.headReader.take()
    }
    reader?.resume(returning: .success(head))
  }

  /// Hands over bytes, all or none.
  ///
  /// - Returns: false when so many wait already that the connection has to pause.
  func offer(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let (isTaken, reader, body) = state.withLock { state in
      guard state.waiting.isEmpty || state.waiting.count + bytes.count <= waitingByteCountMax else {
        state.isPaused = true
        return (false, nil as CheckedContinuation<Result<[UInt8]?, RemoteError>, Never>?, nil as [UInt8]?)
      }
      unsafe state.waiting.append(contentsOf: bytes)
      guard let reader = state.bodyReader.take() else { return (true, nil, nil) }
      defer { state.waiting = [] }
      return (true, reader, state.waiting)
    }
    if let body { reader?.resume(returning: .success(body)) }
    return isTaken
  }

  /// Says how it ended; the first end counts.
  func finish(_ end: Result<Void, RemoteError>) {
    let (headReader, bodyReader) = state.withLock { state in
      if state.end == nil { state.end = end }
      // A reader of the body that still waits has had every byte.
      return (state.headReader.take(), state.bodyReader.take())
    }
    switch end {
    case .failure(let error):
      headReader?.resume(returning: .failure(error))
      bodyReader?.resume(returning: .failure(error))
    case .success:
      headReader?.resume(returning: .failure(Self.headless(request)))
      bodyReader?.resume(returning: .success(nil))
    }
  }

  private static func headless(_ request: HTTPRequest) -> RemoteError {
    RemoteError(
      .malformedResponse, request.operation, url: request.shownURL, detail: "the response has no head", mayHaveRun: true
    )
  }

  /// Whether it is known how it ended.
  var hasEnded: Bool { state.withLock { $0.end != nil } }

  // MARK: The task's side

  /// The head, once it is there.
  func head() async -> Result<ResponseHead, RemoteError> {
    await withCheckedContinuation { continuation in
      let result: Result<ResponseHead, RemoteError>? = state.withLock { state in
        if let head = state.head { return .success(head) }
        if let end = state.end { return end.flatMap { .failure(Self.headless(request)) } }
        state.headReader = continuation
        return nil
      }
      if let result { continuation.resume(returning: result) }
    }
  }

  /// The bytes that have come since the last call, once there are any; nil at the end.
  func bytes() async -> Result<[UInt8]?, RemoteError> {
    await withCheckedContinuation { continuation in
      let result = state.withLock { state in
        precondition(state.bodyReader == nil, "a body has one reader")
        let result = state.takeBody()
        if result == nil { state.bodyReader = continuation }
        return result
      }
      if let result { continuation.resume(returning: result) }
    }
  }

  /// Whether the connection has paused since the last call: to be told to go on, now that bytes have been taken.
  func takePause() -> Bool {
    state.withLock { state in
      defer { state.isPaused = false }
      return state.isPaused
    }
  }
}
