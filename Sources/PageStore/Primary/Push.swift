internal import EncryptedStorage

/// Whole transactions of a replica's log, by protocol V2: frames that follow each other, of which the last one commits.
package struct Push: Sendable {
  /// A page as a transaction leaves it.
  package struct Frame: Sendable {
    package let page: Page
    /// Pages of the image after the commit that this frame ends; 0 inside a transaction.
    package let sizeAfter: UInt32

    package init(page: Page, sizeAfter: UInt32) {
      self.page = page
      self.sizeAfter = sizeAfter
    }
  }

  /// What became of a push.
  package enum Outcome: Sendable {
    /// It is in the primary. The replica goes on in `generation`, with the frame numbers it has.
    case stored(PrimaryState, generation: UInt32)
    /// The primary has another history behind the replica's position. Nothing was changed.
    case conflict(PrimaryState)
  }

  /// Generation that the replica is in.
  package let generation: UInt32
  /// Number of the first frame in it, from 1.
  package let firstFrame: UInt32
  package let frames: [Frame]

  package init(generation: UInt32, firstFrame: UInt32, frames: [Frame]) {
    self.generation = generation
    self.firstFrame = firstFrame
    self.frames = frames
  }
}

extension Push {
  /// Where a push stands in the history of a primary.
  package struct Place {
    /// Frame F of the push is the position `base` + F of the primary after it.
    let base: Int64
    /// Position that the replica was at when it wrote the first frame.
    package let start: Int64
    /// Generation whose numbers the replica goes on with.
    let generation: UInt32
  }

  /// Nil for a generation that is over.
  ///
  /// When a generation ends, a replica that had all of it may not have been told. Its position is then the base of the next
  /// one, for certain, and it goes over into that with the frame numbers it has: those that it skips stay unused.
  package func place(in state: PrimaryState) -> Place? {
    guard let own = state.generations.first(where: { $0.number == generation }) else { return nil }
    let start = own.basePosition + Int64(firstFrame) - 1
    if own == state.generation { return Place(base: own.basePosition, start: start, generation: generation) }
    let newest = state.generation
    // Sent again after its answer was lost: stored before the next generation began.
    if start < newest.basePosition { return Place(base: own.basePosition, start: start, generation: generation) }
    guard start == newest.basePosition else { return nil }
    return Place(base: newest.basePosition, start: start, generation: newest.number)
  }

  /// What transactions leave behind.
  struct Content {
    /// The newest version of each page, by number.
    var pages: [UInt32: Page] = [:]
    /// Of the image afterwards.
    var pageCount: UInt32
  }

  /// Goes through whole transactions from an image of `pageCount` pages on.
  ///
  /// - Throws: `.invalidPages`: a page that cannot be one, another size of the image without page 1, or an image that grows
  ///   without its new pages.
  static func content(
    of frames: ArraySlice<Frame>, from pageCount: UInt32, _ path: String
  ) throws(EncryptedStorageError) -> Content {
    var content = Content(pageCount: pageCount)
    var pages: [UInt32: Page] = [:]
    for frame in frames {
      guard frame.page.number != StoreFormat.lockBytePage else {
        throw invalid(path, "page \(frame.page.number) is one that SQLite never writes")
      }
      pages[frame.page.number] = frame.page
      guard frame.sizeAfter > 0 else { continue }
      // What was written beyond the new end is gone.
      pages = pages.filter { $0.key <= frame.sizeAfter }
      try ImageCheck.pages(Array(pages.values), pageCount: frame.sizeAfter, path)
      guard frame.sizeAfter == content.pageCount || pages[1] != nil else {
        throw invalid(path, "the size of the image changes, and page 1 does not")
      }
      if frame.sizeAfter > content.pageCount {
        let isWhole = ((content.pageCount + 1)...frame.sizeAfter).allSatisfy {
          pages[$0] != nil || $0 == StoreFormat.lockBytePage
        }
        guard isWhole else { throw invalid(path, "the image grows, and not all new pages are there") }
      } else {
        content.pages = content.pages.filter { $0.key <= frame.sizeAfter }
      }
      content.pages.merge(pages) { $1 }
      content.pageCount = frame.sizeAfter
      pages = [:]
    }
    guard pages.isEmpty else { throw invalid(path, "the frames end inside a transaction") }
    return content
  }

  static func invalid(_ path: String, _ detail: String) -> EncryptedStorageError {
    EncryptedStorageError(.invalidPages, operation: "push", file: path, detail: detail)
  }
}

extension PageStore {
  /// Begins the next generation of a primary if the newest is long enough, which commits of SQL do by themselves.
  ///
  /// - Throws: `.busy`, `.diskFull`; `.damaged` when the store is no primary.
  package func beginGenerationIfDue() async throws {
    try await container.transaction(.immediate) { container in
      guard let image = try StoreState.read(container).image else { throw PrimaryState.damaged(container.path) }
      try Generation.beginNextIfDue(at: image, container)
    }
  }

  /// Takes over transactions that a replica has written without us, in one transaction, if they follow the newest commit:
  /// then the position becomes that of the last frame.
  ///
  /// No generation ends with a push: a replica that pushes again would skip as many frame numbers as it has.
  ///
  /// A push whose answer was lost is sent again. The part of it that is in the primary already is told by its pages: if
  /// nothing else changed since the replica's position, and these pages are what is stored, it is passed over.
  /// - Throws: `.invalidPages`; `.busy`, `.diskFull`; `.denied` in a replica.
  package func push(_ push: Push) async throws -> Push.Outcome {
    let compacts = compactions.isDue()
    return try await container.run { container in
      try container.transaction(.immediate) { container in
        guard try StoreState.read(container).role == .primary else {
          throw EncryptedStorageError(
            .denied, operation: "push", file: container.path, detail: "a replica is changed by what its remote sends")
        }
        let state = try PrimaryState.read(container)
        guard let place = push.place(in: state), let rest = try Self.rest(of: push, at: place, state, container) else {
          return .conflict(state)
        }
        guard !rest.isEmpty else { return .stored(state, generation: place.generation) }
        let image = state.image
        // Part of it was the end of the generation before: the rest begins the newest.
        let newest = state.generation
        if place.generation != newest.number, image.position != newest.basePosition { return .conflict(state) }
        let base = place.generation == newest.number ? place.base : newest.basePosition
        let content = try Push.content(of: rest, from: image.pageCount, container.path)
        let pages = content.pages.values.sorted { $0.number < $1.number }.map(Self.asStored)
        try Self.store(pages, container)
        if content.pageCount < image.pageCount { try Self.truncate(to: content.pageCount, container) }
        let lastFrame = Int64(push.firstFrame) + Int64(push.frames.count) - 1
        let next = ImageState(
          position: base + lastFrame, epoch: image.epoch &+ 1, pageCount: content.pageCount)
        if compacts { try ChangeLog.compact(container, pageCount: next.pageCount) }
        try ChangeLog.append(next, pages: pages.map(\.number), container)
        return .stored(try PrimaryState.read(container), generation: newest.number)
      }
    }
  }

  /// The frames that are not in the primary yet; nil for a conflict.
  private static func rest(
    of push: Push, at place: Push.Place, _ state: PrimaryState, _ container: Session
  ) throws -> ArraySlice<Push.Frame>? {
    let position = state.image.position
    guard position != place.start else { return push.frames[...] }
    let knownCount = position - place.base - Int64(push.firstFrame) + 1
    guard position > place.start, knownCount > 0, knownCount <= push.frames.count else { return nil }
    let known = push.frames.prefix(Int(knownCount))
    guard let last = known.last, last.sizeAfter == state.image.pageCount else { return nil }
    var stored: [UInt32: Page] = [:]
    for frame in known where frame.page.number <= last.sizeAfter { stored[frame.page.number] = frame.page }
    var changed = Set<UInt32>()
    try ChangeLog.forEachCommit(since: place.start, container) { changed.formUnion($0) }
    guard changed.allSatisfy({ $0 > last.sizeAfter || stored[$0] != nil }) else { return nil }
    for page in stored.values where try !isStored(page, container) { return nil }
    return push.frames.dropFirst(Int(knownCount))
  }

  private static func isStored(_ page: Page, _ container: Session) throws -> Bool {
    let parts = try container.query(
      "SELECT head.data, tail.data FROM head JOIN tail USING (page) WHERE page = ?", [.integer(Int64(page.number))]
    ) { ($0[0].blob ?? []) + ($0[1].blob ?? []) }
    guard let stored = parts.first else { return false }
    guard page.number == 1 else { return stored == page.bytes }
    let pushed = asStored(page).bytes
    return unsafe stored.count == pushed.count
      && ImageHeader.areEqualButForCounters(stored.span.bytes, pushed.span.bytes)
  }

  /// Page 1 as a mounted image would have stored it.
  private static func asStored(_ page: Page) -> Page {
    guard page.number == 1 else { return page }
    var bytes = page.bytes
    bytes.replaceSubrange(
      ImageHeader.versionOffset...ImageHeader.versionOffset + 1, with: ImageHeader.writeAheadVersions)
    return Page(number: 1, bytes: bytes)
  }
}
