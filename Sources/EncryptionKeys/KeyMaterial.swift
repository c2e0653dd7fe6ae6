internal import Synchronization

/// A key as its owner gave it: 32 raw bytes, or a passphrase.
///
/// Immutable and shared by reference, so that the secret itself exists once. Printing, dumping and reflecting it
/// shows the identifier only; it is neither `Codable` nor `Hashable`.
public final class KeyMaterial: Sendable {
  /// The key's public name.
  public let id: KeyID

  /// True if a key has to be derived for every file, which costs a PBKDF2.
  public var isPassphrase: Bool {
    switch secret {
    case .rawKey: false
    case .passphrase: true
    }
  }

  /// PBKDF2 or, in tests, something that counts.
  typealias Derive = @Sendable (borrowing SecretBytes, Salt, KeyDerivation) throws(KeyError) -> EncryptionKey

  private let secret: KeySyntax.Parsed
  private let derive: Derive
  private let derivedKeys = Mutex<[DerivationInput: DerivedKey]>([:])

  /// Wraps a raw key.
  public init(id: KeyID, rawKey: consuming EncryptionKey) {
    self.id = id
    self.secret = .rawKey(rawKey)
    self.derive = Self.deriveWithPBKDF2
  }

  /// Wraps a passphrase: any bytes, taken as they are.
  ///
  /// - Throws: ``KeyError`` `.unusable` if it is empty.
  public convenience init(id: KeyID, passphrase: consuming SecretBytes) throws(KeyError) {
    try self.init(id: id, passphrase: passphrase, derive: Self.deriveWithPBKDF2)
  }

  /// Reads a key in one of its written forms.
  ///
  /// - Shape: 64 hex digits; `hex:` and 64 hex digits; base64 of 32 bytes, with or without `base64:`; `passphrase:` and
  ///   at least one byte of UTF-8. No line break at the end.
  /// - Parameter text: read during the call only; the caller wipes it.
  /// - Throws: ``KeyError`` `.unusable` if it is anything else; says what is wrong without showing it.
  public convenience init(id: KeyID, parsing text: UnsafeRawBufferPointer) throws(KeyError) {
    let bytes = unsafe Span(_unsafeElements: text.assumingMemoryBound(to: UInt8.self))
    try self.init(id: id, parsing: bytes, at: "key \(id)")
  }

  /// Reads a key from `place`, which an error names.
  init(id: KeyID, parsing text: Span<UInt8>, at place: String) throws(KeyError) {
    self.id = id
    self.derive = Self.deriveWithPBKDF2
    do {
      self.secret = try KeySyntax.parse(text)
    } catch {
      throw error.located(at: place)
    }
  }

  /// Wraps a passphrase with another derivation.
  init(id: KeyID, passphrase: consuming SecretBytes, derive: @escaping Derive) throws(KeyError) {
    guard passphrase.count > 0 else { throw KeyError(.unusable, "key \(id): the passphrase is empty") }
    self.id = id
    self.secret = .passphrase(passphrase)
    self.derive = derive
  }

  /// The key of the file with this salt.
  ///
  /// Raw key: a copy; salt and derivation do not matter. Passphrase: PBKDF2, paid once per salt and derivation in the
  /// life of this object; a second caller that asks meanwhile waits for the first one's result.
  ///
  /// - Throws: ``KeyError`` `.usage` for iterations out of range, `.io` if libcrypto fails. A failure is not kept.
  /// - Concurrency: blocks the calling thread during a derivation, some 0.1 to 0.4 s.
  public func encryptionKey(salt: Salt, derivation: KeyDerivation) throws(KeyError) -> EncryptionKey {
    switch secret {
    case .rawKey(let key):
      return key.copy()
    case .passphrase(let passphrase):
      let input = DerivationInput(salt: salt, derivation: derivation)
      let derived = derivedKeys.withLock { keys in
        if let known = keys[input] { return known }
        let new = DerivedKey()
        keys[input] = new
        return new
      }
      return try derived.key { () throws(KeyError) in try derive(passphrase, salt, derivation) }
    }
  }

  private static let deriveWithPBKDF2: Derive = { (passphrase, salt, derivation) throws(KeyError) in
    let bytes = try unsafe passphrase.withUnsafeBytes { (password) throws(KeyError) in
      try unsafe PBKDF2.derive(
        password: password, salt: salt.bytes, iterations: derivation.iterations, digest: derivation.digest,
        byteCount: EncryptionKey.byteCount)
    }
    return try EncryptionKey(bytes)
  }
}

extension KeyMaterial: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The identifier and the kind, never the secret.
  public var description: String { "KeyMaterial(\(id), \(isPassphrase ? "passphrase" : "raw key"), redacted)" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// A mirror without children, so that `dump` shows nothing of the secret.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What a derived key depends on, besides the passphrase.
private struct DerivationInput: Hashable {
  let salt: Salt
  let derivation: KeyDerivation
}

/// One derived key, computed by whoever comes first. Its own lock, so that a derivation holds up only those who need
/// the same key, and not the files with other salts.
private final class DerivedKey: Sendable {
  private let state = Mutex<EncryptionKey?>(nil)

  func key(orDerive derive: () throws(KeyError) -> EncryptionKey) throws(KeyError) -> EncryptionKey {
    try state.withLock { (key) throws(KeyError) in
      if let known = key?.copy() { return known }
      let new = try derive()
      let copy = new.copy()
      key = consume new
      return copy
    }
  }
}
