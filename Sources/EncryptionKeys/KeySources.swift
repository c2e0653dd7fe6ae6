internal import Glibc

/// Finds the key of this process: what the command line says, else the one source the environment sets.
public enum KeySources {
  /// Loads the keys that `selection` names, or else those of the environment.
  ///
  /// A flag wins over the environment. In the environment exactly one source may be set, because two that disagree
  /// would encrypt data under a key nobody expects: `TURSO_ENCRYPTION_KEYRING`, `TURSO_ENCRYPTION_KEY_FILE`,
  /// `TURSO_ENCRYPTION_KEY_COMMAND`, the systemd credential `turso_encryption_key`, `TURSO_ENCRYPTION_KEY`. An empty
  /// variable counts as not set.
  ///
  /// `TURSO_ENCRYPTION_KEY` is wiped and removed from the environment when it is used, so it can be loaded once per
  /// process: call this at the start, before other threads touch the environment, and keep the result.
  ///
  /// - Throws: ``KeyError`` `.usage` for flags that contradict each other; `.noKey` if no source is set; `.unusable`
  ///   for two sources, or one that fails; `.missing`, `.permission`, `.io` for files.
  /// - Concurrency: reads files and may run a command, and blocks meanwhile.
  public static func load(
    _ selection: KeySelection = KeySelection(), options: KeyLoadingOptions = KeyLoadingOptions()
  ) throws(KeyError) -> KeySet {
    if let logger = options.logger { MemoryLock.onRefusal(warn: logger) }
    let source = if let flag = try source(flags: selection) { flag } else { try environmentSource() }
    if case .keyring(let path) = source {
      let keyring = try Keyring.load(path: path, options: options)
      let primary = if let id = selection.keyID { try keyring.entry(id: id) } else { keyring.active }
      return try KeySet(keyring: keyring, primary: primary)
    }
    guard selection.keyID == nil else {
      throw KeyError(.usage, "a key id needs a keyring", hint: "name a keyring file or set \(keyringVariable)")
    }
    return KeySet(primary: try material(of: source, options: options))
  }

  /// Reads a file that holds one key, and one line break at most after it.
  ///
  /// - Returns: a key with the identifier `file:NAME`, or `key-file` when the name cannot be part of one.
  /// - Throws: ``KeyError`` `.missing`, `.permission` (denied, or open to group or others), `.unusable` (not a regular
  ///   file, larger than 64 KiB, or not a key), `.io`.
  public static func loadKeyFile(
    path: String, options: KeyLoadingOptions = KeyLoadingOptions()
  ) throws(KeyError) -> KeyMaterial {
    try SingleKeySource.file(path).material(id: keyFileID(path), options: options)
  }

  private enum Source {
    case keyring(String)
    case keyFileFlag(String)
    case keyFileVariable(String)
    case keyCommand(String)
    case credential
    case keyVariable
  }

  private static let keyringVariable = "TURSO_ENCRYPTION_KEYRING"
  private static let keyFileVariable = "TURSO_ENCRYPTION_KEY_FILE"
  private static let keyCommandVariable = "TURSO_ENCRYPTION_KEY_COMMAND"
  private static let keyVariable = "TURSO_ENCRYPTION_KEY"
  private static let credentialName = "turso_encryption_key"

  private static func source(flags: KeySelection) throws(KeyError) -> Source? {
    guard flags.keyFile != "", flags.keyringFile != "", flags.keyID != "" else {
      throw KeyError(.usage, "a flag for a key has an empty value")
    }
    switch (flags.keyFile, flags.keyringFile) {
    case (_?, _?): throw KeyError(.usage, "a key file and a keyring are both named", hint: "name one of them")
    case (let path?, nil): return .keyFileFlag(path)
    case (nil, let path?): return .keyring(path)
    case (nil, nil): return nil
    }
  }

  /// Tells two key files apart in messages; a name that looks like a key is not repeated.
  private static func keyFileID(_ path: String) -> KeyID {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    do { return try KeyID("file:\(name)") } catch { return KeyID(checked: "key-file") }
  }

  /// The one source that the environment sets.
  private static func environmentSource() throws(KeyError) -> Source {
    var found: [(name: String, source: Source)] = []
    if let path = EnvironmentVariable(name: keyringVariable).value { found.append((keyringVariable, .keyring(path))) }
    if let path = EnvironmentVariable(name: keyFileVariable).value {
      found.append((keyFileVariable, .keyFileVariable(path)))
    }
    if let line = EnvironmentVariable(name: keyCommandVariable).value {
      found.append((keyCommandVariable, .keyCommand(line)))
    }
    if try credentialExists() { found.append(("credential \(credentialName)", .credential)) }
    if EnvironmentVariable(name: keyVariable).isSet { found.append((keyVariable, .keyVariable)) }
    guard let first = found.first else {
      throw KeyError(
        .noKey, "no encryption key",
        hint: "name a key file or a keyring, or set one of \(keyringVariable), \(keyFileVariable), "
          + "\(keyCommandVariable), \(keyVariable), or the systemd credential \(credentialName)")
    }
    guard found.count == 1 else {
      throw KeyError(
        .unusable, "more than one encryption key is set: \(found.map(\.name).joined(separator: ", "))",
        hint: "keep one and unset the others")
    }
    return first.source
  }

  /// Credentials are mounted for a service as a whole, so the file decides, not the variable.
  private static func credentialExists() throws(KeyError) -> Bool {
    guard let path = CredentialsDirectory.path(of: credentialName) else { return false }
    do {
      _ = try retrying { unsafe access(path, F_OK) }
      return true
    } catch {
      if error.number == ENOENT || error.number == ENOTDIR { return false }
      throw error.keyError("look for", "credential \(path)")
    }
  }

  /// Identifiers are those a user knows: the name of the variable or credential.
  private static func material(of source: Source, options: KeyLoadingOptions) throws(KeyError) -> KeyMaterial {
    switch source {
    case .keyring(let path):
      return try Keyring.load(path: path, options: options).active.material()
    case .keyFileFlag(let path):
      return try loadKeyFile(path: path, options: options)
    case .keyFileVariable(let path):
      return try SingleKeySource.file(path).material(id: KeyID(checked: "TURSO_ENCRYPTION_KEY_FILE"), options: options)
    case .keyCommand(let line):
      let command: KeyCommand
      do {
        command = try KeyCommand(parsing: line)
      } catch {
        throw error.located(at: keyCommandVariable)
      }
      return try SingleKeySource.command(command)
        .material(id: KeyID(checked: "TURSO_ENCRYPTION_KEY_COMMAND"), options: options)
    case .credential:
      return try SingleKeySource.credential(credentialName)
        .material(id: KeyID(checked: "turso_encryption_key"), options: options)
    case .keyVariable:
      return try SingleKeySource.environment(keyVariable).material(id: KeyID(checked: "TURSO_ENCRYPTION_KEY"))
    }
  }
}
