import Foundation
import TestSupport
import Testing

@Suite("albergue-service outbox", .serialized)
struct OutboxTests {
  @Test(arguments: Mode.allCases) func printsOneObjectForEachEventAfterTheOneThatWasNamed(_ mode: Mode) async throws {
    let house = try await House(mode)
    let client = try await house.open()
    for number in 1...3 { #expect(try await client.post("/v1/beds", Guest.bed(number)).status == 201) }
    #expect(try await client.post("/v1/pilgrims", Guest.json()).status == 201)
    func events(after id: String) throws -> [[String: Any]] {
      let run = try Subprocess.run(
        Executables.path("albergue-service"), ["outbox", "--after", id], environment: house.environment("reader"))
      #expect(run.status == 0, "\(run.errors)")
      for canary in Guest.canaries { #expect(!run.output.contains(canary)) }
      return try run.output.split(separator: "\n").map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
    }
    let all = try events(after: "0")
    #expect(
      all.map { $0["topic"] as? String } == Array(repeating: "albergue.v1.bed.added", count: 3) + [
        "albergue.v1.pilgrim.registered"
      ])
    let last = try #require(all.last?["id"] as? Int)
    #expect(try events(after: "\(last - 1)").count == 1)
    #expect(try events(after: "\(last)").isEmpty)
    // What is printed names every change as the service does.
    let change = try #require(all.last?["event"] as? String)
    #expect(try await client.get("/v1/changes/\(change)")["outcome"] == "committed")
    house.stopServices()
    try house.expectNoPlaintext()
  }
}
