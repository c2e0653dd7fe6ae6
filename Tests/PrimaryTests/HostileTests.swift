import Foundation
import TestSupport
import Testing

/// What no honest client sends, to the real server: it answers, goes on, and stays small.
@Suite("Hostile clients", .serialized)
struct HostileTests {
  /// Runs a scenario of `Clients/hostile.py`.
  ///
  /// - Returns: the highest memory of the server, in MiB.
  @discardableResult
  private func attack(_ scenario: String, _ arguments: [String] = []) throws -> Int {
    let server = try ServerProcess(arguments)
    let result = try Subprocess.run(
      "timeout", ["-s", "KILL", "600", "python3", ClientProgram.folder + "/hostile.py", server.url, scenario])
    #expect(result.status == 0, "\(result.errors)\n\(server.errors)")
    let memory = try server.highestMemory()
    #expect(server.stop() == 0, "\(server.errors)")
    return memory
  }

  @Test func malformedRequestsGetAClearError() throws { try attack("malformed") }

  @Test func wrongBatonsGetAClearError() throws { try attack("batons") }

  @Test func unknownPathsAndBadFramesGetAClearError() throws { try attack("paths") }

  @Test func largeRequestsAreRefusedInBoundedMemory() throws {
    // The server has to close before its own limit for connections that do nothing, and the client's for reading.
    #expect(try attack("large", ["--connection-idle-secs", "300", "--request-secs", "300"]) < 400)
  }

  @Test func connectionsMayEndAnywhere() throws { try attack("broken") }

  @Test func slowClientsAreCutOff() throws {
    try attack("slow", ["--request-secs", "1", "--connection-idle-secs", "1"])
  }

  @Test func aThousandIdleStreamsNeedLittle() throws {
    #expect(try attack("idle") < 200)
  }

  @Test func wrongWebSocketsAreClosed() throws { try attack("sockets") }
}
