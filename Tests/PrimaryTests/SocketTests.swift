import Hummingbird
import LibSQLProtocol
import Synchronization
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("WebSockets")
struct SocketTests {
  @Test func aTokenThatExpiresEndsTheWorkOfAnOpenSocketUntilTheNextHello() async throws {
    let served = try await ServedStore()
    let clock = Clock(time: testTime)
    let gate = Gate(Authenticator(.tokens(try verifier { clock.time })), ServedDatabase(served: served.database))
    let tokens = try TokenJudge.sign([
      .claims(["exp": .number(testTime + 60)]), .claims(["exp": .number(testTime + 600)]),
    ])
    let state = SocketState(gate)
    await state.admit(try await gate.admit(hello: .init(tokens[0]), [:]))
    #expect(Self.isTaken(await state.receive(.openStream(stream: 1), id: 1)))
    clock.time = testTime + 60 + TokenVerifier.leeway
    let refused = await state.receive(.openStream(stream: 2), id: 2)
    guard case .answered(.responseError(id: 2, let error)) = refused else {
      Issue.record("\(refused)")
      return
    }
    #expect(error.code == "AUTH_JWT_EXPIRED")
    await state.admit(try await gate.admit(hello: .init(tokens[1]), [:]))
    #expect(Self.isTaken(await state.receive(.openStream(stream: 3), id: 3)))
    await state.finish()
    await served.database.close()
  }

  private static func isTaken(_ arrival: SocketState.Arrival) -> Bool {
    if case .queued = arrival { true } else { false }
  }
}

/// A clock that is set by hand.
private final class Clock: Sendable {
  private let now: Mutex<Double>

  init(time: Double) { now = Mutex(time) }

  /// Seconds since 1970.
  var time: Double {
    get { now.withLock { $0 } }
    set { now.withLock { $0 = newValue } }
  }
}
