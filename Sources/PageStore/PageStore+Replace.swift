package import EncryptedStorage

extension PageStore {
  /// Gives this replica the image of another one, in one transaction: of another remote, or of another history of its own.
  ///
  /// Only pages that differ are written. Readers see the former image or the new one, as with ``apply(_:syncedAt:)``, and
  /// nobody has to open the file again: that is why it is not put in the place of this one.
  ///
  /// - Parameter path: a complete replica, under a key of the same factory. It stays as it is.
  /// - Returns: the state of the image afterwards.
  /// - Throws: `.incomplete` when one of the two has no image; `.denied` when one is a primary; `.damaged`, `.diskFull`,
  ///   `.busy`, `.cancelled`: then the image is the former one.
  @discardableResult
  public func replaceImage(withImageOf path: String) async throws -> ImageState {
    let factory = factory
    return try await container.run { container in
      let source = try factory.openSession(path, .reader, view: .container)
      defer { source.close() }
      return try source.transaction(.deferred) { source in
        try container.transaction(.immediate) { container in try Self.replaceImage(of: container, with: source) }
      }
    }
  }

  private static func replaceImage(of container: Session, with source: Session) throws -> ImageState {
    let (former, new) = (try StoreState.read(container), try StoreState.read(source))
    for (state, session) in [(former, container), (new, source)] where state.role != .replica {
      throw EncryptedStorageError(
        .denied, operation: "replace", file: session.path, detail: "the image of a primary is not replaced, nor taken")
    }
    guard let formerImage = former.image, let image = new.image, let remote = new.remote else {
      throw EncryptedStorageError(
        .incomplete, operation: "replace", file: source.path, detail: "one of the two replicas has no image yet")
    }
    let head = try container.prepare(upsert("head"))
    let tail = try container.prepare(upsert("tail"))
    try source.forEachRow("SELECT page, head.data, tail.data FROM head JOIN tail USING (page) ORDER BY page") { row in
      guard let page = row[0].integer, let headData = row[1].blob, let tailData = row[2].blob else {
        throw EncryptedStorageError(
          .damaged, operation: "replace", file: source.path, detail: "a page of the store is not valid")
      }
      unsafe try head.run(page, headData.span.bytes)
      unsafe try tail.run(page, tailData.span.bytes)
    }
    if image.pageCount < formerImage.pageCount { try truncate(to: image.pageCount, container) }
    // Positions of another history mean nothing here, so nothing is known of when its pages changed.
    let state = ImageState(
      position: image.position, epoch: formerImage.epoch &+ 1, pageCount: image.pageCount)
    try container.execute("DELETE FROM change")
    try ChangeLog.append(state, pages: [], container)
    try container.execute(
      """
      UPDATE meta SET remote = ?, protocol = ?, generation = ?, base_position = ?, base_page_count = ?, last_sync = ?
      """,
      [
        .text(remote.name), .text(remote.protocolName), .integer(remote.generation), .integer(image.position),
        .integer(Int64(image.pageCount)), new.lastSync.map(Value.integer) ?? .null,
      ])
    return state
  }

  private static func upsert(_ table: String) -> String {
    """
    INSERT INTO \(table) (page, data) VALUES (?1, ?2)
    ON CONFLICT (page) DO UPDATE SET data = excluded.data WHERE data IS NOT excluded.data
    """
  }

  /// Removes a replica that nobody has open, with everything that belongs to it. What is not there is no error.
  package static func removeReplica(_ path: String) throws {
    let bootstrap = path + PageStoreMark.bootstrapSuffix
    for file in [bootstrap, path] {
      for suffix in ["-wal", "-shm", "-journal", "-writer.lock", ""] { try FileSystem.remove(file + suffix) }
    }
    try FileSystem.remove(path + PageStoreMark.bootstrapLockSuffix)
  }
}

extension StoreState {
  /// Reads the state of the store at `path`, while others may use it.
  ///
  /// - Throws: as `ConnectionFactory.open`; `.notADatabase` for a file that is no page store.
  package static func read(_ path: String, _ factory: ConnectionFactory) async throws -> StoreState {
    let container = try await factory.openContainer(path, .reader)
    do {
      let state = try await container.run { container in
        try StoreFormat.check(container)
        return try StoreState.read(container)
      }
      await container.close()
      return state
    } catch {
      await container.close()
      throw error
    }
  }
}
