internal import Glibc

/// A place that holds one key: what the single sources of the environment and the entries of a keyring share.
enum SingleKeySource: Sendable {
  case environment(String)
  case file(String)
  case credential(String)
  case command(KeyCommand)

  /// Reads the key.
  ///
  /// - Throws: ``KeyError`` as the source has it; names the place, never the value.
  func material(
    id: KeyID, withholding withheld: Set<String> = [], options: KeyLoadingOptions = KeyLoadingOptions()
  ) throws(KeyError) -> KeyMaterial {
    let text = try text(withholding: withheld, options: options)
    return try text.withSpan { (bytes) throws(KeyError) in try KeyMaterial(id: id, parsing: bytes, at: place) }
  }

  private var place: String {
    switch self {
    case .environment(let name): "environment variable \(name)"
    case .file(let path): "key file \(path)"
    case .credential(let name): "credential \(name)"
    case .command: "key command"
    }
  }

  private func text(
    withholding withheld: Set<String>, options: KeyLoadingOptions
  ) throws(KeyError) -> SecretBytes {
    switch self {
    case .environment(let name):
      guard let value = EnvironmentVariable(name: name).take() else {
        throw KeyError(
          .missing, "environment variable \(name) is not set or empty",
          hint: "a variable with a key can be read once per process")
      }
      return value
    case .file(let path):
      return try SecretFile(kind: "key file", path: path).contents(options: options).removingTrailingLineBreak()
    case .credential(let name):
      guard let path = CredentialsDirectory.path(of: name) else {
        throw KeyError(.missing, "credential \(name): $\(CredentialsDirectory.variableName) is not set")
      }
      return try SecretFile(kind: "credential", path: path).contents(options: options).removingTrailingLineBreak()
    case .command(let command):
      return try command.output(at: place, withholding: withheld, options: options)
    }
  }
}
