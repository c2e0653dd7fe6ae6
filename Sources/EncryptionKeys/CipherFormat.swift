/// How a passphrase becomes a key: PBKDF2-HMAC with the file's salt.
public struct KeyDerivation: Hashable, Sendable {
  /// Hash function of the HMAC.
  public var digest: DigestAlgorithm
  /// Rounds of PBKDF2, 1 or more.
  public var iterations: Int

  /// Makes a derivation; ranges are checked when it is used.
  public init(digest: DigestAlgorithm, iterations: Int) {
    self.digest = digest
    self.iterations = iterations
  }

  /// SQLCipher 4: SHA-512, 256 000 rounds.
  ///
  /// - Source: SQLCipher 4.0.0 release notes, <https://www.zetetic.net/blog/2018/11/30/sqlcipher-400-release/>
  public static let sqlcipher4 = KeyDerivation(digest: .sha512, iterations: 256_000)
  /// SQLCipher 3: SHA-1, 64 000 rounds.
  ///
  /// - Source: as for ``sqlcipher4``.
  public static let sqlcipher3 = KeyDerivation(digest: .sha1, iterations: 64_000)
}

/// What a SQLCipher file does not say about itself. The cipher is AES-256-CBC always.
public struct CipherFormat: Hashable, Sendable {
  /// Bytes per page: a power of two, 512 to 65 536. We write 4096.
  public var pageSize: Int
  /// Hash function of the HMAC at the end of every page.
  public var mac: DigestAlgorithm
  /// How a passphrase becomes the key; unused for a raw key.
  public var derivation: KeyDerivation

  /// Makes a format.
  ///
  /// - Parameter pageSize: a power of two, 512 to 65 536; anything else is a programmer's error and traps.
  public init(pageSize: Int = 4096, mac: DigestAlgorithm, derivation: KeyDerivation) {
    precondition(Self.pageSizes.contains(pageSize), "a page size is a power of two, 512 to 65536")
    self.pageSize = pageSize
    self.mac = mac
    self.derivation = derivation
  }

  /// Bytes at the end of every page that SQLite leaves to the codec: the IV (16) and the MAC, rounded up to 16.
  ///
  /// - Shape: SHA-512 80, SHA-256 48, SHA-1 48.
  /// - Source: SQLCipher, `sqlcipher_codec_ctx_reserve_setup`.
  public var reserve: Int {
    let unrounded = Self.initializationVectorByteCount + macByteCount
    return (unrounded + Self.blockByteCount - 1) / Self.blockByteCount * Self.blockByteCount
  }

  /// Bytes of the MAC itself.
  public var macByteCount: Int { mac.byteCount }

  /// Page sizes SQLite knows, ascending.
  ///
  /// - Source: <https://www.sqlite.org/fileformat2.html#page_size>
  public static let pageSizes = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]

  private static let initializationVectorByteCount = 16
  private static let blockByteCount = 16
}
