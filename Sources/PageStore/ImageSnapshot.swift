package import EncryptedStorage

/// A replica's image at one position, to be compared with pages that come from elsewhere.
///
/// Keeps a read transaction of the container open until ``close()``: what is written meanwhile is not seen.
package struct ImageSnapshot: Sendable {
  /// Where the image stands.
  package let image: ImageState
  /// What it is a copy of.
  package let remote: RemoteIdentity
  private let connection: Connection

  /// - Throws: as `ConnectionFactory.open`; `.notADatabase` for a file that is no page store; `.denied` for a primary;
  ///   `.incomplete` before the first pull is whole.
  package static func open(_ path: String, factory: ConnectionFactory) async throws -> ImageSnapshot {
    let connection = try await factory.openContainer(path, .reader)
    do {
      let (image, remote) = try await connection.run { container in
        try StoreFormat.check(container)
        try container.execute("BEGIN")
        let state = try StoreState.read(container)
        guard state.role == .replica else {
          throw EncryptedStorageError(
            .denied, operation: "compare", file: container.path, detail: "the store of a primary has no remote")
        }
        guard let image = state.image, let remote = state.remote else {
          throw EncryptedStorageError(
            .incomplete, operation: "compare", file: container.path,
            detail: "the first pull of this replica has not finished", hint: "run turso-sync pull")
        }
        return (image, remote)
      }
      return ImageSnapshot(image: image, remote: remote, connection: connection)
    } catch {
      await connection.close()
      throw error
    }
  }

  /// The numbers of those of `pages` that the image has not got, or with other bytes. Counters of page 1 do not count.
  ///
  /// - Throws: `.damaged` when a page is not authentic; `.cancelled`.
  package func differing(_ pages: [Page]) async throws -> [UInt32] {
    try await connection.run { container in
      var numbers: [UInt32] = []
      for page in pages where try !Self.holds(page, container) { numbers.append(page.number) }
      return numbers
    }
  }

  /// Ends the snapshot.
  package func close() async { await connection.close() }

  private static let sql = "SELECT head.data, tail.data FROM head JOIN tail USING (page) WHERE head.page = ?"

  private static func holds(_ page: Page, _ container: Session) throws -> Bool {
    var isEqual = false
    try container.forEachRow(sql, [.integer(Int64(page.number))]) { row in
      guard let head = row[0].blob, let tail = row[1].blob else { return }
      let stored = head + tail
      isEqual = stored == page.bytes
      // Remotes differ in what they write into the counters of a page that has not changed otherwise.
      if !isEqual, page.number == 1 {
        let (mine, theirs) = (Array(stored), page.bytes)
        isEqual = unsafe ImageHeader.areEqualButForCounters(mine.span.bytes, theirs.span.bytes)
      }
    }
    return isEqual
  }
}
