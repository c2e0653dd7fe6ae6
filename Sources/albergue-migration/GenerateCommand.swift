import ArgumentParser
import CommandSupport
import Glibc
import Migrations

struct GenerateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Make the folder of a new migration, with two scripts to fill in.",
    discussion: """
      Examples:
        albergue-migration generate add_rooms
        albergue-migration generate "add rooms" --migration-dir schema --local-time
      """)

  @Argument(help: "What it is about: letters, digits, _ and spaces.")
  var name: String

  @Flag(name: .customLong("local-time"), help: "Name it after the local time, not UTC.")
  var usesLocalTime = false

  @Flag(name: .customLong("universal-time"), help: "Name it after UTC: the default.")
  var usesUniversalTime = false

  @OptionGroup var catalog: CatalogOptions

  func validate() throws {
    if usesLocalTime && usesUniversalTime { throw ValidationError("--local-time and --universal-time contradict") }
  }

  func run() async throws {
    try StandardOutput.line("Generating migration file `\(try catalog.folder.generate(name, time: time()))`")
  }

  /// `YYYYMMDD_HHMMSS`
  private func time() -> String {
    var (now, parts) = (Glibc.time(nil), tm())
    if usesLocalTime { localtime_r(&now, &parts) } else { gmtime_r(&now, &parts) }
    func digits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let date = "\(parts.tm_year + 1900)" + digits(parts.tm_mon + 1) + digits(parts.tm_mday)
    return date + "_" + digits(parts.tm_hour) + digits(parts.tm_min) + digits(parts.tm_sec)
  }
}
