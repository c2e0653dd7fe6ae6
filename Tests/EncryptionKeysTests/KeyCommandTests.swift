import Glibc
import Testing

@testable import EncryptionKeys

@Suite("Key commands")
struct KeyCommandTests {
  private func output(
    _ arguments: [String], withholding withheld: Set<String> = [], timeout: Int = 30
  ) throws(KeyError) -> [UInt8] {
    try KeyCommand(arguments: arguments)
      .output(
        at: "key command", withholding: withheld, options: KeyLoadingOptions(commandTimeoutSeconds: timeout)
      ).bytes()
  }

  private func shell(_ script: String, timeout: Int = 30) throws(KeyError) -> [UInt8] {
    try output(["sh", "-c", script], timeout: timeout)
  }

  @Test(arguments: [
    ("pass show key", ["pass", "show", "key"]), ("  a \t b ", ["a", "b"]), ("a 'b c' d", ["a", "b c", "d"]),
    (#"a "b \" \\ \n" c"#, ["a", #"b " \ \n"#, "c"]), (#"a b\ c"#, ["a", "b c"]), (#"a 'b\' c"#, ["a", #"b\"#, "c"]),
    ("a ''", ["a", ""]), (#"a b'c'"d""#, ["a", "bcd"]),
    ("a '\u{301}b' c", ["a", "\u{301}b", "c"]),
    ("a $HOME * | b > c; d", ["a", "$HOME", "*", "|", "b", ">", "c;", "d"]),
  ])
  func splitsWordsAndQuotesWithoutAShell(line: String, expected: [String]) throws {
    #expect(try KeyCommand(parsing: line).arguments == expected)
  }

  @Test(arguments: ["", "  ", "'open", "\"open", "end\\", "'' a"])
  func refusesWhatCannotBeSplit(line: String) throws {
    #expect(try keyError { _ = try KeyCommand(parsing: line) }.code == .unusable)
  }

  @Test func returnsWhatTheProgramPrintsWithoutOneLineBreak() throws {
    #expect(try shell("printf 'a\\n\\n'") == Array("a\n".utf8))
    #expect(try shell("printf 'a\\r\\n'") == Array("a".utf8))
    #expect(try shell("printf 'a'; sleep 0.05; printf b") == Array("ab".utf8))
  }

  @Test func aFailureGivesTheExitStatusAndNotTheOutput() throws {
    let error = try keyError { _ = try shell("echo MARKER; exit 3") }
    #expect(error.message.contains("exit status 3"))
    #expect(!error.description.contains("MARKER"))
    #expect(try keyError { _ = try shell("echo MARKER; kill -15 $$") }.message.contains("signal 15"))
  }

  @Test func aProgramThatPrintsNothingIsAnError() throws {
    #expect(try keyError { _ = try shell("true") }.message.contains("printed nothing"))
  }

  @Test func aProgramThatIsMissingIsNamed() throws {
    let error = try keyError { _ = try output(["/nonexistent/program", "MARKER"]) }
    #expect(error.code == .missing)
    #expect(error.message.contains("/nonexistent/program"))
    #expect(!error.description.contains("MARKER"))
  }

  @Test(arguments: ["head -c 65537 /dev/zero", "cat /dev/zero"])
  func tooMuchOutputIsAnError(script: String) throws {
    #expect(try keyError { _ = try shell(script) }.message.contains("65536"))
  }

  @Test func readsAsMuchAsIsAllowed() throws {
    #expect(try shell("head -c 65536 /dev/zero").count == 65_536)
  }

  // The grandchild writes its number and holds the pipe open; killing only the child would leave it running.
  @Test(
    .timeLimit(.minutes(20)),
    arguments: ["sleep 3600 & echo $! > \"$0\"; wait", "exec >&-; echo $$ > \"$0\"; sleep 3600"])
  func killsTheWholeGroupAfterTheTimeLimit(script: String) throws {
    let folder = try TemporaryFolder()
    let error = try keyError { _ = try output(["sh", "-c", script, folder("pid")], timeout: 1) }
    #expect(error.message.contains("longer than 1 s"))
    let process = try #require(pid_t(folder.read("pid").filter(\.isNumber)))
    #expect(Self.ends(process))
  }

  @Test func hasItsOwnGroupNoInputAndOnlyStandardDescriptors() throws {
    let leaked = open("/dev/null", O_RDONLY)
    let moved = fcntl(leaked, F_DUPFD, 200)
    defer {
      close(leaked)
      close(moved)
    }
    let text = String(
      decoding: try shell("cat; ls /proc/$$/fd; cut -d' ' -f5 /proc/$$/stat; echo $$"), as: UTF8.self)
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    #expect(words.count == 5, "\(words)")
    #expect(Array(words.prefix(3)) == ["0", "1", "2"])
    #expect(words[3] == words[4])
  }

  @Test func doesNotGetKeysFromTheEnvironment() async throws {
    await #expect(processExitsWith: .success) {
      setenv("TURSO_ENCRYPTION_KEY", "MARKER", 1)
      setenv("TURSO_ENCRYPTION_KEY_FILE", "MARKER", 1)
      setenv("TURSO_ENCRYPTION_KEYRING", "MARKER", 1)
      setenv("TURSO_REMOTE_ENCRYPTION_KEY", "MARKER", 1)
      setenv("OTHER_KEY", "MARKER", 1)
      setenv("HARMLESS", "value", 1)
      let text = try KeyCommand(arguments: ["env"])
        .output(at: "test", withholding: ["OTHER_KEY"], options: KeyLoadingOptions()).bytes()
      let output = String(decoding: text, as: UTF8.self)
      #expect(!output.contains("MARKER"))
      #expect(output.contains("HARMLESS=value"))
    }
  }

  @Test func refusesATimeLimitBelowOneSecond() throws {
    #expect(try keyError { _ = try output(["true"], timeout: 0) }.code == .usage)
  }

  /// Waits for init to have collected it; a zombie counts as ended.
  private static func ends(_ process: pid_t) -> Bool {
    for _ in 0..<200 {
      guard let stat = try? TemporaryFolder.contents("/proc/\(process)/stat") else { return true }
      if String(decoding: stat, as: UTF8.self).contains(") Z ") { return true }
      usleep(10_000)
    }
    return false
  }
}
