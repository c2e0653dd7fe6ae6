/// All keys a command may try, with the one to write with first.
public struct KeySet: Sendable {
  /// The key to write with.
  public let primary: KeyMaterial
  /// Profile that the keyring gives the primary key; nil without a keyring.
  public let primaryProfile: CipherProfile?
  /// The keyring the keys come from, if they do.
  public let keyring: Keyring?

  /// A single key.
  init(primary: KeyMaterial) {
    self.primary = primary
    primaryProfile = nil
    keyring = nil
  }

  /// The keys of a keyring, of which `primary` is to write with; loads that one.
  init(keyring: Keyring, primary: Keyring.Entry) throws(KeyError) {
    self.primary = try primary.material()
    primaryProfile = primary.profile
    self.keyring = keyring
  }

  /// The primary key, then every other key of the keyring in the order of the file.
  ///
  /// A retired key that cannot be loaded is skipped, with one warning per keyring: its owner may have taken it away. An
  /// active or retiring key that cannot be loaded is an error: without it a file would look damaged or foreign.
  ///
  /// - Throws: ``KeyError`` of the key that cannot be loaded.
  /// - Concurrency: may read files and run commands on the first call, and blocks meanwhile.
  public func candidates() throws(KeyError) -> [KeyMaterial] {
    var materials = [primary]
    for entry in keyring?.entries ?? [] where entry.id != primary.id {
      do {
        materials.append(try entry.material())
      } catch {
        guard entry.state == .retired else { throw error }
        entry.loader.warnOnce(error)
      }
    }
    return materials
  }
}

extension KeySet: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Identifiers, no secrets.
  public var description: String { "KeySet(primary: \(primary.id), keyring: \(keyring?.path ?? "none"))" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// A mirror without children.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
