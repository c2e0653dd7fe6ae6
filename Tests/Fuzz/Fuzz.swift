import Foundation
import TestSupport

/// Gives changed inputs to every decoder, and prints a summary. Started by `./taskw fuzz`; docs/reliability.md says what is
/// checked.
///
/// Exit codes: 0 nothing was found; 1 something was; 64 usage.
#if !COVERAGE
  @main
#endif
enum Fuzz {
  static func main() async {
    let options: FuzzOptions
    let subjects: [Subject]
    do {
      options = try FuzzOptions(CommandLine.arguments.dropFirst())
      subjects = try options.chosen(of: Subject.all)
    } catch {
      say("fuzz: \(error)\n\(FuzzOptions.usage)")
      exit(64)
    }
    do {
      if options.lists {
        say(subjects.map(\.name).joined(separator: "\n"))
      } else if let (caseFile, first) = options.worker {
        let worker = FuzzWorker(subject: subjects[0], seed: options.seed, caseFile: caseFile)
        exit(try await worker.run(first: first, options.amount) { say($0.text) } ? 0 : 1)
      } else {
        say("fuzz: seed \(options.seed), \(subjects.count) decoders")
        let rows = try FuzzRun(options: options, subjects: subjects) { say($0) }.run()
        say(FuzzRun.table(rows))
        exit(rows.allSatisfy(\.findings.isEmpty) ? 0 : 1)
      }
    } catch {
      say("fuzz: \(error)")
      exit(70)
    }
  }

  /// At once: whoever waits sees how far it is.
  private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
