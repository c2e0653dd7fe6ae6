public import ArgumentParser
public import EncryptionKeys
public import Logging

/// The options that say which key, the same for every command. Flags win over the environment.
public struct KeyOptions: ParsableArguments, Sendable {
  /// `--key-file`
  @Option(help: "File that holds the key. Wins over the environment.")
  public var keyFile: String?

  /// `--keyring`
  @Option(help: "Keyring file (see keys.example). Wins over TURSO_ENCRYPTION_KEYRING.")
  public var keyring: String?

  /// `--key-id`
  @Option(help: "Id of the keyring's key to use first.")
  public var keyID: String?

  /// `--allow-insecure-permissions`
  @Flag(help: "Accept key files that group or others can read.")
  public var allowInsecurePermissions = false

  /// Made by the argument parser.
  public init() {}

  /// The keys these options and the environment name.
  ///
  /// - Throws: ``KeyError``.
  public func load(_ logger: Logger) throws -> KeySet {
    try KeySources.load(
      KeySelection(keyFile: keyFile, keyID: keyID, keyringFile: keyring), options: loadingOptions(logger))
  }

  /// The same for commands that can do without; nil when no source is named at all.
  public func loadIfAny(_ logger: Logger) throws -> KeySet? {
    do { return try load(logger) } catch let error as KeyError where error.code == .noKey { return nil }
  }

  /// How key files are read.
  public func loadingOptions(_ logger: Logger) -> KeyLoadingOptions {
    KeyLoadingOptions(allowInsecurePermissions: allowInsecurePermissions, logger: logger)
  }
}

/// `--cipher`, else `TURSO_ENCRYPTION_CIPHER`.
public struct CipherOptions: ParsableArguments, Sendable {
  /// `--cipher`
  @Option(help: "Cipher profile: sqlcipher4 or sqlcipher4-sha256. Wins over TURSO_ENCRYPTION_CIPHER.")
  public var cipher: String?

  /// Made by the argument parser.
  public init() {}

  /// The profile that was asked for; nil when none was.
  ///
  /// - Throws: ``KeyError`` for a name that is none; an unknown security setting is never ignored.
  public func profile() throws -> CipherProfile? {
    guard let name = cipher ?? Environment.value("TURSO_ENCRYPTION_CIPHER") else { return nil }
    return try CipherProfile(parsing: name)
  }

  /// The flag alone, for commands where the environment describes the file as it is.
  public func flag() throws -> CipherProfile? { try cipher.map { name in try CipherProfile(parsing: name) } }
}
