internal import Logging
internal import Synchronization

/// Loads the key of one keyring entry, once, when it is first asked for.
final class KeyLoader: Sendable {
  /// What a load needs to know about the keyring.
  struct Context: Sendable {
    /// `keyring PATH, line N`, for messages.
    let place: String
    /// Variables that hold keys of the same keyring: no command gets them.
    let withheld: Set<String>
    let options: KeyLoadingOptions
  }

  private struct State: Sendable {
    var material: KeyMaterial?
    var hasWarned = false
  }

  private let id: KeyID
  private let source: KeySource
  private let context: Context
  private let state: Mutex<State>

  /// A loader that reads `source` later.
  init(id: KeyID, source: KeySource, context: Context) {
    self.id = id
    self.source = source
    self.context = context
    state = Mutex(State())
  }

  /// A loader of a key that is known already.
  init(loaded material: KeyMaterial, context: Context) {
    id = material.id
    source = .raw
    self.context = context
    state = Mutex(State(material: material))
  }

  /// The key. Two callers at once run a command or read a variable only once; a failure is not kept.
  func material() throws(KeyError) -> KeyMaterial {
    try state.withLock { (state) throws(KeyError) in
      if let known = state.material { return known }
      let loaded = try load()
      state.material = loaded
      return loaded
    }
  }

  /// Reports once that the key is not available and its files cannot be read.
  func warnOnce(_ error: KeyError) {
    let isFirst = state.withLock { state in
      defer { state.hasWarned = true }
      return !state.hasWarned
    }
    if isFirst { context.options.logger?.warning("skipping retired key \(id): \(error)") }
  }

  private func load() throws(KeyError) -> KeyMaterial {
    do throws(KeyError) {
      switch source {
      case .raw: throw KeyError(.unusable, "the raw key has not been read")
      case .environment(let name): return try SingleKeySource.environment(name).material(id: id)
      case .file(let path): return try SingleKeySource.file(path).material(id: id, options: context.options)
      case .credential(let name):
        return try SingleKeySource.credential(name).material(id: id, options: context.options)
      case .command(let arguments):
        return try SingleKeySource.command(KeyCommand(arguments: arguments))
          .material(id: id, withholding: context.withheld, options: context.options)
      }
    } catch {
      throw error.located(at: context.place)
    }
  }
}
