internal import CSQLCipher

/// What SQL may not do on a connection of the factory: touch keys, open other files, spill to disk, checkpoint.
///
/// Unsafe code: reads the C strings SQLite passes to the callback, during the callback.
enum Authorizer {
  static func install(on database: OpaquePointer) -> Int32 {
    unsafe sqlite3_set_authorizer(
      database,
      { _, action, first, second, _, _ in
        unsafe Authorizer.allows(
          action, first.map { unsafe String(cString: $0) }, second.map { unsafe String(cString: $0) })
          ? SQLITE_OK : SQLITE_DENY
      }, nil)
  }

  /// Arguments as SQLite gives them. Source: https://www.sqlite.org/c3ref/c_alter_table.html
  static func allows(_ action: Int32, _ first: String?, _ second: String?) -> Bool {
    switch action {
    case SQLITE_PRAGMA: allowsPragma((first ?? "").lowercased(), hasArgument: second != nil)
    // VACUUM attaches an unnamed temporary database, in memory under temp_store=MEMORY; every other ATTACH would open a
    // file outside the factory, under the main key. A name that is an expression arrives as nil.
    case SQLITE_ATTACH: first?.isEmpty ?? false
    case SQLITE_FUNCTION: (second ?? "").lowercased() != "sqlcipher_export"
    default: true
    }
  }

  private static let readablePragmas: Set<String> = ["cipher_version", "cipher_provider", "cipher_provider_version"]
  private static let keyPragmas: Set<String> = [
    "key", "rekey", "hexkey", "hexrekey", "textkey", "textrekey", "kdf_iter", "fast_kdf_iter",
  ]
  /// May be read, not set: the factory has set them, and another value would put plaintext on disk or race a commit. The page
  /// size is that of the file; SQLCipher takes another one for true at once, and writes pages that nobody can read.
  private static let fixedPragmas: Set<String> = [
    "temp_store", "temp_store_directory", "data_store_directory", "journal_mode", "wal_autocheckpoint", "locking_mode",
    "query_only", "trusted_schema", "writable_schema", "mmap_size", "secure_delete", "synchronous",
    "page_size",
  ]

  private static func allowsPragma(_ name: String, hasArgument: Bool) -> Bool {
    if readablePragmas.contains(name) { return !hasArgument }
    if keyPragmas.contains(name) || name.hasPrefix("cipher") || name.hasPrefix("sqlcipher") { return false }
    if name == "wal_checkpoint" { return false }
    return !(fixedPragmas.contains(name) && hasArgument)
  }
}
