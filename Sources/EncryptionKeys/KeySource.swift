/// Where the key of a keyring entry comes from.
///
/// Descriptions never show the value of a raw key, nor the arguments of a command, which may hold a token.
public enum KeySource: Sendable, Hashable {
  /// The key stands in the keyring itself.
  case raw
  /// An environment variable, by name; it is removed from the environment when it is read.
  case environment(String)
  /// A file that holds nothing but the key. The path is absolute or relative to the working directory.
  case file(String)
  /// A systemd credential: a file name in `$CREDENTIALS_DIRECTORY`.
  case credential(String)
  /// A program and its arguments; what it prints is the key.
  case command([String])
}

extension KeySource: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// As in a keyring, without the secret part.
  public var description: String {
    switch self {
    case .raw: "raw"
    case .environment(let name): "env:\(name)"
    case .file(let path): "file:\(path)"
    case .credential(let name): "cred:\(name)"
    case .command(let arguments): "command:\(arguments.first ?? "")"
    }
  }

  /// As ``description``.
  public var debugDescription: String { description }
  /// A mirror without children, because the arguments of a command may hold a secret.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What a key in a keyring is for.
public enum KeyState: String, Sendable, Hashable, CaseIterable {
  /// Writes and reads; a keyring has exactly one.
  case active
  /// Reads files that have not been moved to the active key yet.
  case retiring
  /// Reads old copies and backups, if it can still be loaded.
  case retired
}
