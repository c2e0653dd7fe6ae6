/// A place that holds a secret which is no key of ours: an access token, the key of a remote. The rules for files,
/// programs and the environment are those for keys.
package enum SecretSource: Sendable, Hashable {
  /// An environment variable; it is wiped and removed when it is read, so it can be read once per process.
  case environment(String)
  /// A file that nobody else can read, with one line break at most after the secret.
  case file(String)
  /// A command line, without a shell; what it prints is the secret.
  case command(String)

  /// Variables that name where the secret `name` is: `NAME`, `NAME_FILE`, `NAME_COMMAND`. An empty one is not set.
  ///
  /// - Returns: nil if none is set.
  /// - Throws: ``KeyError`` `.unusable` if more than one is set: two that disagree would be a riddle.
  package static func inEnvironment(_ name: String) throws(KeyError) -> SecretSource? {
    var found: [(name: String, source: SecretSource)] = []
    if EnvironmentVariable(name: name).isSet { found.append((name, .environment(name))) }
    if let path = EnvironmentVariable(name: "\(name)_FILE").value { found.append(("\(name)_FILE", .file(path))) }
    if let line = EnvironmentVariable(name: "\(name)_COMMAND").value {
      found.append(("\(name)_COMMAND", .command(line)))
    }
    guard found.count <= 1 else {
      throw KeyError(
        .unusable, "more than one of \(found.map(\.name).joined(separator: ", ")) is set",
        hint: "keep one and unset the others")
    }
    return found.first?.source
  }

  /// Reads the secret.
  ///
  /// - Parameter kind: what it is, for messages: `token`.
  /// - Throws: ``KeyError`` as for keys; it names the place, never the value.
  /// - Concurrency: reads a file or runs a command, and blocks meanwhile.
  package func read(kind: String, options: KeyLoadingOptions = KeyLoadingOptions()) throws(KeyError) -> SecretBytes {
    switch self {
    case .environment(let name):
      guard let value = EnvironmentVariable(name: name).take() else {
        throw KeyError(
          .missing, "environment variable \(name) is not set or empty",
          hint: "a variable with a secret can be read once per process")
      }
      return value
    case .file(let path):
      return try SecretFile(kind: "\(kind) file", path: path).contents(options: options).removingTrailingLineBreak()
    case .command(let line):
      let place = "\(kind) command"
      let command: KeyCommand
      do {
        command = try KeyCommand(parsing: line)
      } catch {
        throw error.located(at: place)
      }
      return try command.output(at: place, withholding: [], options: options)
    }
  }
}

extension SecretSource: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Without the command line, which may hold a secret.
  package var description: String {
    switch self {
    case .environment(let name): "environment variable \(name)"
    case .file(let path): "file \(path)"
    case .command: "command"
    }
  }

  /// As ``description``.
  package var debugDescription: String { description }
  /// Without children, because a command line may hold a secret.
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}
