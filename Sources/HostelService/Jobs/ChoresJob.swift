internal import HostelStore
internal import Logging
internal import ServiceLifecycle

/// What has to be done now and then: reservations that lapse every minute, pilgrims whose term has ended every hour. Several
/// instances may do it at once; what one has done, another finds done.
struct ChoresJob: Service {
  let store: HostelStore
  let logger: Logger

  private static let pause = Duration.seconds(60)
  private static let roundsBetweenRetention = 60

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var round = 0
      while !Task.isCancelled {
        // Not at the start: instances that are started together would all come at once.
        guard (try? await Task.sleep(for: Self.pause * Double.random(in: 0.5...1))) != nil else { return }
        await attempt("lapsed reservations") { try await store.expireReservations() }
        if round % Self.roundsBetweenRetention == 0 {
          await attempt("pilgrims whose term has ended") { try await store.forgetWhatIsDue() }
        }
        round += 1
      }
    }
  }

  private func attempt(_ chore: String, _ body: () async throws -> Int) async {
    do {
      let count = try await body()
      if count > 0 { logger.info("done", metadata: ["chore": "\(chore)", "count": "\(count)"]) }
    } catch {
      logger.warning("not done now", metadata: ["chore": "\(chore)", "problem": "\(Problem(error).kind)"])
    }
  }
}
