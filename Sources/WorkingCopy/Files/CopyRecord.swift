internal import EncryptedStorage
internal import PageStore

/// What a working copy knows about itself. It is kept in a table of the working copy, so that it is encrypted, and cannot be
/// separated from what it is about.
struct CopyRecord: Sendable, Hashable {
  /// The image that it was made from.
  struct Origin: Sendable, Hashable {
    let remote: RemoteIdentity
    let position: Int64
    let epoch: UInt32

    /// Nil for a store without an image.
    init?(_ state: StoreState) {
      guard let remote = state.remote, let image = state.image else { return nil }
      (self.remote, position, epoch) = (remote, image.position, image.epoch)
    }

    init(remote: RemoteIdentity, position: Int64, epoch: UInt32) {
      (self.remote, self.position, self.epoch) = (remote, position, epoch)
    }
  }

  /// A push that may have been committed.
  struct PendingPush: Sendable, Hashable {
    /// Its row in the remote.
    let id: String
    /// The digest of the working copy that was pushed.
    let digest: [UInt8]
    /// When it was sent, in seconds since 1970-01-01 UTC.
    let time: Int64
  }

  var origin: Origin
  /// The digest of what it was made from.
  var digest: [UInt8]
  var pending: PendingPush?

  static let script = "CREATE TABLE \(OwnTable.record) (name TEXT PRIMARY KEY, value) WITHOUT ROWID"

  /// Nil in a database that is no working copy, or has lost its record.
  ///
  /// - Throws: ``WorkingCopyError`` `.notAWorkingCopy` for a record that is not whole.
  init?(of session: Session) throws {
    guard
      try session.value("SELECT count(*) FROM sqlite_schema WHERE name = ?", [.text(OwnTable.record)]) == .integer(1)
    else { return nil }
    let rows = try session.query("SELECT name, value FROM \(OwnTable.record)") { ($0[0].text ?? "", $0[1]) }
    let values = Dictionary(rows) { first, _ in first }
    guard let name = values["remote"]?.text, let protocolName = values["protocol"]?.text,
      let generation = values["generation"]?.integer, let position = values["position"]?.integer,
      let epoch = values["epoch"]?.integer.flatMap(UInt32.init(exactly:)), let digest = values["digest"]?.blob
    else {
      throw WorkingCopyError(
        .notAWorkingCopy, "the record of the working copy, in its table \(OwnTable.record), is not whole",
        hint: "save its changes elsewhere, then pull, dropping them")
    }
    origin = Origin(
      remote: RemoteIdentity(name: name, protocolName: protocolName, generation: generation), position: position,
      epoch: epoch)
    self.digest = digest
    if let id = values["push"]?.text, let digest = values["push_digest"]?.blob, let time = values["push_time"]?.integer
    {
      pending = PendingPush(id: id, digest: digest, time: time)
    }
  }

  init(origin: Origin, digest: [UInt8]) {
    self.origin = origin
    self.digest = digest
  }

  /// Writes the record in a transaction of its own.
  func write(to session: Session) throws {
    let values: [(String, Value)] = [
      ("remote", .text(origin.remote.name)), ("protocol", .text(origin.remote.protocolName)),
      ("generation", .integer(origin.remote.generation)), ("position", .integer(origin.position)),
      ("epoch", .integer(Int64(origin.epoch))), ("digest", .blob(digest)),
      ("push", pending.map { .text($0.id) } ?? .null), ("push_digest", pending.map { .blob($0.digest) } ?? .null),
      ("push_time", pending.map { .integer($0.time) } ?? .null),
    ]
    try session.transaction(.immediate) { session in
      try session.execute("DELETE FROM \(OwnTable.record)")
      for (name, value) in values {
        try session.execute("INSERT INTO \(OwnTable.record) VALUES (?, ?)", [.text(name), value])
      }
    }
  }
}
