package import EncryptionKeys

/// The key and format under which pages of a file are authentic.
package struct KeyMatch: Sendable {
  package let material: KeyMaterial
  package let keys: PageKeys
  /// False when other pages fit but page 1 does not: then page 1 is damaged, or its log or journal has it, and the key is
  /// not wrong.
  package let firstPageIsAuthentic: Bool

  package var format: CipherFormat { keys.format }

  /// The profile this format belongs to, whatever its page size; nil for legacy formats.
  package var profile: CipherProfile? { CipherProfile.allCases.first { $0.format.mac == format.mac } }

  /// The profile, or the MAC of a format that is none.
  package var profileName: String { profile?.rawValue ?? "hmac-\(format.mac.rawValue)" }
}

/// Finds the key of a file by trying the MAC of a few pages: two PBKDF2 iterations and one HMAC per trial.
package enum KeyTrial {
  /// Which formats are tried.
  package enum Scope: Sendable {
    /// SQLCipher 4 with HMAC-SHA512 or HMAC-SHA256, every page size.
    case current
    /// Also what SQLCipher 3 wrote, and other digests: for `status` and `import`.
    case includingLegacy
  }

  /// Page sizes by how often they are met. 512 cannot hold a reserve (sqlcipher-format.md, section 1).
  private static let pageSizes = [4096, 1024, 8192, 16384, 32768, 65536, 2048]
  /// Pages looked at after page 1, to tell a damaged page 1 from a wrong key.
  private static let sampledPages: ClosedRange<UInt32> = 2...9

  /// The first candidate that fits, in the order given; page 1 of all candidates before other pages of any.
  ///
  /// - Returns: nil when no candidate fits any page looked at.
  /// - Throws: `.inputOutput`; `.keyUnusable` when a key cannot be derived.
  package static func match(
    _ file: some StoredBytes, candidates: [KeyMaterial], scope: Scope = .current
  ) throws(EncryptedStorageError) -> KeyMatch? {
    // Nearly every file has pages of 4096 bytes; more is read only when these do not fit.
    var head = try file.bytes(at: 0, count: 4096)
    guard let salt = Salt(head.prefix(Salt.byteCount)) else { return nil }
    for material in candidates {
      for format in formats(scope) {
        if format.pageSize > head.count { head = try file.bytes(at: 0, count: 65536) }
        guard head.count >= format.pageSize else { continue }
        let keys = try pageKeys(format, salt, material)
        if try isAuthentic(head, page: 1, keys) {
          return KeyMatch(material: material, keys: keys, firstPageIsAuthentic: true)
        }
      }
    }
    for material in candidates {
      for format in formats(scope) {
        let keys = try pageKeys(format, salt, material)
        let geometry = PageGeometry(pageSize: format.pageSize)
        for page in sampledPages {
          let stored = try file.bytes(at: geometry.offset(of: page), count: format.pageSize)
          guard stored.count == format.pageSize else { break }
          if try isAuthentic(stored, page: page, keys) {
            return KeyMatch(material: material, keys: keys, firstPageIsAuthentic: false)
          }
        }
      }
    }
    return nil
  }

  /// The same for a database with a log or journal beside it, whose pages are tried when none of the file's own fits.
  ///
  /// - Parameter path: the absolute path of `file`.
  package static func match(
    _ file: some StoredBytes, at path: String, candidates: [KeyMaterial], scope: Scope = .current
  ) throws(EncryptedStorageError) -> KeyMatch? {
    if let match = try match(file, candidates: candidates, scope: scope) { return match }
    guard let salt = Salt(try file.bytes(at: 0, count: Salt.byteCount)), !candidates.isEmpty else { return nil }
    let waiting = try WaitingPages(beside: path).pages
    for material in candidates {
      for format in formats(scope) {
        let fitting = waiting.filter { $0.content.count == format.pageSize }
        guard !fitting.isEmpty else { continue }
        let keys = try pageKeys(format, salt, material)
        for page in fitting where try isAuthentic(page.content, page: page.number, keys) {
          return KeyMatch(material: material, keys: keys, firstPageIsAuthentic: false)
        }
      }
    }
    return nil
  }

  /// Whether a match found earlier fits this file, too: one read and one HMAC.
  package static func confirm(_ match: KeyMatch, _ file: some StoredBytes) throws(EncryptedStorageError) -> Bool {
    let size = match.format.pageSize
    let buffer = PageBuffer(byteCount: size)
    let isWhole = try buffer.withMutableSpan(0..<size) { (span) throws(EncryptedStorageError) in
      try file.read(into: &span, at: 0)
    }
    let salt = match.keys.salt.bytes
    guard isWhole, buffer.withSpan(0..<size, { page in salt.indices.allSatisfy { page.byte(at: $0) == salt[$0] } })
    else {
      return false
    }
    let codec = try PageCodec(match.keys)
    return buffer.withSpan(0..<size) { codec.isAuthentic($0, number: 1) }
  }

  /// `bytes` begins with the page.
  private static func isAuthentic(
    _ bytes: [UInt8], page: UInt32, _ keys: PageKeys
  ) throws(EncryptedStorageError) -> Bool {
    let codec = try PageCodec(keys)
    let span = unsafe bytes.span.bytes.extracting(0..<keys.format.pageSize)
    return codec.isAuthentic(span, number: page)
  }

  private static func pageKeys(
    _ format: CipherFormat, _ salt: Salt, _ material: KeyMaterial
  ) throws(EncryptedStorageError) -> PageKeys {
    do { return try PageKeys(format: format, salt: salt, material: material) } catch {
      throw EncryptedStorageError(error, operation: "derive key", file: nil)
    }
  }

  /// Cheapest guess first: our own profiles, then other page sizes, then what older SQLCipher wrote.
  static func formats(_ scope: Scope) -> [CipherFormat] {
    var formats: [CipherFormat] = []
    for pageSize in pageSizes {
      for mac in [DigestAlgorithm.sha512, .sha256] {
        formats.append(CipherFormat(pageSize: pageSize, mac: mac, derivation: .sqlcipher4))
      }
    }
    guard scope == .includingLegacy else { return formats }
    for pageSize in [1024, 4096] + pageSizes.dropFirst(2) {
      formats.append(CipherFormat(pageSize: pageSize, mac: .sha1, derivation: .sqlcipher3))
      formats.append(CipherFormat(pageSize: pageSize, mac: .sha1, derivation: .sqlcipher4))
    }
    return formats
  }
}
