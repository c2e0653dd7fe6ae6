package import EncryptionKeys

/// Where the key of the personal columns comes from. It is another one than the file's: who may copy the replica's key is not
/// therefore one who may read names.
package enum FieldKeys {
  private static let variable = "PILGRIM_ENCRYPTION_KEY"
  private static let keyringVariable = "PILGRIM_ENCRYPTION_KEYRING"

  /// Loads the key that one of these names, and fails without one: `PILGRIM_ENCRYPTION_KEY`, `_FILE`, `_COMMAND` (32 bytes in
  /// base64 or 64 hexadecimal digits), or `PILGRIM_ENCRYPTION_KEYRING`, whose active key encrypts, and whose others decrypt.
  ///
  /// A variable with the key itself is wiped when it is read.
  ///
  /// - Parameter value: gives a variable that holds no secret; an empty one counts as unset.
  /// - Throws: `KeyError`: `.noKey`; `.unusable` for two sources, and for a passphrase.
  package static func load(
    environment value: (String) -> String?, options: KeyLoadingOptions = KeyLoadingOptions()
  ) throws(KeyError) -> [FieldKey] {
    let single = try SecretSource.inEnvironment(variable)
    let keyring = value(keyringVariable).flatMap { $0.isEmpty ? nil : $0 }
    switch (single, keyring) {
    case (let source?, nil):
      let text = try source.read(kind: "key of personal columns", options: options)
      let id = try KeyID("personal-columns")
      let material = try unsafe text.withUnsafeBytes { (bytes) throws(KeyError) in
        try unsafe KeyMaterial(id: id, parsing: bytes)
      }
      return [try key(material)]
    case (nil, let path?):
      let keys = try KeySources.load(KeySelection(keyringFile: path), options: options)
      var found: [FieldKey] = []
      for material in try keys.candidates() { found.append(try key(material)) }
      return found
    case (nil, nil):
      throw KeyError(
        .noKey, "no key for the personal columns",
        hint: "set \(variable)_FILE, or one of \(variable), \(variable)_COMMAND, \(keyringVariable)")
    case (_?, _?):
      throw KeyError(
        .unusable, "both \(keyringVariable) and a single key for the personal columns are set",
        hint: "keep one and unset the others")
    }
  }

  private static func key(_ material: KeyMaterial) throws(KeyError) -> FieldKey {
    guard !material.isPassphrase else {
      throw KeyError(
        .unusable, "the key \(material.id) of the personal columns is a passphrase",
        hint: "use 32 random bytes: albergue-crypt keygen")
    }
    // Neither matters to a raw key.
    return FieldKey(try material.encryptionKey(salt: .random(), derivation: .sqlcipher4))
  }
}
