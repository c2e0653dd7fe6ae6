/// Several keys in one file: one to write with, others to read what was written before.
///
/// - Shape: one key per line, `id created state profile source`, fields separated by spaces or tabs; the source is the
///   rest of the line. Lines that begin with `#` are comments. See `keys.example`.
public final class Keyring: Sendable {
  /// Path as it was given.
  public let path: String
  /// All keys, in the order of the file.
  public let entries: [Entry]
  /// The entry to write with.
  public var active: Entry { entries[activeIndex] }

  private let activeIndex: Int

  /// Reads a keyring. Keys in the file itself are checked; other sources are read when they are needed.
  ///
  /// - Throws: ``KeyError`` `.missing`, `.permission`, `.io` for the file; `.unusable` for what is in it, with line
  ///   and field, never the value.
  public static func load(path: String, options: KeyLoadingOptions = KeyLoadingOptions()) throws(KeyError) -> Keyring {
    let contents = try SecretFile(kind: "keyring", path: path).contents(options: options)
    return try Keyring(path: path, contents: contents, options: options)
  }

  /// Reads the text of a keyring; `path` resolves relative paths and names the place of an error.
  init(path: String, contents: borrowing SecretBytes, options: KeyLoadingOptions) throws(KeyError) {
    let lines = try contents.withSpan { (text) throws(KeyError) in
      try KeyringLine.parseAll(text, at: "keyring \(path)")
    }
    let folder = Self.folder(of: path)
    let withheld = lines.compactMap { line in
      if case .environment(let name) = line.source { name } else { nil }
    }
    self.path = path
    activeIndex = try KeyringLine.validateTogether(lines, at: "keyring \(path)")
    entries = lines.map { line in
      let context = KeyLoader.Context(
        place: "keyring \(path), line \(line.number)", withheld: Set(withheld), options: options)
      return Entry(line: line, source: line.source.resolved(in: folder), context: context)
    }
  }

  /// The entry with this identifier.
  ///
  /// - Throws: ``KeyError`` `.usage` if `id` is no identifier, `.missing` if the keyring does not have it.
  public func entry(id: String) throws(KeyError) -> Entry {
    let id = try KeyID(id)
    guard let entry = entries.first(where: { $0.id == id }) else {
      throw KeyError(
        .missing, "keyring \(path): no key with id \(id)",
        hint: "known: \(entries.map(\.id.name).joined(separator: ", "))")
    }
    return entry
  }

  /// Folder of a path, with the slash; empty for the working directory.
  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }
}

extension Keyring {
  /// One key of a keyring.
  public struct Entry: Sendable {
    /// Public name, unique in the keyring.
    public let id: KeyID
    /// Day the key was made, YYYY-MM-DD.
    public let created: String
    /// What the key is for.
    public let state: KeyState
    /// Profile of files that are written with this key.
    public let profile: CipherProfile
    /// Where the key comes from.
    public let source: KeySource

    let loader: KeyLoader

    init(line: KeyringLine, source: KeySource, context: KeyLoader.Context) {
      id = line.id
      created = line.created
      state = line.state
      profile = line.profile
      self.source = source
      loader =
        if let rawKey = line.rawKey {
          KeyLoader(loaded: rawKey, context: context)
        } else {
          KeyLoader(id: line.id, source: source, context: context)
        }
    }

    /// The key itself: read on the first call, the same object afterwards.
    ///
    /// - Throws: ``KeyError`` if the source cannot be read or holds no key; a failure is not kept.
    /// - Concurrency: may read a file or run a command, and blocks meanwhile.
    public func material() throws(KeyError) -> KeyMaterial {
      try loader.material()
    }
  }
}

extension KeySource {
  /// With a relative file path made relative to the keyring instead of the working directory.
  fileprivate func resolved(in folder: String) -> KeySource {
    if case .file(let path) = self, !path.hasPrefix("/") { .file(folder + path) } else { self }
  }
}

extension Keyring: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Path and identifiers, no secrets.
  public var description: String { "Keyring(\(path): \(entries.map(\.id.name).joined(separator: ", ")))" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// A mirror without children.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Keyring.Entry: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The fields of the line, without the secret part of the source.
  public var description: String { "\(id) \(created) \(state.rawValue) \(profile) \(source)" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// A mirror without children.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
