import ArgumentParser
import CommandSupport
import HostelDomain
import HostelStore
import ReplicaSync

struct OutboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "outbox",
    abstract: "Print what has happened, one JSON object a line, in the order in which it was committed.",
    discussion: """
      For whoever passes the events on. Nothing is written: whoever reads keeps the id of the last event that it has dealt with, and \
      names it with --after, so that each event comes until it was dealt with, to any number of readers.

      Examples:
        albergue-service outbox --keyring keys --file hostel.db --after 4711 --follow
      """)

  @Option(help: "Only events after the one with this id.")
  var after: Int64 = 0

  @Flag(name: .customLong("follow"), help: "Go on with what happens from now on, until SIGTERM or Ctrl-C.")
  var goesOn = false

  @OptionGroup var database: DatabaseOptions

  func validate() throws {
    guard after >= 0 else { throw ValidationError("--after: an id, or 0 for all") }
  }

  func run() async throws {
    let store = try await database.openStore()
    do {
      try await follow(store)
    } catch is CancellationError {
      // Asked to stop.
    } catch {
      await store.database.close()
      throw error
    }
    await store.database.close()
  }

  private func follow(_ store: HostelStore) async throws {
    // Where nobody else keeps the replica fresh, this does; another process that does is waited for.
    let pause = store.database.replica.map { max($0.settings.interval, .seconds(1)) } ?? .seconds(1)
    var last = after
    while true {
      if let replica = store.database.replica, replica.settings.interval > .zero {
        do { try await replica.sync() } catch {
          try Task.checkCancellation()
          guard goesOn else { throw error }
          Diagnostics("albergue-service").note("the replica was not synchronised now; what it has is printed")
        }
      }
      var page: Page<OutboxEvent>
      repeat {
        page = try await store.events(after: last, limit: Page<OutboxEvent>.limitMax).value
        for event in page.items { try JSONOutput.print(Line(event)) }
        last = page.items.last?.id ?? last
      } while page.next != nil
      guard goesOn else { return }
      try await Task.sleep(for: pause)
    }
  }

  /// An event as it is printed.
  private struct Line: Encodable {
    let id: Int64
    let event: String
    let topic: String
    let record: String
    let at: String?

    init(_ event: OutboxEvent) {
      (id, self.event, topic, record) = (event.id, event.event, event.topic, event.recordID)
      at = event.at?.description
    }
  }
}
