#if DEBUG
  @testable import EncryptionKeys
  import Mutation
  import TestSupport

  extension Subject {
    /// Keys as people write them. No error shows any part of one.
    static let keys: [Subject] = [
      Subject("key-syntax", keyText) {
        Examination(
          Corpus.texts(
            TestKeys.firstHex, "hex:" + TestKeys.secondHex, base64, "base64:" + base64, "passphrase:\(Rule.canary) ñ")
        ) { input, _ in
          guard let key = try parse(input.bytes, secret: secrets) else { return .refused }
          // Nothing but the key itself is one: a slip of the pen is refused, not taken for another key.
          try Rule.require(key.isPassphrase || isRawKey(input.bytes), "a raw key is made of what is none")
          return .accepted
        }
      },
      Subject("keyring", keyText) {
        Examination(
          Corpus.texts(
            keyring, keyring.replacing("\n", with: "\r\n"),
            "a 2026-01-01 active sqlcipher4 raw:hex:\(TestKeys.firstHex)")
        ) {
          input, _ in
          let contents = SecretBytes(copying: input.bytes)
          let ring = try Rule.attempt(KeyError.self) {
            do { return try Keyring(path: "keys", contents: contents, options: KeyLoadingOptions()) } catch {
              try requireNoSecret(in: error)
              throw error
            }
          }
          guard let ring else { return .refused }
          try Rule.require(ring.entries.count { $0.state == .active } == 1, "a keyring without exactly one active key")
          try Rule.require(Set(ring.entries.map(\.id)).count == ring.entries.count, "an id twice")
          for entry in ring.entries where entry.source == .raw { _ = try entry.material() }
          // Paths and names of variables are shown.
          let hidden = ring.entries.filter { if case .command = $0.source { true } else { $0.source == .raw } }
          for secret in secrets { try Rule.require(!"\(ring) \(hidden)".contains(secret), "a keyring shows a key") }
          return .accepted
        }
      },
      Subject("key-command", keyText) {
        Examination(
          Corpus.texts("pass show 'turso key'", #"/bin/cat "a \"b\"" c\ d"#, "op read op://vault/\(Rule.canary)")
        ) {
          input, _ in
          guard let command = try Rule.attempt(KeyError.self, { try KeyCommand(parsing: input.text) }) else {
            return .refused
          }
          // Quoted word by word, it is the same command.
          let line = command.arguments.map { "'" + $0.replacing("'", with: #"'\''"#) + "'" }.joined(separator: " ")
          let again = try Rule.attempt(KeyError.self) { try KeyCommand(parsing: line) }
          try Rule.require(again?.arguments == command.arguments, "a command is another one after it was quoted")
          return .accepted
        }
      },
      Subject("key-id", keyText) {
        Examination(Corpus.texts("2026-11", "prod/main:1", TestKeys.firstHex)) { input, _ in
          guard let id = try Rule.attempt(KeyError.self, { try KeyID(input.text) }) else { return .refused }
          try Rule.require(id.name == input.text && (1...64).contains(id.name.utf8.count), "another id than was given")
          return .accepted
        }
      },
      Subject("calendar-date", keyText) {
        Examination(Corpus.texts("2026-11-21", "2024-02-29", "0001-01-01")) { input, _ in
          guard let date = CalendarDate(parsing: input.text) else { return .refused }
          try Rule.require(date.description == input.text, "a date is written otherwise than it was read")
          return .accepted
        }
      },
    ]

    private static let keyText = Mutator(
      tokens: [
        "hex:", "base64:", "passphrase:", "raw:", "env:", "file:", "cred:", "command:", "=", "'", "\"", "\\", "x'", " ",
        "\t", "\r\n", "\n", "#", "\u{0}", "active", "retired", "sqlcipher4", "ñ", "2026-02-29", ":", "/",
      ], separators: " \n:-")

    /// 32 bytes of 0xA1.
    private static let base64 = String(repeating: "oaGh", count: 10) + "oaE="
    /// What no message may hold: parts of the keys.
    private static let secrets = ["a1a1a1a1a1a1", "b2b2b2b2b2b2", "oaGhoaGhoaGh", Rule.canary]

    private static let keyring = """
      # id  created     state     profile            source
      2026  2026-11-21  active    sqlcipher4         raw:hex:\(TestKeys.firstHex)
      2025  2025-01-01  retiring  sqlcipher4-sha256  file:old.key
      2024  2024-02-29  retired   sqlcipher4         env:OLD_KEY
      2023  2023-01-01  retired   sqlcipher4         command:pass show \(Rule.canary)
      2022  2022-01-01  retired   sqlcipher4         raw:hex:\(TestKeys.secondHex)

      """

    private static func parse(_ bytes: [UInt8], secret: [String]) throws -> KeyMaterial? {
      try Rule.attempt(KeyError.self) {
        do { return try KeyMaterial(id: KeyID("fuzz"), parsing: bytes.span, at: "here") } catch {
          try requireNoSecret(in: error)
          throw error
        }
      }
    }

    private static func requireNoSecret(in error: any Error) throws {
      for secret in secrets {
        try Rule.require(!"\(error)".lowercased().contains(secret.lowercased()), "an error shows part of a key")
      }
    }

    /// Whether the text is one of the written forms, told without the code that reads them.
    private static func isRawKey(_ bytes: [UInt8]) -> Bool {
      let text = String(decoding: bytes, as: UTF8.self)
      let digits = text.hasPrefix("hex:") ? text.dropFirst(4) : text[...]
      if digits.wholeMatch(of: /[0-9a-fA-F]{64}/) != nil { return true }
      let base64 = text.hasPrefix("base64:") ? text.dropFirst(7) : text[...]
      return base64.wholeMatch(of: /[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=/) != nil
    }
  }
#endif
