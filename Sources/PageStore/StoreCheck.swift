package import EncryptedStorage

/// Checks what the tables of a page store say against each other: state, changes, and whether every page is there.
///
/// That their rows are authentic, and their trees sound, is for the checks of the container.
package struct StoreCheck {
  /// What is not as it should be.
  package enum Flaw: Sendable {
    /// `meta` or `change`.
    case state
    /// A page of the image is not there.
    case pageMissing
    /// Only half of a page is there.
    case pageOrphaned
    /// Half of a page has the wrong size.
    case pageSize
    /// There is a page that the image does not have.
    case pageBeyondEnd
    /// Page 1 of the image is not that of a database with pages of 4096 bytes.
    case imageHeader
  }

  /// One thing that is not as it should be.
  package struct Finding: Sendable {
    package let flaw: Flaw
    /// Page of the image, the first one where there are several.
    package let page: UInt32?
    /// One sentence, without a full stop.
    package let detail: String
  }

  /// What was looked at and found.
  package struct Result: Sendable {
    /// Nil when the store has no valid state.
    package var state: StoreState?
    package var findings: [Finding] = []
  }

  /// More of one kind help nobody, and could fill the memory.
  private static let findingsMax = 1000

  private let container: Session
  private var result = Result()
  /// Pages that the image has, or will have.
  private var pageCount: UInt32?

  /// Looks at the store in the transaction that `container` is in. What cannot be read to its end is a finding.
  ///
  /// - Throws: `.unsupportedFormat` for a store of a later version; `.cancelled`, `.busy`, `.closed`.
  package static func run(_ container: Session) throws -> Result {
    try StoreFormat.check(container)
    var check = StoreCheck(container: container)
    do {
      try check.checkState()
      try check.checkPages()
      try check.checkHeader()
    } catch let error as EncryptedStorageError where ![.cancelled, .busy, .closed].contains(error.code) {
      check.add(.state, "the tables of the store cannot be read to their end")
    }
    return check.result
  }

  private init(container: Session) { self.container = container }

  private mutating func add(_ flaw: Flaw, page: UInt32? = nil, _ detail: String) {
    guard result.findings.count(where: { $0.flaw == flaw }) < Self.findingsMax else { return }
    result.findings.append(Finding(flaw: flaw, page: page, detail: detail))
  }

  // MARK: - State

  private mutating func checkState() throws {
    let newest = try checkChanges()
    let rows = try container.query("SELECT \(StoreState.metaColumns) FROM meta") { $0.values }
    guard rows.count == 1, let state = StoreState(meta: rows[0], change: newest.map(\.values)) else {
      add(
        .state, rows.count == 1 ? "the state of the store contradicts itself" : "meta has \(rows.count) rows, not one")
      pageCount = newest?.pageCount
      return
    }
    result.state = state
    pageCount = state.image?.pageCount ?? state.basePageCount
    if state.role == .primary { try checkPrimary(state) }
    if state.role == .replica, state.remote == nil, state.isComplete || state.basePageCount > 0 {
      add(.state, "a replica with pages has a remote")
    }
    if state.role == .replica, let image = state.image, image.pageCount == 0 { add(.state, "the image has no pages") }
    if let newest, newest.position < state.basePosition {
      add(
        .state, "the newest change is at position \(newest.position), before the image was made (\(state.basePosition))"
      )
    }
  }

  private mutating func checkPrimary(_ state: StoreState) throws {
    guard let identity = state.remote, identity.protocolName == PrimaryState.protocolName, let image = state.image
    else {
      return add(.state, "a primary has an identity, and is always complete")
    }
    let generations = try container.query("SELECT number, base_position FROM generation ORDER BY number") {
      Generation(number: $0[0], basePosition: $0[1])
    }
    guard let newest = generations.last, let newest, generations.count <= Generation.keptCount,
      Int64(newest.number) == identity.generation, newest.basePosition <= image.position
    else { return add(.state, "the generations of the primary do not fit its state") }
    if generations.count == 2, let former = generations[0],
      former.number != newest.number - 1 || former.basePosition >= newest.basePosition
    {
      add(.state, "the generations of the primary do not follow each other")
    } else if generations[0] == nil {
      add(.state, "a row of generation is not valid")
    }
  }

  private struct Change {
    let position: Int64
    let epoch: UInt32
    let pageCount: UInt32
    var values: [Value] { [.integer(position), .integer(Int64(epoch)), .integer(Int64(pageCount))] }
  }

  /// Every row of `change`, one at a time.
  ///
  /// - Returns: the newest one.
  private mutating func checkChanges() throws -> Change? {
    var newest: Change?
    var found: [String] = []
    try container.forEachRow("SELECT position, epoch, page_count, pages FROM change ORDER BY position") { row in
      guard let position = row[0].integer, let epoch = row[1].integer.flatMap(UInt32.init(exactly:)),
        let pageCount = row[2].integer.flatMap(UInt32.init(exactly:))
      else {
        found.append("a row of change is not valid")
        return
      }
      let change = Change(position: position, epoch: epoch, pageCount: pageCount)
      let place = "the change at position \(position)"
      // It rises by one with each change, and may begin anew at 2^32.
      if let newest, !(1...UInt32.max / 2).contains(epoch &- newest.epoch) {
        found.append("\(place) has epoch \(epoch), the one before it \(newest.epoch)")
      }
      if case .blob(let bytes) = row[3], let pages = ChangeLog.decode(bytes) {
        if let last = pages.last, last > pageCount {
          found.append("\(place) lists page \(last) of an image of \(pageCount) pages")
        }
      } else {
        found.append("the pages of \(place) are no list of pages")
      }
      newest = change
      if found.count > Self.findingsMax { found.removeLast() }
    }
    for detail in found { add(.state, detail) }
    return newest
  }

  // MARK: - Pages

  /// Which halves of one page there are.
  private struct Halves {
    var page: Int64
    var hasHead = false
    var hasTail = false
  }

  /// Both tables side by side, each in its own order, so that nothing is sorted or kept.
  private static let halvesSQL = """
    SELECT page, 0 AS half, CASE typeof(data) WHEN 'blob' THEN length(data) END FROM head
    UNION ALL
    SELECT page, 1, CASE typeof(data) WHEN 'blob' THEN length(data) END FROM tail
    ORDER BY 1
    """

  private mutating func checkPages() throws {
    guard let pageCount else { return }
    let isComplete = result.state?.isComplete ?? true
    var check = self
    var current: Halves?
    /// The page that has to come next.
    var next: Int64 = 1
    func finish() {
      guard let halves = current, halves.page >= 1, halves.page <= Int64(pageCount) else { return }
      if isComplete { check.addMissing(next..<halves.page) }
      next = halves.page + 1
      guard !halves.hasHead || !halves.hasTail else { return }
      let (there, missing) = halves.hasHead ? ("head", "tail") : ("tail", "head")
      check.add(.pageOrphaned, page: UInt32(halves.page), "page \(halves.page) has a \(there) and no \(missing)")
    }
    try container.forEachRow(Self.halvesSQL) { row in
      guard let page = row[0].integer, let half = row[1].integer else { return }
      let isHead = half == 0
      if current?.page != page {
        finish()
        current = Halves(page: page)
        if page < 1 || page > Int64(pageCount) {
          check.add(
            .pageBeyondEnd, page: UInt32(exactly: page),
            "there is a page \(page), and the image has \(pageCount) pages")
        }
      }
      if isHead { current?.hasHead = true } else { current?.hasTail = true }
      let wanted = isHead ? StoreFormat.headByteCount : StoreFormat.tailByteCount
      if row[2].integer != Int64(wanted) {
        check.add(
          .pageSize, page: UInt32(exactly: page),
          "the \(isHead ? "head" : "tail") of page \(page) has not \(wanted) bytes"
        )
      }
    }
    finish()
    if isComplete { check.addMissing(next..<(Int64(pageCount) + 1)) }
    self = check
  }

  private mutating func addMissing(_ pages: Range<Int64>) {
    let lockByte = Int64(StoreFormat.lockBytePage)
    if pages.contains(lockByte) {
      addMissing(pages.lowerBound..<lockByte)
      addMissing((lockByte + 1)..<pages.upperBound)
    } else if let first = pages.first, let last = pages.last {
      add(
        .pageMissing, page: UInt32(exactly: first),
        first == last ? "page \(first) is missing" : "pages \(first) to \(last) are missing")
    }
  }

  private mutating func checkHeader() throws {
    guard let pageCount, pageCount > 0,
      let head = try container.value("SELECT data FROM head WHERE page = 1").blob
    else { return }
    do { try ImageCheck.header(head, container.path) } catch { add(.imageHeader, page: 1, error.detail) }
  }
}
