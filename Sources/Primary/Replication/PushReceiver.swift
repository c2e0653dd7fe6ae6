internal import EncryptedStorage
internal import HTTPTypes
internal import LibSQLProtocol
internal import PageStore

/// Pushes of replicas on their way into the store. What is after the last commit of a request waits here for the next one,
/// under a baton.
///
/// A push that is given up costs nothing but the work: the replica sends it again from its last position.
actor PushReceiver {
  /// Frames that do not make a transaction yet.
  private struct Pending {
    /// Generation as the client says it, through all requests of one push.
    let clientGeneration: UInt32
    /// The one whose numbers they are: another one, when that generation has ended meanwhile.
    var generation: UInt32
    /// Number of the first frame.
    var firstFrame: UInt32
    var frames: [Push.Frame] = []
    var lastUse = ContinuousClock.now

    /// Number of the frame that has to come next.
    var nextFrame: UInt64 { UInt64(firstFrame) + UInt64(frames.count) }
  }

  /// Frames of one push that wait, 64 MiB.
  static let frameCountLimit = 16_384
  /// Pushes that wait at the same time.
  private static let pendingLimit = 4
  /// How long a push waits for its next request.
  private static let expiry: Duration = .seconds(60)

  private let path: String
  private let factory: ConnectionFactory
  private var opening: Task<PageStore, any Error>?
  private var pending: [String: Pending] = [:]
  private var history: History?

  init(path: String, factory: ConnectionFactory) {
    self.path = path
    self.factory = factory
  }

  func close() async {
    pending.removeAll()
    if let store = try? await opening?.value { await store.close() }
    opening = nil
  }

  /// A connection for writing, made at the first push.
  private func store() async throws -> PageStore {
    if let opening { return try await opening.value }
    let (path, factory) = (path, factory)
    let opening = Task { try await PageStore.open(path, factory: factory) }
    self.opening = opening
    do { return try await opening.value } catch {
      self.opening = nil
      throw error
    }
  }

  /// Begins the next generation if it is due: after pushes.
  func beginGenerationIfDue() async throws { try await store().beginGenerationIfDue() }

  /// Takes one request of a push.
  ///
  /// - Parameters:
  ///   - state: where the primary is, to refuse early what cannot be stored later.
  ///   - baton: of the request before; one that is not known any more is the same as none.
  /// - Throws: ``ReplicationFailure`` for a transaction that is too large; what storing throws.
  func receive(
    _ frames: [Push.Frame], _ range: SyncRange, baton: String?, _ state: PrimaryState
  ) async throws -> PushAnswer {
    var push = take(baton, range) ?? continuation(of: frames, range, state)
    guard push.frames.count + frames.count <= Self.frameCountLimit else {
      throw ReplicationFailure(
        .contentTooLarge, .invalidArgument, "a transaction of more than \(Self.frameCountLimit) frames cannot be pushed"
      )
    }
    push.frames += frames.dropFirst(Int(push.nextFrame) - Int(range.first))
    if let last = push.frames.lastIndex(where: { $0.sizeAfter > 0 }) {
      let whole = Push(
        generation: push.generation, firstFrame: push.firstFrame, frames: Array(push.frames[...last]))
      switch try await store().push(whole) {
      case .stored(let state, let generation):
        note(whole, push.clientGeneration, generation, state)
        push.firstFrame += UInt32(last) + 1
        push.generation = generation
        push.frames.removeFirst(last + 1)
      case .conflict(let state):
        // Sent again, and not all of it is here yet: what is stored is compared at the end of a transaction.
        guard last < push.frames.count - 1, isBehind(push, state) else { return Self.conflict(state) }
      }
    } else if !push.frames.isEmpty {
      guard isBehind(push, state) else { return Self.conflict(state) }
    }
    return PushAnswer(.ok, generation: push.generation, lastFrame: range.last, baton: keep(push))
  }

  /// Whether the push begins at a position that the primary has been at.
  private func isBehind(_ push: Pending, _ state: PrimaryState) -> Bool {
    let place = Push(generation: push.generation, firstFrame: push.firstFrame, frames: []).place(in: state)
    return place.map { $0.start <= state.image.position } ?? false
  }

  // MARK: - Between two requests

  private func take(_ baton: String?, _ range: SyncRange) -> Pending? {
    pending = pending.filter { ContinuousClock.now - $0.value.lastUse < Self.expiry }
    guard let baton, let push = pending[baton], push.clientGeneration == range.generation,
      push.nextFrame == UInt64(range.first)
    else { return nil }
    pending[baton] = nil
    return push
  }

  /// - Returns: a baton, if anything has to be remembered.
  private func keep(_ push: Pending) -> String? {
    guard !push.frames.isEmpty || push.generation != push.clientGeneration else { return nil }
    while pending.count >= Self.pendingLimit, let oldest = pending.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      pending[oldest.key] = nil
    }
    var push = push
    push.lastUse = .now
    let baton = PrimaryState.makeIdentity()
    pending[baton] = push
    return baton
  }

  // MARK: - What was stored last

  /// The newest frames of the primary, when they came by a push. Whose answer is lost sends them again, from the start of the
  /// push, which can be several requests ago.
  private struct History {
    let clientGeneration: UInt32
    var generation: UInt32
    let firstFrame: UInt32
    /// A hash of each frame.
    var digests: [Int] = []
    /// Where the primary is as long as nothing else was committed.
    var position: Int64

    var nextFrame: UInt64 { UInt64(firstFrame) + UInt64(digests.count) }
  }

  private func note(_ push: Push, _ clientGeneration: UInt32, _ generation: UInt32, _ state: PrimaryState) {
    let isContinued =
      history.map {
        $0.clientGeneration == clientGeneration && $0.nextFrame == UInt64(push.firstFrame)
          && $0.digests.count + push.frames.count <= Self.frameCountLimit
      } ?? false
    if !isContinued || history == nil {
      history = History(
        clientGeneration: clientGeneration, generation: generation, firstFrame: push.firstFrame, position: 0)
    }
    history?.generation = generation
    history?.position = state.image.position
    history?.digests += push.frames.map(Self.digest)
  }

  /// The push that a request begins: behind the frames that are stored already, if these are the primary's newest.
  private func continuation(of frames: [Push.Frame], _ range: SyncRange, _ state: PrimaryState) -> Pending {
    let new = Pending(clientGeneration: range.generation, generation: range.generation, firstFrame: range.first)
    guard let history, history.clientGeneration == range.generation, history.position == state.image.position,
      range.first >= history.firstFrame, UInt64(range.first) < history.nextFrame
    else { return new }
    let known = history.digests.dropFirst(Int(range.first - history.firstFrame)).prefix(frames.count)
    guard zip(known, frames).allSatisfy({ $0 == Self.digest($1) }) else { return new }
    return Pending(
      clientGeneration: range.generation, generation: history.generation,
      firstFrame: range.first + UInt32(known.count))
  }

  private static func digest(_ frame: Push.Frame) -> Int {
    var hasher = Hasher()
    hasher.combine(frame.page)
    hasher.combine(frame.sizeAfter)
    return hasher.finalize()
  }

  private static func conflict(_ state: PrimaryState) -> PushAnswer {
    PushAnswer(
      .conflict, generation: state.generation.number,
      lastFrame: UInt32(clamping: state.image.position - state.generation.basePosition))
  }
}
