/// The statements that run around every query, compiled once: a read by key takes little longer than these.
struct QueryFrame {
  let begin: Statement
  let commit: Statement
  /// Fetches the root page of the schema.
  let probe: Statement

  init(_ session: Session) throws(EncryptedStorageError) {
    func own(_ sql: String) throws(EncryptedStorageError) -> Statement {
      guard let statement = try session.compile(sql[...]).statement else {
        throw EncryptedStorageError(
          .statement, operation: "prepare", file: session.path, detail: "no SQL statement in the text")
      }
      return statement
    }
    begin = try own("BEGIN")
    commit = try own("COMMIT")
    probe = try own("SELECT 1 FROM sqlite_schema LIMIT 1")
  }

  func finalize() {
    begin.finalize()
    commit.finalize()
    probe.finalize()
  }
}

/// How the success of a query comes to mean that every page it read was authentic; see ``Session``.
extension Session {
  /// Runs a query so that its success means that every page it read was authentic; see the type's comment.
  func authenticating(_ statement: Statement, _ body: () throws -> Void) throws {
    guard statement.isQuery else { return try blamingPages(body) }
    guard !isInTransaction else { return try proving(body) }
    let frame = try queryFrame()
    try step(frame.begin)
    do {
      try proving(body)
      try step(frame.commit)
    } catch {
      rollBack()
      throw error
    }
  }

  /// Runs `body` in a transaction, then looks whether the connection can still read.
  private func proving(_ body: () throws -> Void) throws {
    try blamingPages(body)
    try fetchOnePage()
  }

  /// Runs `body`; a failure that comes from a page is reported as that.
  ///
  /// In a transaction, SQLCipher answers every page after one that is not authentic with `SQLITE_ERROR`, which passes for
  /// a mistake in the statement: `PRAGMA integrity_check` on a damaged file ends that way.
  private func blamingPages(_ body: () throws -> Void) throws {
    do { try body() } catch let error as EncryptedStorageError where error.code == .statement && isInTransaction {
      try fetchOnePage()
      throw error
    }
  }

  /// Fetches the root page of the schema: fails when an earlier page of this transaction did.
  func fetchOnePage() throws(EncryptedStorageError) {
    let probe = try queryFrame().probe
    defer { probe.rewind() }
    do { _ = try probe.step() } catch {
      throw EncryptedStorageError(
        .damaged, operation: "read", file: path, detail: "a page that the query read is not authentic",
        hint: "run albergue-crypt verify, then albergue-crypt recover", resultCode: error.resultCode)
    }
  }

  /// Runs `BEGIN` or `COMMIT`, as ``execute(_:_:)`` does, without looking for the statement.
  private func step(_ statement: Statement) throws(EncryptedStorageError) {
    try handle.checkUsable("step")
    defer {
      statement.rewind()
      unlockAfterTransaction()
    }
    while try statement.step() {}
  }

  private func queryFrame() throws(EncryptedStorageError) -> QueryFrame {
    if let frame { return frame }
    let made = try QueryFrame(self)
    frame = made
    return made
  }
}
