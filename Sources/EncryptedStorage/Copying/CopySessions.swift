internal import CSQLCipher
internal import EncryptionKeys

/// Opens the two ends of a copy: sessions without the limits of ordinary connections, never handed out.
enum CopySessions {
  /// A source for reading, in a transaction, so that what is verified and what is copied is one snapshot.
  ///
  /// - Parameters:
  ///   - keys: nil for a plaintext file.
  ///   - isImmutable: for a file that nobody else knows, so that SQLite puts nothing beside it.
  static func openSource(
    _ path: String, keys: PageKeys?, isImmutable: Bool = false
  ) throws(EncryptedStorageError) -> Session {
    let handle = try Opening.open(
      path, Opening.Mode(isImmutable: isImmutable || Opening.isUnwritable(path)))
    do throws(EncryptedStorageError) {
      if let keys { try Opening.applyKey(keys, to: handle) }
      let database = try unsafe handle.opened("open")
      guard unsafe CSQLCipher_db_config_trusted_schema(database, 0) == SQLITE_OK else {
        throw EncryptedStorageError(.cipherUnavailable, operation: "open", file: path, detail: "a setting was refused")
      }
      let session = Session(handle: handle)
      try session.executeScript(
        """
        PRAGMA busy_timeout=5000; PRAGMA temp_store=MEMORY; PRAGMA query_only=ON; PRAGMA cell_size_check=ON;
        PRAGMA ignore_check_constraints=ON; BEGIN; SELECT count(*) FROM sqlite_schema
        """)
      guard try !OpenedFile(handle).hasMoved() else {
        throw EncryptedStorageError(
          .busy, operation: "open", file: path, detail: "the file has just been replaced", hint: "try again")
      }
      return session
    } catch {
      handle.close()
      throw error
    }
  }

  /// A target for writing: an existing, empty file that nobody else knows yet, so it needs no journal.
  ///
  /// - Parameters:
  ///   - keys: nil for a plaintext file.
  ///   - pageSize: of a plaintext file; an encrypted one has its format's.
  static func openTarget(_ path: String, keys: PageKeys?, pageSize: Int) throws(EncryptedStorageError) -> Session {
    let handle = try Opening.open(path, Opening.Mode())
    do throws(EncryptedStorageError) {
      if let keys { try Opening.applyKey(keys, to: handle) }
      let session = Session(handle: handle)
      try session.executeScript(
        """
        \(keys == nil ? "PRAGMA page_size=\(pageSize);" : "")
        PRAGMA temp_store=MEMORY; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF;
        PRAGMA ignore_check_constraints=ON; PRAGMA cache_size=-16000; PRAGMA locking_mode=EXCLUSIVE
        """)
      return session
    } catch {
      handle.close()
      throw error
    }
  }
}
