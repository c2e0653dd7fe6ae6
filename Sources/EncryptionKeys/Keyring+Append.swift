internal import Glibc

extension Keyring {
  /// Adds a new random key as the active one; the key that was active becomes `retiring`.
  ///
  /// Makes the file (mode 0600) if there is none. Otherwise every byte but the state of the former active key stays as
  /// it is, comments included. One writer at a time; others wait.
  ///
  /// - Parameter id: 1 to 64 of `A-Z a-z 0-9 . _ : / -`; nil makes `k-YYYY-MM-DD`, with `-2`, `-3` if it is taken.
  /// - Parameter created: YYYY-MM-DD; nil is today in UTC.
  /// - Returns: the identifier of the new key.
  /// - Throws: ``KeyError`` `.exists` for an identifier that is taken, `.usage` for one or a date that is malformed,
  ///   `.unusable` for a keyring with errors or without room, `.busy` if another writer holds the lock for 10 s, and
  ///   `.missing` (no such folder), `.permission`, `.io`. After an error the file is what it was.
  /// - Durability: returns after fsync of the file, rename and fsync of the folder; a crash in between leaves the old
  ///   or the new keyring, never a mixture.
  public static func appendKey(
    path: String, id: String? = nil, profile: CipherProfile = .sqlcipher4, created: String? = nil
  ) throws(KeyError) -> KeyID {
    let requestedID: KeyID? = if let id { try KeyID(id) } else { nil }
    let date = created ?? CalendarDate.today().description
    guard CalendarDate(parsing: date) != nil else { throw KeyError(.usage, "created is not a date YYYY-MM-DD") }

    let file = try AtomicFile.lock(path: path, subject: "keyring \(path)")
    let old =
      if try file.exists() {
        try SecretFile(kind: "keyring", path: file.path).contents(options: KeyLoadingOptions())
      } else {
        header()
      }
    let lines = try old.withSpan { (text) throws(KeyError) in
      try KeyringLine.parseAll(text, at: "keyring \(path)")
    }
    let newID = if let requestedID { requestedID } else { try freeID(for: date, among: lines) }
    guard !lines.contains(where: { $0.id == newID }) else {
      throw KeyError(.exists, "keyring \(path): a key with id \(newID) exists")
    }
    // A keyring without keys is what a first key is added to; any other has to be in order before it is rewritten.
    let active = lines.isEmpty ? nil : lines[try KeyringLine.validateTogether(lines, at: "keyring \(path)")]
    let key = try EncryptionKey.random()
    let new = KeyringText.appending(
      key, fields: "\(newID)  \(date)  \(KeyState.active.rawValue)  \(profile)  raw:hex:",
      to: old, retiring: active?.stateRange)
    // What is written is what a reader will accept: the same checks, before the old file is touched.
    guard new.count <= SecretFile.byteCountMax else {
      throw KeyError(.unusable, "keyring \(path): is full, at most \(SecretFile.byteCountMax) bytes are read")
    }
    _ = try Keyring(path: path, contents: new, options: KeyLoadingOptions())
    try file.replace(with: new)
    return newID
  }

  private static func header() -> SecretBytes {
    SecretBytes(copying: "# id  created  state(active|retiring|retired)  profile  source\n".utf8)
  }

  private static func freeID(for date: String, among lines: [KeyringLine]) throws(KeyError) -> KeyID {
    let taken = Set(lines.map(\.id.name))
    var name = "k-\(date)"
    var suffix = 2
    while taken.contains(name) {
      name = "k-\(date)-\(suffix)"
      suffix += 1
    }
    return try KeyID(name)
  }
}

/// The bytes of a keyring with one more key.
private enum KeyringText {
  /// `old` with the bytes of `state` replaced by `retiring`, and a line of `fields` and the key's hex digits after it.
  static func appending(
    _ key: borrowing EncryptionKey, fields: String, to old: borrowing SecretBytes, retiring state: Range<Int>?
  ) -> SecretBytes {
    let digits = key.hexDigits()
    let retiring = Array(KeyState.retiring.rawValue.utf8)
    let replaced = state ?? old.count..<old.count
    let replacement = state == nil ? [] : retiring
    return old.withSpan { source in
      let needsLineBreak = !source.isEmpty && source[source.count - 1] != UInt8(ascii: "\n")
      let middle = Array((needsLineBreak ? "\n" : "").utf8) + Array(fields.utf8)
      let count = source.count - replaced.count + replacement.count + middle.count + digits.count + 1
      return digits.withSpan { digits in
        SecretBytes(count: count) { (output: inout MutableSpan<UInt8>) in
          var filled = 0
          func append(_ byte: UInt8, to output: inout MutableSpan<UInt8>) {
            output[filled] = byte
            filled += 1
          }
          for index in 0..<replaced.lowerBound { append(source[index], to: &output) }
          for byte in replacement { append(byte, to: &output) }
          for index in replaced.upperBound..<source.count { append(source[index], to: &output) }
          for byte in middle { append(byte, to: &output) }
          for index in digits.indices { append(digits[index], to: &output) }
          append(UInt8(ascii: "\n"), to: &output)
        }
      }
    }
  }
}
