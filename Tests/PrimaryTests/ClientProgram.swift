import Foundation
import TestSupport
import Testing

/// A program of `Clients/`, which does the whole job of an official client against a server.
struct ClientProgram {
  static let folder = Judges.root + "/Tests/PrimaryTests/Clients"

  /// What it saw.
  struct Report: Decodable {
    let client: String
    let dump: [String]
  }

  let name: String
  /// The packages it needs, as `taskfiles/judges.txt` names them.
  let packages: [String]

  /// Runs it to the end, which has to be a good one.
  func run(_ url: String, token: String, environment: [String: String] = [:]) throws -> Report {
    let result = try result(url, token: token, environment: environment)
    try #require(
      result.status == 0,
      "\(name).py ended with \(result.status)\(result.status == 137 ? " (killed: it hung)" : ""): \(result.errors.suffix(2000))"
    )
    // Some clients log to standard output; the report comes last.
    let report = try #require(result.output.split(separator: "\n").last, "\(name).py printed nothing")
    return try JSONDecoder().decode(Report.self, from: Data(report.utf8))
  }

  /// Runs it to the end, whatever that is.
  ///
  /// - Parameter seconds: a client that hangs is killed, so that it fails its test and not the run.
  func result(
    _ url: String, token: String, environment: [String: String] = [:], seconds: Int = 100
  ) throws -> Subprocess {
    let python = Judges.root + "/.tools/judges/bin/python3"
    for package in packages {
      let pinned = try Subprocess.run("grep", ["-q", "^\(package)==", Judges.root + "/.tools/judges/judges.txt"])
      try #require(pinned.status == 0, "the judge \(package) is not installed; ./taskw deps:judges installs it")
    }
    let work = try TemporaryDirectory(named: "albergue-client")
    var variables = environment
    variables["TURSO_AUTH_TOKEN"] = token
    let line = ["timeout", "-s", "KILL", String(seconds), python, "\(Self.folder)/\(name).py", url, work.path]
    return try Subprocess.run(line[0], Array(line.dropFirst()), environment: variables, directory: work.path)
  }
}
