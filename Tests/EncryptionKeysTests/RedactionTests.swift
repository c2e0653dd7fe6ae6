import Testing

@testable import EncryptionKeys

@Suite("Redaction")
struct RedactionTests {
  private static let passphrase = "MARKER-passphrase"
  private static let token = "MARKER-token"

  /// Nothing of a key in any form in which it is held, nor of a passphrase or a command's arguments.
  private func expectNoSecret(in texts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    for text in texts {
      #expect(!text.contains("MARKER"), sourceLocation: sourceLocation)
      #expect(!text.contains("00010203"), sourceLocation: sourceLocation)
      #expect(!text.contains("AAECAw"), sourceLocation: sourceLocation)
      #expect(!text.contains("0, 1, 2, 3"), sourceLocation: sourceLocation)
    }
  }

  private func keyring() throws -> (TemporaryFolder, Keyring) {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      """
      k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)
      k2 2026-01-01 retired sqlcipher4 raw:passphrase:\(Self.passphrase)
      k3 2026-01-01 retired sqlcipher4 command:curl --header \(Self.token)

      """, to: "keyring")
    return (folder, try Keyring.load(path: path, options: KeyLoadingOptions()))
  }

  @Test func keyMaterialShowsItsIdentifierOnly() throws {
    let materials = [
      try KeyMaterial.parse(Fixtures.hex), try KeyMaterial.parse("passphrase:" + Self.passphrase),
    ]
    for material in materials {
      _ = try material.bytes()
      expectNoSecret(in: renderings(material))
      #expect("\(material)".contains("k1"))
    }
  }

  @Test func aKeyringAndItsEntriesShowNoKeyAndNoArguments() throws {
    let (_, keyring) = try keyring()
    _ = try keyring.active.material()
    expectNoSecret(in: renderings(keyring))
    for entry in keyring.entries {
      expectNoSecret(in: renderings(entry) + renderings(entry.source) + renderings(entry.loader))
    }
  }

  @Test func aKeySetShowsNoKey() throws {
    let (_, keyring) = try keyring()
    expectNoSecret(in: renderings(try KeySet(keyring: keyring, primary: keyring.active)))
    expectNoSecret(in: renderings(KeySet(primary: try KeyMaterial.parse(Fixtures.hex))))
  }

  @Test func aKeyInsideAnErrorStaysHidden() throws {
    struct Wrapping: Error { let material: KeyMaterial }
    let error = Wrapping(material: try KeyMaterial.parse(Fixtures.hex))
    expectNoSecret(in: renderings(error) + renderings(error as any Error) + ["\(error)"])
  }

  // Where a field was forgotten, the key stands in the place of another field; each is parsed for its own type.
  @Test(arguments: [
    "raw:hex:KEY", "KEY", "hex:KEY", "k1 KEY", "k1 2026-01-01 KEY", "k1 raw:hex:KEY",
    "KEY 2026-01-01 active sqlcipher4 raw:x",
    "k1 raw:hex:KEY active sqlcipher4 env:A", "k1 2026-01-01 raw:hex:KEY sqlcipher4 env:A",
    "k1 2026-01-01 active raw:hex:KEY x", "k1 2026-01-01 active sqlcipher4 KEY",
    "k1 2026-01-01 active sqlcipher4 hex:KEY", "k1 2026-01-01 active sqlcipher4 raw:KEY",
    "k1 2026-01-01 active sqlcipher4 raw:hex:KEYff", "k1 2026-01-01 active sqlcipher4 raw:hex:KEY ",
    "k1 2026-01-01 active sqlcipher4 env:KEY-", "k1 2026-01-01 active sqlcipher4 cred:a/KEY",
    "k1 2026-01-01 active sqlcipher4 command:'KEY", "k1 2026-01-01 active sqlcipher4 raw:hex:KEY # why",
  ])
  func anErrorOfAKeyringNeverShowsTheField(line: String) throws {
    let folder = try TemporaryFolder()
    let text = line.split(separator: "KEY", omittingEmptySubsequences: false).joined(separator: Fixtures.hex)
    let path = try folder.write("# comment\n\(text)\n", to: "keyring")
    let error = try keyError { _ = try Keyring.load(path: path, options: KeyLoadingOptions()) }
    #expect(error.message.contains("line 2") || error.message.contains("no active key"), "\(error)")
    expectNoSecret(in: renderings(error))
  }
}
