import Foundation
import TestSupport
import Testing

/// Who stops the service loses no answer that somebody waits for.
@Suite("Stopping the service", .serialized)
struct StopTests {
  /// A service whose remote keeps its answers to requests that fit `rule`, once `begin` has been asked for.
  private struct Scene {
    let house: House
    let proxy: FaultProxy
    let service: RunningService
    let client: Client

    init() async throws {
      house = try await House(.replica, proxied: true)
      proxy = try #require(house.proxy)
      service = try await house.start()
      client = try await house.client(of: service)
    }

    /// Asks for something, stops the service once the remote has been asked, and lets the remote answer when the service takes
    /// no more requests.
    func answer(
      whileHolding rule: String, _ path: String, asking: @escaping @Sendable (Client) async throws -> Client.Answer
    ) async throws -> Client.Answer {
      _ = try proxy.seen()
      try proxy.set(rule)
      let client = client
      async let answer = asking(client)
      while try !proxy.seen().contains(where: { $0.contains(path) }) { await Task.yield() }
      service.askToEnd()
      // Each on a connection of its own: the one that is under way is not theirs.
      while (try? await client.send("GET", "/health", headers: ["connection": "close"])) != nil { await Task.yield() }
      #expect(service.isRunning)
      try proxy.letGo()
      return try await answer
    }
  }

  @Test func aWriteThatIsUnderWayIsAnsweredAndThenTheProcessEnds() async throws {
    let scene = try await Scene()
    let rule = #"{"path": "/v3/pipeline", "hold": true}"#
    let answer = try await scene.answer(whileHolding: rule, "/v3/pipeline") {
      try await $0.post("/v1/beds", Guest.bed(1))
    }
    #expect(answer.status == 201 && answer["number"] == "1", "\(answer.text)")
    #expect(scene.service.wait() == 0)
    // It was made, once.
    let next = try await scene.house.client(of: try await scene.house.start())
    #expect((try await next.get("/v1/beds").json["items"] as? [Any])?.count == 1)
    scene.house.stopServices()
  }

  @Test func aReadThatWaitsForWhatWasWrittenIsAnsweredAndThenTheProcessEnds() async throws {
    let scene = try await Scene()
    // From here on every read asks the remote first.
    #expect(try await scene.client.post("/v1/beds", Guest.bed(1)).status == 201)
    let rule = #"{"method": "GET", "hold": true}"#
    let answer = try await scene.answer(whileHolding: rule, "GET") { try await $0.get("/v1/beds") }
    // On a busy machine the read may have given up waiting before; then it says so.
    let lacksWrites = answer.headers["x-albergue-lacks-writes"] == "true"
    #expect(answer.status == 200 && (answer.json["items"] as? [Any])?.count == (lacksWrites ? 0 : 1), "\(answer.text)")
    #expect(scene.service.wait() == 0)
    scene.house.stopServices()
  }
}
