import Foundation
import TestSupport
import Testing

/// Where keys come from, and what is refused.
@Suite("Keys of a command")
struct KeySourceCommandTests {
  let work: Workspace

  init() throws {
    work = try Workspace()
    try work.makeSample(sql: "CREATE TABLE t (a); INSERT INTO t VALUES (7);")
  }

  private func query(_ arguments: String..., environment: [String: String]) throws -> Subprocess {
    try Tool.run(
      ["query", "hostel.db", "SELECT a FROM t", "--format", "csv"] + arguments, environment: environment,
      directory: work.folder.path)
  }

  /// Each variable alone, in the spellings a key has.
  @Test func takesTheKeyFromEveryVariable() throws {
    let base64 = Data(repeating: 0xa1, count: 32).base64EncodedString()
    try work.write("# keys\na1 2026-01-01 active sqlcipher4 raw:hex:\(TestKeys.firstHex)\n", to: "ring")
    try work.write(TestKeys.firstHex, to: "turso_encryption_key", mode: 0o400)
    for environment in [
      ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex], ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex.uppercased()],
      ["TURSO_ENCRYPTION_KEY": base64], ["TURSO_ENCRYPTION_KEY": "base64:" + base64],
      ["TURSO_ENCRYPTION_KEY": "hex:" + TestKeys.firstHex], ["TURSO_ENCRYPTION_KEY_FILE": "first.key"],
      ["TURSO_ENCRYPTION_KEYRING": "ring"], ["TURSO_ENCRYPTION_KEY_COMMAND": "cat first.key"],
      ["CREDENTIALS_DIRECTORY": work.folder.path],
    ] {
      let result = try query(environment: environment)
      result.expectSuccess()
      #expect(result.output == "a\n7\n", "\(environment.keys)")
    }
  }

  @Test func aFlagWinsOverTheEnvironment() throws {
    let result = try query("--key-file", "first.key", environment: ["TURSO_ENCRYPTION_KEY": TestKeys.secondHex])
    result.expectSuccess()
    #expect(result.output == "a\n7\n")
    try query("--key-file", "second.key", environment: ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex])
      .expectFailure(77, saying: "does not fit")
  }

  @Test func twoSourcesAtOnceAreRefusedByName() throws {
    try query(environment: ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex, "TURSO_ENCRYPTION_KEY_FILE": "first.key"])
      .expectFailure(77, saying: "TURSO_ENCRYPTION_KEY_FILE, TURSO_ENCRYPTION_KEY", hint: true)
    try query(
      environment: ["TURSO_ENCRYPTION_KEY_COMMAND": "cat first.key", "TURSO_ENCRYPTION_KEYRING": "ring"]
    ).expectFailure(77, saying: "TURSO_ENCRYPTION_KEYRING", "TURSO_ENCRYPTION_KEY_COMMAND")
    try query("--key-file", "first.key", "--keyring", "ring", environment: [:])
      .expectFailure(64, saying: "key file", "keyring")
  }

  @Test func emptyVariablesCountAsUnset() throws {
    let result = try query(
      environment: [
        "TURSO_ENCRYPTION_KEY": "", "TURSO_ENCRYPTION_KEYRING": "", "TURSO_ENCRYPTION_KEY_COMMAND": "",
        "CREDENTIALS_DIRECTORY": "", "TURSO_ENCRYPTION_CIPHER": "", "ALBERGUE_LOG": "", "ALBERGUE_CRASH_POINT": "",
        "TURSO_ENCRYPTION_KEY_FILE": "first.key",
      ])
    result.expectSuccess()
    try query(environment: ["TURSO_ENCRYPTION_KEY": ""]).expectFailure(77, saying: "no encryption key", hint: true)
  }

  /// A key that is set and cannot be used is an error that does not show it; nothing becomes a passphrase in silence.
  @Test(arguments: [
    String(TestKeys.firstHex.dropLast()), TestKeys.firstHex + "0", TestKeys.firstHex + " ", "secret-canary-word",
    "x'\(TestKeys.firstHex)'", "base64:c2VjcmV0", "hex:secret-canary-word", "passphrase:", " ",
  ])
  func refusesAMalformedKeyWithoutShowingIt(text: String) throws {
    for environment in [
      ["TURSO_ENCRYPTION_KEY": text],
      ["TURSO_ENCRYPTION_KEY_FILE": try work.write(text, to: "bad.key")],
      ["TURSO_ENCRYPTION_KEY_COMMAND": "cat bad.key"],
    ] {
      for command in [["init", "new.db"], ["status", "hostel.db"], ["query", "hostel.db", "SELECT 1"]] {
        let result = try Tool.run(command, environment: environment, directory: work.folder.path)
        result.expectFailure(77)
        #expect(!result.errors.contains("canary") && !result.errors.contains("a1a1a1"), "\(result.errors)")
      }
    }
    #expect(!Bytes.exists(work.file("new.db")))
  }

  @Test func refusesAKeyFileOpenToOthersUnlessTold() throws {
    for mode in [0o644, 0o640, 0o604, 0o620] {
      try Bytes.setMode(work.firstKey, mode)
      try query("--key-file", "first.key", environment: [:])
        .expectFailure(77, saying: "mode 0\(String(mode, radix: 8))", hint: true)
      try query(environment: ["TURSO_ENCRYPTION_KEY_FILE": "first.key"]).expectFailure(77, saying: "first.key")
      let allowed = try query("--key-file", "first.key", "--allow-insecure-permissions", environment: [:])
      #expect(allowed.status == 0 && allowed.output == "a\n7\n")
      #expect(allowed.errors.contains("warning") && allowed.errors.contains("first.key"))
    }
  }

  @Test func refusesAKeyFileThatIsNoFile() throws {
    try query("--key-file", "missing.key", environment: [:]).expectFailure(66, saying: "missing.key")
    try query("--key-file", ".", environment: [:]).expectFailure(77, saying: "not a regular file")
    try query("--key-file", "/dev/zero", environment: [:]).expectFailure(77)
    _ = try Subprocess.run("mkfifo", ["-m", "600", work.file("fifo")])
    try query("--key-file", "fifo", environment: [:]).expectFailure(77, saying: "not a regular file")
    try query("--key-file", "", environment: [:]).expectFailure(64, saying: "empty")
    try work.write(String(repeating: "a", count: 70000), to: "large.key")
    try query("--key-file", "large.key", environment: [:]).expectFailure(77, saying: "70000")
  }

  @Test(arguments: [
    ("false", 77, "exit status 1"), ("true", 77, "printed nothing"),
    ("no-such-program-here", 66, "no-such-program-here"),
    ("cat 'first.key", 77, "quotation mark"), ("sh -c 'kill -9 $$'", 77, "signal 9"), ("yes", 77, "killed"),
    ("echo $HOME", 77, ""), ("cat first.key second.key", 77, ""),
  ])
  func aKeyCommandThatFailsFailsTheCommand(line: String, code: Int, text: String) throws {
    let result = try query(environment: ["TURSO_ENCRYPTION_KEY_COMMAND": line])
    result.expectFailure(Int32(code), saying: text.isEmpty ? "key command" : text)
    #expect(!result.errors.contains("a1a1a1") && !result.errors.contains("b2b2b2"))
  }

  @Test(arguments: [
    ("aes256cbc", "unauthenticated"), ("sqlcipher3", "unknown cipher"), ("SQLCIPHER4", "unknown cipher"),
    ("none", "unknown cipher"),
  ])
  func refusesAnUnknownCipherByFlagAndByVariable(name: String, text: String) throws {
    try query("--cipher", name, "--key-file", "first.key", environment: [:])
      .expectFailure(64, saying: text, "sqlcipher4", hint: true)
    try query("--key-file", "first.key", environment: ["TURSO_ENCRYPTION_CIPHER": name])
      .expectFailure(64, saying: text, "sqlcipher4")
    try work.runWithFirstKey("init", "new.db", "--cipher", name).expectFailure(64, saying: text)
    #expect(!Bytes.exists(work.file("new.db")))
  }

  @Test func refusesAnUnknownLogLevel() throws {
    for (variable, value) in [("ALBERGUE_LOG", "loud"), ("ALBERGUE_LOG", "info,storage=loud"), ("RUST_LOG", "x")] {
      try query("--key-file", "first.key", environment: [variable: value])
        .expectFailure(64, saying: "unknown level", hint: true)
    }
    try query("--key-file", "first.key", environment: ["ALBERGUE_LOG": "off", "RUST_LOG": "bad"]).expectSuccess()
  }

  @Test func opensPassphraseFilesOfTheSQLCipherCommandLine() throws {
    let passphrase = TestKeys.passphrase
    _ = try SQLCipherShell.run(
      work.file("phrase.db"), passphrase: passphrase, "CREATE TABLE t (a); INSERT INTO t VALUES ('x');")
    let result = try work.run(
      "query", "phrase.db", "SELECT a FROM t", "--format", "csv",
      environment: ["TURSO_ENCRYPTION_KEY": "passphrase:" + passphrase])
    result.expectSuccess()
    #expect(result.output == "a\nx\n")
  }
}
