import Foundation
import TestSupport
import Testing

/// kill -9 at every place that matters: the named crash points, and before every system call that changes the disk.
@Suite("Slow: killed at every step")
struct SlowCrashTests {
  let work: Workspace
  let digest: String

  init() throws {
    work = try Workspace()
    try work.makeSample("first.db")
    try work.runWithFirstKey("export", "first.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    digest = try #require(work.digest("first.db", key: TestKeys.firstHex))
  }

  /// The names in the source text, so that a new crash point cannot be forgotten here.
  static let points: [String] = {
    let sources = SourceText.all.values.joined(separator: "\n")
    return Set(sources.matches(of: /CrashPoint\.reach\("([^"]+)"\)/).map { String($0.output.1) }).sorted()
  }()

  /// Command lines that together pass all points; `%` stands for the file.
  private static let rekeyPages = ["rekey", "x.db", "--new-key-file", "second.key", "--key-file", "first.key"]
  private static let rekeyProfile = ["rekey", "x.db", "--cipher", "sqlcipher4-sha256", "--key-file", "first.key"]
  private static let importing = ["import", "plain.db", "x.db", "--key-file", "first.key"]
  private static let recovering = ["recover", "first.db", "x.db", "--key-file", "first.key"]

  private func reset(source: String? = "first.db") throws {
    for name in try work.names(beginningWith: "x.db") { try FileManager.default.removeItem(atPath: work.file(name)) }
    if let source { try work.copy(source, to: "x.db") }
  }

  @Test func thereAreCrashPoints() { #expect(Self.points.count >= 9) }

  @Test(arguments: points) func survivesEveryNamedPoint(point: String) throws {
    var reached = 0
    for command in [Self.rekeyPages, Self.rekeyProfile, Self.importing, Self.recovering] {
      for judgesOpen in command == Self.rekeyPages ? [false, true] : [false] {
        try reset(source: command[0] == "rekey" ? "first.db" : nil)
        let killed = try Tool.run(
          command, environment: ["ALBERGUE_CRASH_POINT": point], directory: work.folder.path)
        guard killed.status != 0 else { continue }
        #expect(killed.status == 137, "\(point): \(killed.errors)")
        reached += 1
        try judge(command, "\(command[0]) at \(point)", judgesOpen: judgesOpen)
      }
    }
    #expect(reached > 0, "no command reaches the crash point \(point)")
  }

  private func judge(_ command: [String], _ cause: String, judgesOpen: Bool = false) throws {
    let judge = CrashJudge(work: work, cause: cause)
    switch command {
    case Self.importing: try judge.judgeCopy("import", "plain.db", sourceKey: nil, "x.db", digest: digest)
    case Self.recovering:
      try judge.judgeCopy("recover", "first.db", sourceKey: TestKeys.firstHex, "x.db", digest: digest)
    case Self.rekeyProfile: try judge.judgeRekey("x.db", digest: digest, newSettings: sha256Settings)
    default:
      if judgesOpen {
        try judge.judgeOpen("x.db", digest: digest)
      } else {
        try judge.judgeRekey("x.db", digest: digest)
      }
    }
  }

  /// Counts the calls of one kind in an undisturbed run, then kills a run before each of them.
  ///
  /// strace delivers the signal on entry, so that the call itself does not happen.
  @Test(arguments: ["rekey", "profile", "import"], ["rename,renameat2", "link", "unlink", "fsync", "ftruncate"])
  func survivesAKillBeforeEverySystemCall(kind: String, calls: String) throws {
    try Tool.require("strace")
    let command =
      switch kind {
      case "rekey": Self.rekeyPages
      case "profile": Self.rekeyProfile
      default: Self.importing
      }
    var count = 0
    while true {
      try reset(source: kind == "import" ? nil : "first.db")
      let inject = "inject=\(calls):signal=SIGKILL:when=\(count + 1)"
      let killed = try Tool.run(
        command, wrapper: ["strace", "-f", "-qq", "-o", work.file("trace"), "-e", "trace=\(calls)", "-e", inject],
        directory: work.folder.path)
      if killed.status == 0 { break }
      try #require(killed.status == 137, "\(killed.errors)")
      count += 1
      try judge(command, "\(kind) before \(calls) number \(count)")
      try #require(count < 60)
    }
    let isExpected = !(calls == "link" || calls == "rename,renameat2" && kind == "import")
    if isExpected && calls != "ftruncate" { #expect(count > 0, "\(kind) makes no call of \(calls)") }
  }

  /// A disk that fails in every way it can: the run says 74 and the file is as it was.
  @Test(arguments: ["rekey", "profile", "import"], ["fsync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EIO"])
  func anErrorOfTheDiskIsSaidAndUndone(kind: String, fault: String) throws {
    try Tool.require("strace")
    let command = kind == "rekey" ? Self.rekeyPages : kind == "profile" ? Self.rekeyProfile : Self.importing
    let call = String(fault.prefix { $0 != ":" })
    for number in [1, 2, 3, 4, 5, 7, 11, 20, 60] {
      try reset(source: kind == "import" ? nil : "first.db")
      let inject = ["-e", "trace=\(call)", "-e", "inject=\(fault):when=\(number)"]
      let result = try Tool.run(
        command, wrapper: ["strace", "-f", "-qq", "-o", work.file("trace")] + inject, directory: work.folder.path)
      let wasInjected = String(decoding: try Bytes.read(work.file("trace")), as: UTF8.self).contains("(INJECTED)")
      guard wasInjected else { break }
      let cause = "\(kind) with \(fault) at call \(number)"
      // An error after the file was put in place may be said; before that, it must be.
      if result.status != 0 {
        #expect(result.status == 74, "\(cause): \(result.status) \(result.errors)")
        #expect(result.errors.contains("albergue-crypt: error: "), "\(cause)")
        #expect(try work.leftovers() == [], "\(cause)")
      }
      if kind != "import" || Bytes.exists(work.file("x.db")) || result.status != 0 { try judge(command, cause) }
      if result.status == 0 && kind != "import" { #expect(call == "fsync" || number > 1, "\(cause): not noticed") }
    }
  }
}
