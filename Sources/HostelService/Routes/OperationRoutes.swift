internal import EncryptedStorage
internal import HTTPTypes
internal import HostelDomain
internal import HostelStore
internal import ReplicaSync

/// What operators ask for.
struct OperationRoutes: Sendable {
  let hostel: Hostel

  var endpoints: [Endpoint] {
    [
      Endpoint(
        method: .get, path: "/health", name: "health",
        summary: "Whether there is something to read, and how old it is. 503 when there is nothing.", access: .open,
        answer: (.ok, .object(Self.health), "application/json")
      ) { _ in
        let health = try await hostel.health()
        guard health.isReadable else {
          throw StoreError(.notSynchronised, "the replica has no data yet, or not the tables of this service")
        }
        return Reply(health.json)
      },
      Endpoint(
        method: .get, path: "/metrics", name: "metrics", summary: "Counters for Prometheus.",
        answer: (.ok, nil, "text/plain; version=0.0.4")
      ) { _ in
        let state = try await hostel.store.database.state()
        let lag = state.lagSeconds.map(Double.init) ?? .nan
        // A replica without data or tables has other gauges that say so.
        let reports = try? await hostel.store.reportCounts()
        return Reply(
          text: hostel.metrics.text([
            ("replica_lag_seconds", "Seconds since the last sync.", lag),
            ("replica_position", "Position in the history of the remote.", state.position.map(Double.init) ?? .nan),
            ("replica_readable", "Whether there is something to read.", state.isReadable ? 1 : 0),
            ("reports_waiting", "Traveller reports that wait to be sent.", reports.map { Double($0.waiting) } ?? .nan),
            (
              "reports_overdue", "Stays of more than 24 hours without a report that was accepted.",
              reports.map { Double($0.overdue) } ?? .nan
            ),
          ]))
      },
      Endpoint(
        method: .get, path: "/v1/occupancy", name: "getOccupancy", summary: "How full the house is.",
        answer: (.ok, .object(Self.occupancy), "application/json")
      ) { _ in
        let reading = try await hostel.store.occupancy()
        return Reply(
          [
            "beds": .integer(Int64(reading.value.bedCount)),
            "taken_tonight": .integer(Int64(reading.value.takenTonight)),
            "arrivals": .integer(Int64(reading.value.arrivals)),
            "departures": .integer(Int64(reading.value.departures)),
            "waiting_reports": .integer(Int64(reading.value.waitingReports)),
          ], age: reading.age)
      },
      Endpoint(
        method: .get, path: "/v1/changes/{change}", name: "getChange",
        summary: "What became of a change whose outcome was not known.",
        parameters: [
          Endpoint.Parameter(
            name: "change", shape: .text(36...36, pattern: "^[0-9a-f-]{36}$"), isInPath: true, isRequired: true,
            meaning: "the name that the problem gave")
        ], answer: (.ok, .object(Self.change), "application/json"), failures: [404]
      ) { call in
        let outcome = try await hostel.store.database.outcome(of: call.text("change") ?? "")
        return Reply(["outcome": .text(outcome.rawValue)])
      },
      Endpoint(
        method: .post, path: "/v1/retention", name: "applyRetention",
        summary: "Forgets those whose term has ended, a hundred at a time. The service does so by itself, every hour.",
        access: .writing, answer: (.ok, .object(Self.retention), "application/json")
      ) { _ in
        Reply(["forgotten": .integer(Int64(try await hostel.store.forgetWhatIsDue()))])
      },
    ]
  }

  static let health = ObjectShape(
    "Health",
    [
      Field("status", .choice(["ok", "stale"]), "stale: the last sync was longer ago than three intervals"),
      Field("mode", .choice(["libsql_embedded_replica", "seaorm_sqlite"]), "DB_MODE"),
      Field("lag_seconds", .integer(0...Int64.max), optional: true, "since the last sync"),
      Field("position", .integer(0...Int64.max), optional: true, "in the history of the remote"),
      Field("is_synchronised", .boolean, "whether a process keeps the replica fresh"),
      Field("sync_failed", .boolean, "whether the last sync failed; the admin page says why"),
    ])

  private static let occupancy = ObjectShape(
    "Occupancy",
    ["beds", "taken_tonight", "arrivals", "departures", "waiting_reports"].map {
      Field($0, .integer(0...Int64.max), "a number")
    })

  private static let change = ObjectShape(
    "ChangeOutcome",
    [
      Field(
        "outcome", .choice([HostelDatabase.Outcome.committed, .notCommitted, .unknown].map(\.rawValue)),
        "unknown: ask again; not_committed: it did not happen, and will not")
    ])

  private static let retention = ObjectShape(
    "Retention", [Field("forgotten", .integer(0...100), "how many pilgrims")])
}

/// How the service is.
struct Health: Sendable {
  let state: HostelDatabase.State
  let isReadable: Bool
  let isStale: Bool
  let lastError: String?

  var json: JSONValue {
    [
      "status": isStale ? "stale" : "ok", "mode": .text(state.mode.rawValue),
      "lag_seconds": .optional(state.lagSeconds),
      "position": .optional(state.position), "is_synchronised": .bool(state.isBeingSynchronised),
      "sync_failed": .bool(lastError != nil),
    ]
  }
}

extension Hostel {
  func health() async throws -> Health {
    let state = try await store.database.state()
    var isReadable = state.isReadable
    if isReadable {
      do { isReadable = try await store.missingMigrations().isEmpty } catch let error as StoreError
        where [.schema, .notSynchronised].contains(error.code)
      { isReadable = false }
    }
    return Health(
      state: state, isReadable: isReadable, isStale: syncs.isStale(lagSeconds: state.lagSeconds),
      lastError: syncs.lastError)
  }
}
