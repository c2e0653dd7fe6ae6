internal import EncryptedStorage

/// A stretch of a primary's history under one number, as protocol V2 of libSQL counts it. Frame F of a generation is the
/// primary's position `basePosition` + F.
package struct Generation: Sendable, Hashable {
  /// From 1.
  package let number: UInt32
  /// Where the primary was when the generation began: the end of a commit.
  package let basePosition: Int64

  /// Generations that a store remembers: a replica in the one before the newest is led into the newest.
  static let keptCount = 2
  /// Pages changed in a generation, at least, before the next one begins. A replica keeps the pages of a generation in its
  /// log, and empties that between two.
  static let lengthMin: Int64 = 1024

  init(number: UInt32, basePosition: Int64) {
    self.number = number
    self.basePosition = basePosition
  }

  /// Nil for values that are no generation.
  init?(number: Value, basePosition: Value) {
    guard let number = number.integer.flatMap(UInt32.init(exactly:)), number > 0,
      let basePosition = basePosition.integer,
      basePosition >= 0
    else { return nil }
    self.init(number: number, basePosition: basePosition)
  }

  /// Whether the next generation is to begin.
  func isLongEnough(at image: ImageState) -> Bool {
    image.position - basePosition > max(Self.lengthMin, Int64(image.pageCount) / 4)
  }

  /// Begins the next generation when the newest is long enough: 1024 changed pages, and a quarter of the image. For the
  /// transaction of the commit that `image` is the state after, so that a generation ends where a commit does.
  static func beginNextIfDue(at image: ImageState, _ container: Session) throws(EncryptedStorageError) {
    let newest: Generation?
    do {
      newest =
        try container.query("SELECT number, base_position FROM generation ORDER BY number DESC LIMIT 1") {
          Generation(number: $0[0], basePosition: $0[1])
        }.first ?? nil
    } catch { throw EncryptedStorageError(error, file: container.path) }
    guard let newest else { throw PrimaryState.damaged(container.path) }
    guard newest.isLongEnough(at: image) else { return }
    let next = Int64(newest.number) + 1
    try container.execute("DELETE FROM generation WHERE number < ?", [.integer(Int64(newest.number))])
    try container.execute("INSERT INTO generation VALUES (?, ?)", [.integer(next), .integer(image.position)])
    try container.execute("UPDATE meta SET generation = ?", [.integer(next)])
  }
}

/// What a primary says about itself to its replicas, at the end of one commit.
package struct PrimaryState: Sendable, Hashable {
  /// A UUID, given to the store when it was made. Positions of stores with different identities have nothing to do with each
  /// other.
  package let identity: String
  /// Where the image stands.
  package let image: ImageState
  /// The newest one or two, ascending.
  package let generations: [Generation]

  /// The generation that is being written.
  package var generation: Generation { generations[generations.count - 1] }

  /// Whether the next generation is to begin, which it does with the next commit of SQL.
  package var isGenerationDue: Bool { generation.isLongEnough(at: image) }

  /// `protocol` in `meta` of a primary.
  static let protocolName = "primary"

  /// A random UUID. Source: RFC 9562, section 5.4 (version 4).
  package static func makeIdentity() -> String {
    var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  /// Identity, newest change and generations, in one query: replicas ask for nothing else most of the time.
  private static let sql = """
    SELECT role, remote, protocol, change.position, epoch, page_count, number, generation.base_position
    FROM meta, (SELECT position, epoch, page_count FROM change ORDER BY position DESC LIMIT 1) AS change, generation
    ORDER BY number
    """

  /// Reads the state in the session's transaction, or in one of its own.
  ///
  /// - Throws: `.damaged` when the store does not say what a primary has to.
  static func read(_ container: Session) throws(EncryptedStorageError) -> PrimaryState {
    let rows: [[Value]]
    do { rows = try container.query(sql) { $0.values } } catch {
      throw EncryptedStorageError(error, file: container.path)
    }
    let generations = rows.compactMap { Generation(number: $0[6], basePosition: $0[7]) }
    guard let row = rows.first, row[0].text == PageStore.Role.primary.rawValue, row[2].text == protocolName,
      let identity = row[1].text, let position = row[3].integer,
      let epoch = row[4].integer.flatMap(UInt32.init(exactly:)),
      let pageCount = row[5].integer.flatMap(UInt32.init(exactly:)), generations.count == rows.count,
      generations.count <= Generation.keptCount
    else { throw damaged(container.path) }
    return PrimaryState(
      identity: identity, image: ImageState(position: position, epoch: epoch, pageCount: pageCount),
      generations: generations)
  }

  static func damaged(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "read", file: path, detail: "the page store has no valid state of a primary",
      hint: "run albergue-crypt verify")
  }
}
