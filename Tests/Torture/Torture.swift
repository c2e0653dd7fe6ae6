import Foundation
import TestSupport

/// Runs seeded rounds of everything that can go wrong, until the time is over, and prints a summary. Started by
/// `./taskw torture`; docs/reliability.md says what the rounds do.
///
/// Exit codes: 0 every check held; 1 a check failed; 64 usage.
@main
enum Torture {
  static func main() async {
    let options: TortureOptions
    do { options = try TortureOptions(CommandLine.arguments.dropFirst()) } catch {
      say("torture: \(error)\n\(TortureOptions.usage)")
      exit(64)
    }
    say("torture: seed \(options.seed), \(options.limitDescription)")
    let summary = await TortureRun(options) { say($0) }.run()
    say(summary.table)
    for failure in summary.failures { say("FAILED \(failure.round)\n  \(failure.what)\n  again: \(failure.replay)") }
    exit(summary.failures.isEmpty ? 0 : 1)
  }

  /// At once: whoever waits sees how far it is.
  private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
