internal import EncryptionKeys

/// The keys under which pages of one file are tried: every key with every salt, all in the one format of the file.
struct KeyCandidates: Sendable {
  struct Candidate: Sendable {
    let id: KeyID
    let keys: PageKeys
  }

  /// The one that was found first is first.
  let candidates: [Candidate]
  let format: CipherFormat
  /// The salt in front of the file was not the one its pages are under, and this is where the right one came from.
  let saltNote: String?

  /// - Throws: `.wrongKey` when no page looked at is authentic under any key and salt.
  init(_ path: String, materials: [KeyMaterial], salts: [Salt]) throws(EncryptedStorageError) {
    let sampler = PageSampler(path: path)
    guard let match = try Self.match(sampler, materials, salts) else {
      throw EncryptedStorageError(
        .wrongKey, operation: "recover", file: path, keyID: materials.last?.id,
        detail: "no page is authentic under any of the given keys",
        hint: "give every key the file has ever been under; if its first 16 bytes, the salt, are damaged, put them back"
      )
    }
    var all = [Candidate(id: match.material.id, keys: match.keys)]
    let known = salts.contains(match.keys.salt) ? salts : [match.keys.salt] + salts
    for salt in known {
      for material in materials where !(salt == match.keys.salt && material === match.material) {
        all.append(Candidate(id: material.id, keys: try Self.keys(match.keys.format, salt, material)))
      }
    }
    candidates = all
    format = match.keys.format
    if match.keys.salt == salts.first {
      saltNote = nil
    } else if salts.contains(match.keys.salt) {
      saltNote = "the salt in front of the file does not fit; the one of its log or journal does"
    } else {
      saltNote = "one byte of the salt in front of the file was damaged, and has been found again"
    }
  }

  private typealias Match = (material: KeyMaterial, keys: PageKeys)

  private static func match(
    _ sampler: PageSampler, _ materials: [KeyMaterial], _ salts: [Salt]
  ) throws(EncryptedStorageError) -> Match? {
    let current = KeyTrial.formats(.current)
    let legacy = KeyTrial.formats(.includingLegacy).filter { !current.contains($0) }
    for formats in [current, legacy] {
      for salt in salts {
        for material in materials {
          for format in formats {
            let keys = try Self.keys(format, salt, material)
            if try sampler.holdsAuthenticPage(under: keys) { return (material, keys) }
          }
        }
      }
    }
    guard let stored = salts.first else { return nil }
    // Only our own formats: a wrong key has to be told in seconds.
    for material in materials where !material.isPassphrase {
      for format in CipherProfile.allCases.map(\.format) {
        for salt in CandidateSalts.withOneByteChanged(stored) {
          let keys = try Self.keys(format, salt, material)
          if try sampler.holdsAuthenticPage(under: keys, among: 4) { return (material, keys) }
        }
      }
    }
    return nil
  }

  private static func keys(
    _ format: CipherFormat, _ salt: Salt, _ material: KeyMaterial
  ) throws(EncryptedStorageError) -> PageKeys {
    do { return try PageKeys(format: format, salt: salt, material: material) } catch {
      throw EncryptedStorageError(error, operation: "derive key", file: nil)
    }
  }
}
