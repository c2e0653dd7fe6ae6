import Foundation
import TestSupport
import Testing

/// What a hostel asks of its service, over HTTP, the same in both modes.
@Suite("The hostel's service", .serialized)
struct HostelServiceTests {
  @Test(arguments: Mode.allCases) func aStayGoesFromReservationToReport(_ mode: Mode) async throws {
    let house = try await House(mode)
    let client = try await house.open()
    let bed = try await client.post("/v1/beds", Guest.bed(1))
    #expect(bed.status == 201 && bed.headers["location"] == "/v1/beds/1" && bed["state"] == "available")
    let guest = try await client.post("/v1/pilgrims", Guest.json())
    #expect(guest.status == 201, "\(guest.text)")
    let id = try #require(guest["id"])
    #expect(try await client.get("/v1/pilgrims/\(id)")["document", "number"] == "12345678Z")
    let found = try await client.post("/v1/pilgrims/search", #"{"type": "NIF", "number": "12.345.678-z"}"#)
    #expect(found.status == 200 && found["id"] == id)

    let booked = try await client.post("/v1/bookings", Guest.booking(pilgrim: id, bed: "1", from: 0, nights: 2))
    #expect(booked.status == 201 && booked["total_cents"] == "3000" && booked["state"] == "reserved", "\(booked.text)")
    let place = try #require(booked.headers["location"])
    // What was written is read at once.
    #expect(try await client.get(place)["reference"] == booked["reference"])
    let free = try await client.get("/v1/availability?check_in=\(Guest.day(1))&check_out=\(Guest.day(2))")
    #expect(free.status == 200 && (free.json["items"] as? [Any])?.isEmpty == true)
    #expect(free.headers["x-albergue-age"].flatMap { Int($0) } != nil)

    #expect(try await client.post(place + "/check-in").status == 409)
    #expect(try await client.post(place + "/confirm")["state"] == "confirmed")
    let paid = try await client.post(place + "/payments", #"{"amount_cents": 3000, "means": "EFECT"}"#)
    #expect(paid.status == 201 && paid["state"] == "paid")
    #expect(try await client.post(place + "/payments", #"{"amount_cents": 1, "means": "EFECT"}"#).status == 409)
    #expect(try await client.post(place + "/check-in")["state"] == "checked_in")
    #expect(try await client.get("/v1/beds/1")["state"] == "occupied")
    #expect(try await client.get("/v1/occupancy")["taken_tonight"] == "1")
    let report = try await client.post(place + "/traveller-report")
    #expect(report.status == 201 && report["state"] == "pending", "\(report.text)")
    let xml = try await client.get(try #require(report.headers["location"]))
    #expect(
      xml.headers["content-type"] == "application/xml" && xml.text.contains("<apellido1>Peregrina-7f3a</apellido1>"))
    let noted = try await client.post("/v1/reports/\(try #require(report["id"]))/outcome", "{}")
    #expect(noted["state"] == "pending_retry" && noted["attempts"] == "1")
    #expect(try await client.post(place + "/check-out")["state"] == "checked_out")
    // The register is kept for three years.
    #expect(try await client.send("DELETE", "/v1/pilgrims/\(id)").text.contains(#""erased":false"#))

    let audit = try await client.get("/v1/audit?limit=200")
    for canary in Guest.canaries { #expect(!audit.text.contains(canary)) }
    let actions = try #require(audit.json["items"] as? [[String: Any]]).compactMap { $0["action"] as? String }
    #expect(actions.count { $0 == "READ" } == 3 && actions.count { $0 == "CREATE" } == 5, "\(actions)")
    #expect(try await client.get("/metrics").text.contains(#"requests_total{route="/v1/bookings",status="201"} 1"#))
    house.stopServices()
    try house.expectNoPlaintext()
  }

  /// Fifty ask at once, at two instances: one gets the bed.
  @Test(arguments: Mode.allCases) func ofFiftyWhoWantOneBedOneGetsIt(_ mode: Mode) async throws {
    let house = try await House(mode)
    let clients = [try await house.open("one"), try await house.open("two")]
    #expect(try await clients[0].post("/v1/beds", Guest.bed(1)).status == 201)
    let guest = try #require(try await clients[0].post("/v1/pilgrims", Guest.json())["id"])
    let body = Guest.booking(pilgrim: guest, bed: "1", from: 3, nights: 2)
    let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<50 { group.addTask { try await clients[number % 2].post("/v1/bookings", body).status } }
      return try await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
    }
    #expect(statuses == [201: 1, 409: 49])
    house.stopServices()
    try house.expectNoPlaintext()
  }

  @Test func withoutTheRemoteItStartsReadsAndRefusesToWrite() async throws {
    let house = try await House(.replica)
    let client = try await house.open()
    #expect(try await client.post("/v1/beds", Guest.bed(1)).status == 201)
    #expect(try await client.get("/v1/beds/1").status == 200)
    house.stopServices()
    house.stopPrimary()
    let again = try await house.open()
    let beds = try await again.get("/v1/beds")
    #expect(beds.status == 200 && (beds.json["items"] as? [Any])?.count == 1)
    #expect(beds.headers["x-albergue-age"].flatMap { Int($0) }.map { $0 >= 0 } == true)
    let refused = try await again.post("/v1/beds", Guest.bed(2))
    #expect(refused.status == 503 && refused.problem == "unavailable", "\(refused.text)")
    #expect(refused.headers["retry-after"] != nil && refused["detail"]?.contains("nothing was changed") == true)
    #expect(try await again.get("/admin").status == 200)
    // One that never had data says so.
    let never = Client(url: try await house.start("never").url, token: again.token)
    #expect(try await never.get("/health").problem == "not-synchronised")
    #expect(try await never.get("/v1/beds").status == 503)
    house.stopServices()
  }

  /// The remote has booked the bed, the answer is lost, and then the remote cannot be asked.
  @Test func anOutcomeThatNobodyKnowsIsSaidToBeUnknownAndFoundOutLater() async throws {
    let house = try await House(.replica, proxied: true)
    let (client, proxy) = (try await house.open(), try #require(house.proxy))
    #expect(try await client.post("/v1/beds", Guest.bed(1)).status == 201)
    let guest = try #require(try await client.post("/v1/pilgrims", Guest.json())["id"])
    try proxy.set(
      #"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#, #"{"path": "/v3/pipeline", "status": 503}"#)
    let lost = try await client.post("/v1/bookings", Guest.booking(pilgrim: guest, bed: "1", from: 1, nights: 1))
    #expect(lost.status == 503 && lost.problem == "outcome-unknown", "\(lost.text)")
    let (change, reference) = (try #require(lost["change"]), try #require(lost["reference"]))
    #expect(try await client.get("/v1/changes/\(change)")["outcome"] == "unknown")
    try proxy.set()
    #expect(try await client.get("/v1/changes/\(change)")["outcome"] == "committed")
    #expect(try await client.get("/v1/bookings/\(reference)")["state"] == "reserved")
    // What was lost on the way there was not done, and is said not to have been.
    try proxy.set(#"{"path": "/v3/pipeline", "drop": "late", "times": 1}"#)
    let refused = try await client.post("/v1/bookings", Guest.booking(pilgrim: guest, bed: "1", from: 5, nights: 1))
    #expect(refused.status == 503 && refused.problem == "unavailable", "\(refused.text)")
    #expect(try proxy.release().count == 1)
    let bookings = try await client.get("/v1/bookings")
    #expect((bookings.json["items"] as? [Any])?.count == 1)
    house.stopServices()
    try house.expectNoPlaintext()
  }

  /// Where nobody synchronises, the data is that of `migrate`, and a write brings what it needs.
  @Test func aReplicaThatNobodySynchronisesIsReadAsItIs() async throws {
    let house = try await House(.replica)
    // The file that `migrate` has left, and no interval.
    let client = try await house.open("migrating", interval: "0")
    #expect(try await client.get("/v1/beds").text == #"{"items":[],"next":null}"#)
    #expect(try await client.post("/v1/beds", Guest.bed(1)).status == 201)
    #expect(try await client.get("/v1/beds/1").status == 200)
    house.stopServices()
  }

  // MARK: - What is refused

  @Test func problemsNameTheFieldAndNotTheValue() async throws {
    let house = try await House(.file)
    let client = try await house.open(tokens: false)
    func refusal(_ json: String) async throws -> [String] {
      let answer = try await client.post("/v1/pilgrims", json)
      #expect([400, 422].contains(answer.status) && answer.headers["content-type"] == "application/problem+json")
      for canary in Guest.canaries + ["12345678A"] { #expect(!answer.text.contains(canary)) }
      return answer.pointers
    }
    #expect(try await refusal(Guest.json(number: "12345678A")) == ["/document/number"])
    #expect(try await refusal(Guest.json(born: "1980-02-30")) == ["/birth_date"])
    #expect(try await refusal(Guest.json(born: "2999-01-01")) == ["/birth_date"])
    #expect(try await refusal("{}").count == 8)
    #expect(try await refusal(#"{"Canaria-7f3a": 1, "first_name": 7}"#).contains("/first_name"))
    for text in ["", "nonsense", "[]", "7", #"{"a": }"#, String(repeating: "[", count: 5000)] {
      let answer = try await client.post("/v1/pilgrims", text)
      #expect(answer.status == 400 && answer.problem == "malformed", "\(text.prefix(20)): \(answer.status)")
    }
    let large = try await client.post("/v1/pilgrims", String(repeating: " ", count: 65 << 10) + "{}")
    #expect(large.status == 413)
    let form = try await client.send(
      "POST", "/v1/pilgrims", body: Data("a=b".utf8), headers: ["content-type": "application/x-www-form-urlencoded"])
    #expect(form.status == 415)
    #expect(try await client.send("PATCH", "/v1/beds").headers["allow"] == "GET, HEAD, POST")
    #expect(try await client.send("PATCH", "/v1/beds").status == 405)
    let head = try await client.send("HEAD", "/health")
    #expect(head.status == 200 && head.body.isEmpty)
    for path in [
      "/v1/beds?limit=0", "/v1/beds?limit=201", "/v1/beds?after=-1", "/v1/beds?limit=1&limit=2", "/v1/availability",
    ] { #expect(try await client.get(path).status == 400, "\(path)") }
    for path in ["/v1/beds/0", "/v1/beds/x", "/v1/bookings/AC-0", "/v1/bookings/AC-22222-22222", "/nothing"] {
      let answer = try await client.get(path)
      #expect(answer.status == 404 && answer.problem == "not-found", "\(path)")
    }
    let yesterday = try await client.post("/v1/bookings", Guest.booking(pilgrim: "1", bed: "1", from: -1, nights: 2))
    #expect(yesterday.status == 422 && yesterday.pointers == ["/check_in"])
    // A web page cannot use a service without tokens.
    let page = try await client.send("GET", "/v1/beds", headers: ["origin": "https://elsewhere.example"])
    #expect(page.status == 403)
    house.stopServices()
    try house.expectNoPlaintext()
  }

  @Test func tokensDecideWhoMayDoWhat() async throws {
    let house = try await House(.file)
    let writer = try await house.open()
    #expect(try await writer.get("/v1/beds").status == 200)
    let now = Int(Date().timeIntervalSince1970)
    let refused: [(String?, Int)] = [
      (nil, 401), ("nonsense", 401), (try Tokens.sign(["exp": now - 60]), 401),
      (try Tokens.sign(["nbf": now + 600]), 401),
      (try Tokens.sign([:], key: Tokens.foreignKey), 401), (try Tokens.sign(["aud": "somebody"]), 401),
      (try Tokens.sign(["id": "another", "a": "rw"]), 403),
    ]
    for (token, status) in refused {
      for path in ["/v1/beds", "/metrics", "/v1/pilgrims/1"] {
        let answer = try await Client(url: writer.url, token: token).get(path)
        #expect(answer.status == status && answer.headers["content-type"] == "application/problem+json", "\(path)")
        if let token { #expect(!answer.text.contains(token)) }
        if status == 401 { #expect(answer.headers["www-authenticate"] != nil) }
      }
    }
    let reader = Client(url: writer.url, token: try Tokens.sign(["a": "ro", "exp": now + 600]))
    #expect(try await reader.get("/v1/beds").status == 200)
    let answer = try await reader.post("/v1/beds", Guest.bed(1))
    #expect(answer.status == 403 && answer.problem == "read-only")
    #expect(try await reader.send("DELETE", "/v1/pilgrims/1").status == 403)
    // Whether it is well, and what it can do, is no secret.
    let nobody = Client(url: writer.url, token: nil)
    #expect(try await nobody.get("/health").status == 200)
    #expect(try await nobody.get("/openapi.json")["openapi"] == "3.1.0")
    house.stopServices()
  }

  @Test func listsComeInParts() async throws {
    let house = try await House(.file)
    let client = try await house.open()
    for number in 1...5 { #expect(try await client.post("/v1/beds", Guest.bed(number)).status == 201) }
    var (after, numbers) = (Optional("0"), [Int]())
    while let start = after {
      let part = try await client.get("/v1/beds?limit=2&after=\(start)")
      numbers += try #require(part.json["items"] as? [[String: Any]]).compactMap { $0["number"] as? Int }
      after = part["next"]
    }
    #expect(numbers == [1, 2, 3, 4, 5])
    house.stopServices()
  }

  @Test func theLogNamesRequestsAndNobody() async throws {
    let house = try await House(.file)
    let client = try await house.open()
    let answer = try await client.get("/v1/pilgrims/77?secret=Canaria-7f3a")
    let name = try #require(answer.headers["x-request-id"])
    #expect(answer["request_id"] == name && answer.headers["cache-control"] == "no-store")
    house.stopServices()
    let log = String(decoding: try Bytes.read(house.folder.file("one-0.log")), as: UTF8.self)
    let token = try #require(client.token)
    #expect(log.contains(name) && log.contains("/v1/pilgrims/"))
    #expect(!log.contains("Canaria-7f3a") && !log.contains("pilgrims/77") && !log.contains(token))
  }
}
