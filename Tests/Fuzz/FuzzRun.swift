import Foundation
import TestSupport

/// Runs a worker for each decoder, one after the other, watches them, and sums up. A worker that dies or hangs is a finding;
/// the next one goes on behind the input at which it happened.
struct FuzzRun: Sendable {
  /// What one decoder was put through.
  struct Row: Sendable {
    let name: String
    var inputs = 0
    var accepted = 0
    var slowest = 0.0
    var findings: [(number: UInt64, what: String)] = []
  }

  /// When a worker is killed.
  enum Limit {
    /// Seconds of processor time for one input; a worker reports slow ones by itself before that.
    static let processorSeconds = 3.0
    /// Seconds without any progress, for one that waits and does not work.
    static let seconds = 120.0
    static let byteCount = 2 << 30
  }

  /// Deaths of workers of one decoder after which it is left.
  private static let deathCountMax = 3

  let options: FuzzOptions
  let subjects: [Subject]
  let say: @Sendable (String) -> Void

  /// - Returns: what was found, by decoder.
  func run() throws -> [Row] {
    let folder = try TemporaryDirectory(named: "albergue-fuzz")
    return try subjects.map { subject in
      var row = Row(name: subject.name)
      let amount = amount(for: subject)
      var first: UInt64 = if case .input(let number) = amount { number } else { 0 }
      let start = ContinuousClock.now
      for _ in 0..<Self.deathCountMax {
        let left = Self.left(of: amount, since: start)
        guard let death = try work(subject, from: first, left, in: folder, &row) else { break }
        row.findings.append((death.number, death.what))
        try keep(death.bytes, subject.name, death.number)
        row.inputs += Int(death.number + 1 - first)
        first = death.number + 1
        if case .input = amount { break }
      }
      for finding in row.findings {
        say("FOUND \(row.name): \(finding.what)\n  again: \(options.replay(row.name, finding.number))")
      }
      return row
    }
  }

  /// As a table of Markdown, which docs/reliability.md can take over.
  static func table(_ rows: [Row]) -> String {
    var lines = ["| decoder | inputs | accepted | slowest, ms | findings |", "|---|---:|---:|---:|---:|"]
    for row in rows {
      let slowest = String(format: "%.1f", row.slowest * 1000)
      lines.append("| \(row.name) | \(row.inputs) | \(row.accepted) | \(slowest) | \(row.findings.count) |")
    }
    let (inputs, accepted) = (rows.reduce(0) { $0 + $1.inputs }, rows.reduce(0) { $0 + $1.accepted })
    lines.append("| all | \(inputs) | \(accepted) | | \(rows.reduce(0) { $0 + $1.findings.count }) |")
    return lines.joined(separator: "\n")
  }

  private func amount(for subject: Subject) -> FuzzOptions.Amount {
    switch options.amount {
    case .minutes(let minutes): .minutes(minutes / Double(max(1, subjects.count)))
    case .inputs(let count): .inputs(max(count / UInt64(subject.cost), 1))
    case .input: options.amount
    }
  }

  private static func left(of amount: FuzzOptions.Amount, since start: ContinuousClock.Instant) -> FuzzOptions.Amount {
    guard case .minutes(let minutes) = amount else { return amount }
    return .minutes(max(0, minutes - (ContinuousClock.now - start) / .seconds(60)))
  }

  // MARK: - One worker

  private struct Death {
    let number: UInt64
    let bytes: [UInt8]
    let what: String
  }

  /// - Returns: how the worker died, if it did.
  private func work(
    _ subject: Subject, from first: UInt64, _ amount: FuzzOptions.Amount, in folder: TemporaryDirectory,
    _ row: inout Row
  ) throws -> Death? {
    let caseFile = CaseFile(path: folder.file("case"))
    try Bytes.write(Data(), to: caseFile.path)
    let (output, errors) = (folder.file("out"), folder.file("err"))
    let process = ChildProgram()
    process.executableURL = URL(
      fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    // A trap says in one line what it is; the backtrace takes longer than all else, and a replay can have it.
    process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    process.arguments = [
      "--seed", "\(options.seed)", "--only", subject.name, "--worker", caseFile.path, "--first", "\(first)",
    ]
    switch amount {
    case .minutes(let minutes): process.arguments += ["--minutes", "\(minutes)"]
    case .inputs(let count): process.arguments += ["--inputs", "\(count)"]
    case .input(let number): process.arguments += ["--input", "\(number)"]
    }
    for (path, set) in [(output, process.setOutput(_:) as (FileHandle) -> Void), (errors, process.setErrors(_:))] {
      try Bytes.write(Data(), to: path)
      set(try FileHandle(forWritingTo: URL(fileURLWithPath: path)))
    }
    try process.run()
    let stuck = watch(process, caseFile)
    process.waitUntilExit()
    for line in String(decoding: try Bytes.read(output), as: UTF8.self).split(separator: "\n") {
      switch FuzzWorker.Line(line) {
      case .finding(let number, let what): row.findings.append((number, what))
      case .done(let inputs, let accepted, let slowest, _):
        row.inputs += inputs
        row.accepted += accepted
        row.slowest = max(row.slowest, slowest)
      case nil: break
      }
    }
    if process.terminationReason == .exit, [0, 1].contains(process.terminationStatus) { return nil }
    let (number, bytes) = caseFile.last() ?? (first, [])
    let what =
      stuck ?? "ended with \(process.terminationReason == .exit ? "status" : "signal") \(process.terminationStatus)"
    return Death(number: number, bytes: bytes, what: what + Self.reason(try Bytes.read(errors)))
  }

  /// The line of a trap.
  private static func reason(_ errors: Data) -> String {
    let lines = String(decoding: errors, as: UTF8.self).split(separator: "\n")
    return lines.first { $0.contains("atal error") || $0.contains("ERROR:") }.map { ": \($0.prefix(300))" } ?? ""
  }

  /// Waits until the worker has ended, or is stuck, and kills it then.
  private func watch(_ process: ChildProgram, _ caseFile: CaseFile) -> String? {
    var last = (number: caseFile.lastNumber(), time: ContinuousClock.now, processorSeconds: 0.0)
    while process.isRunning {
      usleep(20_000)
      let use = Self.use(of: process.processIdentifier)
      let number = caseFile.lastNumber()
      if number != last.number {
        last = (number, .now, use.processorSeconds)
      } else if use.processorSeconds - last.processorSeconds > Limit.processorSeconds
        || ContinuousClock.now - last.time > .seconds(Limit.seconds)
      {
        process.send(SIGKILL)
        return "hangs"
      }
      if use.byteCount > Limit.byteCount {
        process.send(SIGKILL)
        return "takes more than \(Limit.byteCount >> 30) GiB"
      }
    }
    return nil
  }

  /// Processor time and memory of a process, from /proc. Zero for one that has ended.
  private static func use(of identifier: Int32) -> (processorSeconds: Double, byteCount: Int) {
    let status = FileManager.default.contents(atPath: "/proc/\(identifier)/stat").map {
      String(decoding: $0, as: UTF8.self)
    }
    // Behind the name of the program, in parentheses, the third field and those that follow. Source: proc_pid_stat(5).
    let fields = (status ?? "").drop { $0 != ")" }.split(separator: " ").dropFirst().map(String.init)
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Int(fields[21])
    else { return (0, 0) }
    return ((user + system) / Double(sysconf(Int32(_SC_CLK_TCK))), pages * Int(sysconf(Int32(_SC_PAGESIZE))))
  }

  /// Keeps the input of a finding.
  private func keep(_ bytes: [UInt8], _ name: String, _ number: UInt64) throws {
    try FileManager.default.createDirectory(atPath: options.cases, withIntermediateDirectories: true)
    let path = "\(options.cases)/\(name)-\(options.seed)-\(number).case"
    try Bytes.write(Data(bytes), to: path)
    say("its input is in \(path)")
  }
}
