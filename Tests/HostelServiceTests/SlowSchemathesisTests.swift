import Foundation
import TestSupport
import Testing

/// Schemathesis, a program that is not ours, asks everything that the served OpenAPI document allows, and much that it does
/// not: no failure of the server, no answer that the document does not have, nothing taken that it forbids, nothing open
/// that it closes.
@Suite("Schemathesis")
struct SlowSchemathesisTests {
  @Test(arguments: Mode.allCases) func theServiceDoesWhatItsDocumentSays(_ mode: Mode) async throws {
    let house = try await House(mode)
    let client = try await house.open()
    // Records for the paths that name one.
    #expect(try await client.post("/v1/beds", Guest.bed(1)).status == 201)
    let guest = try #require(try await client.post("/v1/pilgrims", Guest.json())["id"])
    let booking = try await client.post("/v1/bookings", Guest.booking(pilgrim: guest, bed: "1", from: 300, nights: 2))
    let reference = try #require(booking["reference"], "\(booking.text)")
    let report = try #require(try await client.post("/v1/bookings/\(reference)/traveller-report")["id"])
    let work = try TemporaryDirectory(named: "albergue-schemathesis")
    // 404, 409 and 422 are answers of the rules, which no schema can say.
    let settings = """
      headers = { Authorization = "Bearer ${ALBERGUE_TEST_TOKEN}" }

      [parameters]
      "path.id" = 1
      "path.reference" = "\(reference)"

      [[operations]]
      include-path-regex = "^/v1/pilgrims/"
      parameters = { "path.id" = \(guest) }

      [[operations]]
      include-path-regex = "^/v1/reports/"
      parameters = { "path.id" = \(report) }

      [checks]
      positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]
      """
    try Bytes.write(Data(settings.utf8), to: work.file("schemathesis.toml"))
    let program = Judges.root + "/.tools/judges/bin/schemathesis"
    try #require(Bytes.exists(program), "the judge schemathesis is not installed; ./taskw deps:judges installs it")
    let result = try Subprocess.run(
      "timeout",
      [
        "-s", "KILL", "600", program, "--config-file", work.file("schemathesis.toml"), "run",
        client.url + "/openapi.json", "--seed", "7", "--max-examples", "8", "--no-color", "--continue-on-failure",
      ], environment: ["ALBERGUE_TEST_TOKEN": try #require(client.token)], directory: work.path)
    #expect(result.status == 0, "\(result.output.suffix(6000)) \(result.errors.suffix(1000))")
    #expect(result.output.contains("passed"))
    house.stopServices()
    // Not one answer was a failure of the service.
    for (name, data) in try house.folder.contents() where name.hasSuffix(".log") {
      #expect(!String(decoding: data, as: UTF8.self).contains("status=500"), "\(name)")
    }
    try house.expectNoPlaintext()
  }
}
