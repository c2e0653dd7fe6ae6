internal import CSQLCipher

/// From a keyed handle to a session with every setting that the rules ask for.
extension ConnectionFactory {
  /// Gives a connection its settings and reads them back: one that did not take effect is an error.
  ///
  /// - Parameters:
  ///   - ownsWriterLock: false for a container, whose writes happen under the lock of the image's session.
  ///   - container: of a mounted image.
  func configure(
    _ handle: DatabaseHandle, _ access: Access, ownsWriterLock: Bool, container: Session? = nil
  ) throws(EncryptedStorageError) -> Session {
    let database = try unsafe handle.opened("open")
    guard unsafe CSQLCipher_db_config_defensive(database, 1) == SQLITE_OK,
      unsafe CSQLCipher_db_config_trusted_schema(database, 0) == SQLITE_OK,
      unsafe CSQLCipher_db_config_foreign_keys(database, 1) == SQLITE_OK,
      unsafe sqlite3_wal_autocheckpoint(database, 0) == SQLITE_OK
    else {
      throw EncryptedStorageError(
        .cipherUnavailable, operation: "open", file: handle.path, detail: "SQLite refused a connection setting")
    }
    _ = unsafe sqlite3_busy_timeout(database, Int32(clamping: configuration.busyMilliseconds))
    let writerLock =
      access == .writer && ownsWriterLock
      ? WriterLock(database: handle.path, timeout: configuration.busyTimeout, interrupter: handle.interrupter) : nil
    let session = Session(handle: handle, writerLock: writerLock, container: container)
    let busyTimeout = String(configuration.busyMilliseconds)
    guard try Opening.text("PRAGMA busy_timeout", on: handle) == busyTimeout else {
      throw EncryptedStorageError(
        .cipherUnavailable, operation: "open", file: handle.path, detail: "the busy timeout did not take effect")
    }
    try Opening.run("PRAGMA cell_size_check=ON", on: handle)
    if configuration.cacheKibibytes != Configuration().cacheKibibytes {
      try Opening.run("PRAGMA cache_size=-\(configuration.cacheKibibytes)", on: handle)
    }
    try Self.set("temp_store", "MEMORY", expecting: "2", handle)
    try Self.set(
      "synchronous", configuration.waitsForDisk ? "FULL" : "NORMAL", expecting: configuration.waitsForDisk ? "2" : "1",
      handle)
    switch access {
    case .reader: try Opening.run("PRAGMA query_only=ON", on: handle)
    // Nothing but pages goes to a container; the journal of an image stays in memory.
    case .writer where container != nil: try Self.set("journal_mode", "MEMORY", expecting: "memory", handle)
    case .writer: try Self.set("journal_mode", "WAL", expecting: "wal", handle)
    }
    // A container below an image runs nothing but our own statements.
    let isGuarded: Bool
    if let limits = configuration.clientLimits, container != nil {
      let clientGuard = ClientGuard(limits: limits)
      handle.clientGuard = clientGuard
      isGuarded = unsafe clientGuard.install(on: database)
    } else {
      isGuarded = unsafe Authorizer.install(on: database) == SQLITE_OK
    }
    guard isGuarded else {
      throw EncryptedStorageError(
        .cipherUnavailable, operation: "open", file: handle.path, detail: "SQLite refused the authorizer")
    }
    return session
  }

  /// Sets a pragma, unless it has that value, and reads it back: a setting that did not take is an error, never a silent
  /// default.
  private static func set(
    _ pragma: String, _ setting: String, expecting expected: String, _ handle: DatabaseHandle
  ) throws(EncryptedStorageError) {
    // SQLCipher's default is never the one for temporary data; the others often are as they should be.
    if pragma != "temp_store", try Opening.text("PRAGMA \(pragma)", on: handle) == expected { return }
    try Opening.run("PRAGMA \(pragma)=\(setting)", on: handle)
    guard try Opening.text("PRAGMA \(pragma)", on: handle) == expected else {
      throw EncryptedStorageError(
        pragma == "journal_mode" ? .readOnly : .cipherUnavailable, operation: "open", file: handle.path,
        detail: "PRAGMA \(pragma)=\(setting) did not take effect")
    }
  }

  /// Opens the image of a page store through a container that is open for reading, within the transaction that the
  /// container is in: both are then one snapshot.
  ///
  /// The container is taken over: it is closed with the image, or at once when this fails.
  /// - Throws: `.pageStore`, `.incomplete`, `.unsupportedFormat`, `.damaged`.
  package func openImage(of container: Session) throws(EncryptedStorageError) -> Session {
    try mountImage(container, .reader, Interrupter())
  }

  /// Opens the database inside a page store, on a container that is open; it is closed when this fails.
  func mountImage(
    _ container: Session, _ access: Access, _ interrupter: Interrupter
  ) throws(EncryptedStorageError) -> Session {
    do throws(EncryptedStorageError) {
      guard let mounting = configuration.mounting else {
        throw EncryptedStorageError(
          .pageStore, operation: "open", file: container.path,
          detail: "a page store, where a plain encrypted database is needed",
          hint: "export its database with albergue-crypt export")
      }
      let mountPoint = try mounting.mount(container, access, cacheKibibytes: configuration.containerCacheKibibytes)
      defer { mounting.forget(mountPoint) }
      let handle = try Opening.open(container.path, Opening.Mode(mountPoint: mountPoint))
      do throws(EncryptedStorageError) {
        handle.attach(interrupter)
        // From here on the container does not wait.
        handle.setBusyTimeout(Int32(clamping: configuration.busyMilliseconds))
        try Opening.run("SELECT count(*) FROM sqlite_schema", on: handle)
        return try configure(handle, access, ownsWriterLock: true, container: container)
      } catch {
        handle.close()
        throw error
      }
    } catch {
      container.close()
      throw error
    }
  }
}

extension ConnectionFactory.Configuration {
  /// The time limit as SQLite takes it.
  var busyMilliseconds: Int64 { busyTimeout.milliseconds }
}

extension Duration {
  /// Whole milliseconds, as SQLite takes time limits: from 0 to 2^31 - 1.
  var milliseconds: Int64 {
    // Checked first: the longest durations do not fit into milliseconds.
    guard self < .milliseconds(Int32.max) else { return Int64(Int32.max) }
    return max(0, components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
  }
}
