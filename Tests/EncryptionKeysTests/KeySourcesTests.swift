import Glibc
import Testing

@testable import EncryptionKeys

/// Sets the environment of an exit test's process to `variables`, as far as keys are concerned.
private func setKeyEnvironment(_ variables: [String: String]) throws {
  for name in ["KEY", "KEY_FILE", "KEY_COMMAND", "KEYRING"] { unsetenv("TURSO_ENCRYPTION_\(name)") }
  unsetenv("CREDENTIALS_DIRECTORY")
  for (name, value) in variables {
    guard setenv(name, value, 1) == 0 else { throw TemporaryFolder.Failure(call: "setenv", errorNumber: errno) }
  }
}

/// What a child process gets to see of this one's environment.
private func childEnvironment() throws -> String {
  let folder = try TemporaryFolder()
  guard system("env > \(folder("env"))") == 0 else { throw TemporaryFolder.Failure(call: "env", errorNumber: 0) }
  return try folder.read("env")
}

/// Every test has its own process, because an environment belongs to a process.
@Suite("Key sources", .serialized)
struct KeySourcesTests {
  @Test func noSourceIsAnErrorThatListsThem() async {
    await #expect(processExitsWith: .success) {
      try setKeyEnvironment([
        "TURSO_ENCRYPTION_KEY": "", "TURSO_ENCRYPTION_KEYRING": "", "TURSO_ENCRYPTION_KEY_FILE": "",
      ])
      let error = try keyError { _ = try KeySources.load() }
      #expect(error.code == .noKey)
      #expect(error.code.exitCode == 77)
      #expect(error.message == "no encryption key")
      for name in ["KEYRING", "KEY_FILE", "KEY_COMMAND", "KEY"] {
        #expect(error.hint?.contains("TURSO_ENCRYPTION_\(name)") == true)
      }
      #expect(error.hint?.contains("turso_encryption_key") == true)
    }
  }

  @Test func eachSourceAloneGivesItsKey() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let file = try folder.write(Fixtures.hex + "\n", to: "turso_encryption_key")
      let keyring = try folder.write("k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)\n", to: "keyring")
      let sources = [
        ("TURSO_ENCRYPTION_KEY", Fixtures.base64, "TURSO_ENCRYPTION_KEY"),
        ("TURSO_ENCRYPTION_KEY_FILE", file, "TURSO_ENCRYPTION_KEY_FILE"),
        ("TURSO_ENCRYPTION_KEY_COMMAND", "cat '\(file)'", "TURSO_ENCRYPTION_KEY_COMMAND"),
        ("TURSO_ENCRYPTION_KEYRING", keyring, "k1"),
        ("CREDENTIALS_DIRECTORY", folder.path, "turso_encryption_key"),
      ]
      for (variable, value, id) in sources {
        try setKeyEnvironment([variable: value])
        let set = try KeySources.load()
        #expect(set.primary.id.name == id)
        #expect(try set.primary.bytes() == Fixtures.bytes)
        #expect((set.keyring != nil) == (variable == "TURSO_ENCRYPTION_KEYRING"))
        #expect(try set.candidates().count == 1)
      }
    }
  }

  @Test func twoSourcesAreAnErrorThatNamesBoth() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let file = try folder.write(Fixtures.hex, to: "turso_encryption_key")
      let sources = [
        ("TURSO_ENCRYPTION_KEY", Fixtures.hex, "TURSO_ENCRYPTION_KEY"),
        ("TURSO_ENCRYPTION_KEY_FILE", file, "TURSO_ENCRYPTION_KEY_FILE"),
        ("TURSO_ENCRYPTION_KEY_COMMAND", "false", "TURSO_ENCRYPTION_KEY_COMMAND"),
        ("TURSO_ENCRYPTION_KEYRING", file, "TURSO_ENCRYPTION_KEYRING"),
        ("CREDENTIALS_DIRECTORY", folder.path, "credential turso_encryption_key"),
      ]
      for (index, first) in sources.enumerated() {
        for second in sources[(index + 1)...] {
          try setKeyEnvironment([first.0: first.1, second.0: second.1])
          let error = try keyError { _ = try KeySources.load() }
          #expect(error.code == .unusable)
          let named = error.message.split(separator: ": ")[1].split(separator: ", ").map(String.init)
          #expect(Set(named) == [first.2, second.2])
          #expect(!error.description.contains(Fixtures.hex))
        }
      }
    }
  }

  @Test func aFlagWinsOverEverySourceOfTheEnvironment() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let file = try folder.write(Fixtures.hex, to: "key")
      let keyring = try folder.write("k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)\n", to: "keyring")
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEY": "passphrase:x", "TURSO_ENCRYPTION_KEY_COMMAND": "false"])
      #expect(try KeySources.load(KeySelection(keyFile: file)).primary.bytes() == Fixtures.bytes)
      #expect(try KeySources.load(KeySelection(keyringFile: keyring)).primary.id.name == "k1")
      // Not read, so still there for a command that needs both keys.
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEY": "passphrase:x"])
      #expect(try KeySources.load(KeySelection(keyFile: file)).primary.id.name.hasPrefix("file:"))
      #expect(try KeySources.load().primary.isPassphrase)
    }
  }

  @Test func aKeyIdentifierChoosesInTheKeyringOfTheEnvironment() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let keyring = try folder.write(
        "k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)\nk0 2025-01-01 retiring sqlcipher4 raw:passphrase:x\n",
        to: "keyring")
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEYRING": keyring])
      #expect(try KeySources.load(KeySelection(keyID: "k0")).primary.id.name == "k0")
      #expect(try keyError { _ = try KeySources.load(KeySelection(keyID: "k9")) }.code == .missing)
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEY": Fixtures.hex])
      #expect(try keyError { _ = try KeySources.load(KeySelection(keyID: "k0")) }.code == .usage)
    }
  }

  @Test func flagsThatContradictEachOtherAreAUsageError() throws {
    let selections = [
      KeySelection(keyFile: "a", keyringFile: "b"), KeySelection(keyFile: ""), KeySelection(keyringFile: ""),
      KeySelection(keyID: ""), KeySelection(keyID: "", keyringFile: "b"),
    ]
    for selection in selections {
      #expect(try keyError { _ = try KeySources.load(selection) }.code == .usage)
    }
  }

  @Test func anIdentifierWithAKeyFileIsAUsageError() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(Fixtures.hex, to: "key")
    #expect(try keyError { _ = try KeySources.load(KeySelection(keyFile: file, keyID: "k1")) }.code == .usage)
  }

  @Test func aCredentialDirectoryWithoutOurCredentialIsNoSource() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder.path, "TURSO_ENCRYPTION_KEY": Fixtures.hex])
      #expect(try KeySources.load().primary.id.name == "TURSO_ENCRYPTION_KEY")
    }
  }

  // systemd shows an access control list as a group permission.
  @Test func aCredentialMayBeReadableByItsGroupAndNobodyElse() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder.path])
      try folder.write(Fixtures.hex, to: "turso_encryption_key", mode: 0o440)
      #expect(try KeySources.load().primary.bytes() == Fixtures.bytes)
      try folder.write(Fixtures.hex, to: "turso_encryption_key", mode: 0o444)
      #expect(try keyError { _ = try KeySources.load() }.code == .permission)
    }
  }

  @Test func aSecretFileThatIsACredentialMayBeReadableByItsGroupToo() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let line = "k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)\n"
      let keyring = try folder.write(line, to: "keyring", mode: 0o440)
      let key = try folder.write(Fixtures.hex, to: "key", mode: 0o440)
      let token = try folder.write("a.b.c", to: "token", mode: 0o440)
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder.path, "TURSO_ENCRYPTION_KEYRING": keyring])
      #expect(try KeySources.load().primary.id.name == "k1")
      #expect(try KeySources.loadKeyFile(path: key).bytes() == Fixtures.bytes)
      #expect(try SecretSource.file(token).read(kind: "token").bytes() == Array("a.b.c".utf8))
      // The same files when they are no credentials, and a credential that everybody can read.
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder.path + "/elsewhere"])
      #expect(try keyError { _ = try KeySources.loadKeyFile(path: key) }.code == .permission)
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder("..")])
      #expect(try keyError { _ = try KeySources.loadKeyFile(path: key) }.code == .permission)
      try setKeyEnvironment(["CREDENTIALS_DIRECTORY": folder.path])
      let open = try folder.write(Fixtures.hex, to: "open", mode: 0o444)
      #expect(try keyError { _ = try KeySources.loadKeyFile(path: open) }.code == .permission)
    }
  }

  @Test func aKeyringReadsVariablesAndCredentials() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      try folder.write(Fixtures.hex, to: "old")
      let keyring = try folder.write(
        "k1 2026-01-01 active sqlcipher4 env:OUR_KEY\nk0 2025-01-01 retiring sqlcipher4 cred:old\n", to: "keyring")
      try setKeyEnvironment([
        "TURSO_ENCRYPTION_KEYRING": keyring, "OUR_KEY": Fixtures.base64, "CREDENTIALS_DIRECTORY": folder.path,
      ])
      let candidates = try KeySources.load().candidates()
      #expect(candidates.count == 2)
      for material in candidates { #expect(try material.bytes() == Fixtures.bytes) }
      #expect(getenv("OUR_KEY") == nil)
    }
  }

  @Test func aVariableIsGoneAfterReadingForThisProcessAndItsChildren() async {
    await #expect(processExitsWith: .success) {
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEY": Fixtures.hex])
      #expect(try childEnvironment().contains(Fixtures.hex))
      #expect(try KeySources.load().primary.bytes() == Fixtures.bytes)
      #expect(getenv("TURSO_ENCRYPTION_KEY") == nil)
      #expect(try !childEnvironment().contains(Fixtures.hex))
      #expect(try keyError { _ = try KeySources.load() }.message == "no encryption key")
    }
  }

  @Test func aMalformedVariableIsWipedAsWell() async {
    await #expect(processExitsWith: .success) {
      try setKeyEnvironment(["TURSO_ENCRYPTION_KEY": Fixtures.hex + "0"])
      #expect(
        try keyError { _ = try KeySources.load() }.message.contains("variable TURSO_ENCRYPTION_KEY: 65 hex digits"))
      #expect(try !childEnvironment().contains(Fixtures.hex))
    }
  }

  // /proc/self/environ shows the memory the process was started with, so the variable has to be there at its start:
  // this process sets it, the exit test inherits it.
  @Test func aVariableNoLongerShowsInProcSelfEnviron() async {
    setenv("TURSO_ENCRYPTION_KEY", Fixtures.hex, 1)
    defer { unsetenv("TURSO_ENCRYPTION_KEY") }
    await #expect(processExitsWith: .success) {
      for name in ["TURSO_ENCRYPTION_KEY_FILE", "TURSO_ENCRYPTION_KEYRING", "CREDENTIALS_DIRECTORY"] { unsetenv(name) }
      let before = String(decoding: try TemporaryFolder.contents("/proc/self/environ"), as: UTF8.self)
      try #require(before.contains(Fixtures.hex))
      #expect(try KeySources.load().primary.bytes() == Fixtures.bytes)
      let after = String(decoding: try TemporaryFolder.contents("/proc/self/environ"), as: UTF8.self)
      #expect(!after.contains(Fixtures.hex))
      #expect(after.contains("PATH="))
    }
  }
}
