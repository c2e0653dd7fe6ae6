internal import HTTPTypes
internal import HostelDomain
internal import HostelStore

struct BedRoutes: Sendable {
  let hostel: Hostel

  var endpoints: [Endpoint] {
    [
      Endpoint(
        method: .get, path: "/v1/beds", name: "listBeds", summary: "The beds, in the order of their ids.",
        parameters: [.after, .limit], answer: (.ok, Self.list, "application/json")
      ) { call in
        let reading = try await hostel.store.beds(after: call.after, limit: call.limit)
        return Reply(.page(reading.value, Self.json), age: reading.age)
      },
      Endpoint(
        method: .post, path: "/v1/beds", name: "addBed", summary: "Adds a bed.", access: .writing, body: Self.newBed,
        answer: (.created, .object(Self.bed), "application/json"), failures: [409]
      ) { call in
        guard let price = call.body["price_cents"]?.integer.flatMap({ Money(cents: $0) }) else {
          throw FieldProblem("/price_cents", "range", "an amount")
        }
        let new = NewBed(
          number: call.body["number"]?.integer ?? 0, roomNumber: call.body["room_number"]?.integer ?? 0,
          roomName: call.body["room_name"]?.text ?? "", roomType: call.body["room_type"]?.text ?? "dormitory",
          price: price)
        let bed = try await hostel.store.add(new, by: call.actor)
        return Reply(Self.json(bed), location: "/v1/beds/\(bed.id)")
      },
      Endpoint(
        method: .get, path: "/v1/beds/{id}", name: "getBed", summary: "A bed.", parameters: [.id],
        answer: (.ok, .object(Self.bed), "application/json"), failures: [404]
      ) { call in
        let reading = try await hostel.store.bed(call.integer("id"))
        return Reply(Self.json(reading.value), age: reading.age)
      },
      Endpoint(
        method: .put, path: "/v1/beds/{id}/state", name: "setBedState",
        summary: "Says what state a bed is in now: cleaned, out of order.", access: .writing, parameters: [.id],
        body: ObjectShape("BedStateChange", [Field("state", Self.state, "the state that it has now")]),
        answer: (.ok, .object(Self.bed), "application/json"), failures: [404, 409]
      ) { call in
        guard let state = call.body["state"]?.text.flatMap({ BedState(rawValue: $0) }) else {
          throw FieldProblem("/state", "choice", "a state")
        }
        return Reply(Self.json(try await hostel.store.setBed(call.integer("id"), to: state, by: call.actor)))
      },
      Endpoint(
        method: .get, path: "/v1/availability", name: "listFreeBeds",
        summary: "Beds that are free in every night of a stay.",
        parameters: [
          Endpoint.Parameter(name: "check_in", shape: .day, isRequired: true, meaning: "the day of arrival"),
          Endpoint.Parameter(
            name: "check_out", shape: .day, isRequired: true, meaning: "the day of departure, which is free again"),
          .after, .limit,
        ], answer: (.ok, Self.list, "application/json"), failures: [422]
      ) { call in
        let stay = try Self.stay(call.text("check_in"), call.text("check_out"))
        let reading = try await hostel.store.freeBeds(for: stay, after: call.after, limit: call.limit)
        return Reply(.page(reading.value, Self.json), age: reading.age)
      },
    ]
  }

  /// - Throws: `FieldProblem`.
  static func stay(_ checkIn: String?, _ checkOut: String?) throws(FieldProblem) -> Stay {
    guard let checkIn = checkIn.flatMap({ Day($0) }), let checkOut = checkOut.flatMap({ Day($0) }) else {
      throw FieldProblem("", "format", "days as YYYY-MM-DD")
    }
    return try Stay(checkIn: checkIn, checkOut: checkOut)
  }

  private static let state = Shape.choice(BedState.allCases.map(\.rawValue))
  private static let roomType = Shape.choice(["dormitory", "private"])

  private static let newBed = ObjectShape(
    "NewBed",
    [
      Field("number", .integer(1...9999), "the number on the bed"),
      Field("room_number", .integer(1...9999), "the number of the room"),
      Field("room_name", .text(1...50), "the name of the room"),
      Field("room_type", roomType, optional: true, "default dormitory"),
      Field("price_cents", .integer(0...1_000_000), "the price of a night, in euro cents"),
    ], example: ["number": 24, "room_number": 3, "room_name": "Dormitorio C", "price_cents": 1500])

  static let bed = ObjectShape(
    "Bed",
    [
      Field("id", .integer(1...Int64.max), "the id"), Field("number", .integer(0...Int64.max), "the number on the bed"),
      Field("room_number", .integer(0...Int64.max), "the number of the room"),
      Field("room_name", .text(0...200), "the name of the room"),
      Field("room_type", .text(0...200), "dormitory or private"),
      Field("price_cents", .integer(0...Money.centsMax), "the price of a night, in euro cents"),
      Field("state", state, "the state that it has now"),
    ])

  private static let list = Shape.object(.page("BedPage", .object(bed)))

  static func json(_ bed: Bed) -> JSONValue {
    [
      "id": .integer(bed.id), "number": .integer(bed.number), "room_number": .integer(bed.roomNumber),
      "room_name": .text(bed.roomName), "room_type": .text(bed.roomType), "price_cents": .integer(bed.price.cents),
      "state": .text(bed.state.rawValue),
    ]
  }
}

extension ObjectShape {
  /// A part of a list.
  static func page(_ name: String, _ item: Shape) -> ObjectShape {
    ObjectShape(
      name,
      [
        Field("items", .list(item, countMax: Page<Int>.limitMax), "the part"),
        Field("next", .integer(1...Int64.max), optional: true, "`after` for the next part; null at the end"),
      ])
  }
}

extension JSONValue {
  static func page<Item>(_ page: Page<Item>, _ json: (Item) -> JSONValue) -> JSONValue {
    ["items": .array(page.items.map(json)), "next": .optional(page.next)]
  }
}
