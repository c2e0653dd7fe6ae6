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

  /// Runs it to the end.
  ///
  /// - Parameters:
  ///   - seconds: a client that hangs is killed, so that it fails its test and not the run.
  func run(
    _ url: String, token: String, environment: [String: String] = [:], seconds: Int = 100
  ) throws -> Report {
    let python = Judges.root + "/.tools/judges/bin/python3"
    for package in packages {
      let pinned = try Subprocess.run("grep", ["-q", "^\(package)==", Judges.root + "/.tools/judges/judges.txt"])
      try #require(pinned.status == 0, "the judge \(package) is not installed; ./taskw deps:judges installs it")
    }
    let work = try TemporaryDirectory(named: "albergue-client")
    var variables = environment
    variables["TURSO_AUTH_TOKEN"] = token
    let line = ["timeout", "-s", "KILL", String(seconds), python, "\(Self.folder)/\(name).py", url, work.path]
    let result = try Subprocess.run(line[0], Array(line.dropFirst()), environment: variables, directory: work.path)
    try #require(
      result.status == 0,
      "\(name).py ended with \(result.status)\(result.status == 137 ? " (killed: it hung)" : ""): \(result.errors.suffix(2000))"
    )
    return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
  }
}
