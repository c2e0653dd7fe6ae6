internal import EncryptionKeys

extension ConnectionFactory {
  /// Makes an encrypted database: complete under its name, or not there.
  ///
  /// - Parameter script: run on the empty database before it gets its name.
  package func createDatabase(_ path: String, script: String = "") throws(EncryptedStorageError) {
    let file = try NewDatabaseFile(path)
    defer { file.discard() }
    guard let material = candidates.first else {
      throw EncryptedStorageError(.noKey, operation: "create", file: path, detail: "no key was given")
    }
    do throws(EncryptedStorageError) {
      // The file gets its mode before SQLite writes to it.
      let output = try OutputFile(creating: file.temporaryPath)
      let handle = try Opening.open(file.temporaryPath, Opening.Mode(fileSystem: configuration.fileSystem))
      defer { handle.close() }
      let keys: PageKeys
      do {
        keys = try PageKeys(format: creationProfile.format, salt: Salt.random(), material: material)
      } catch { throw EncryptedStorageError(error, operation: "create", file: path) }
      try Opening.applyKey(keys, to: handle)
      // A statement that writes page 1 without leaving anything in the schema.
      for sql in ["PRAGMA journal_mode=DELETE", "PRAGMA user_version=1", "PRAGMA user_version=0"] {
        try Opening.run(sql, on: handle)
      }
      try Opening.run("PRAGMA temp_store=MEMORY; \(script)", on: handle)
      handle.close()
      try output.synchronize()
      try file.publish()
    } catch {
      throw error.naming(file: path)
    }
  }
}
