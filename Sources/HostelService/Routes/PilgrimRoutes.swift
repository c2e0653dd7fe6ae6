internal import HTTPTypes
internal import HostelDomain
internal import HostelStore

struct PilgrimRoutes: Sendable {
  let hostel: Hostel

  var endpoints: [Endpoint] {
    [
      Endpoint(
        method: .post, path: "/v1/pilgrims", name: "registerPilgrim", summary: "Enters a pilgrim.", access: .writing,
        body: Self.newPilgrim, answer: (.created, .object(Self.pilgrim), "application/json"), failures: [409, 422]
      ) { call in
        let person = try Self.person(call.body)
        let problems = person.problems(on: hostel.store.today)
        guard problems.isEmpty else { throw Problem.invalid(problems) }
        let pilgrim = try await hostel.store.register(person, by: call.actor)
        return Reply(Self.json(pilgrim), location: "/v1/pilgrims/\(pilgrim.id)")
      },
      Endpoint(
        method: .post, path: "/v1/pilgrims/search", name: "findPilgrim",
        summary: "Finds a pilgrim by a document. A POST, so that no number stands in an address.",
        body: Self.search, answer: (.ok, .object(Self.pilgrim), "application/json"), failures: [404]
      ) { call in
        guard let kind = call.body["type"]?.text.flatMap({ IdentityDocument.Kind(rawValue: $0) }) else {
          throw FieldProblem("/type", "choice", "a kind of document")
        }
        let reading = try await hostel.store.pilgrim(with: kind, call.body["number"]?.text ?? "")
        await hostel.noteReading(of: "pilgrims", reading.value.id, by: call)
        return Reply(Self.json(reading.value), age: reading.age)
      },
      Endpoint(
        method: .get, path: "/v1/pilgrims/{id}", name: "getPilgrim",
        summary: "A pilgrim. The audit log says who asked.",
        parameters: [.id], answer: (.ok, .object(Self.pilgrim), "application/json"), failures: [404]
      ) { call in
        let reading = try await hostel.store.pilgrim(call.integer("id"))
        await hostel.noteReading(of: "pilgrims", reading.value.id, by: call)
        return Reply(Self.json(reading.value), age: reading.age)
      },
      Endpoint(
        method: .delete, path: "/v1/pilgrims/{id}", name: "forgetPilgrim",
        summary: "Forgets a pilgrim, or says from when on that can be done: the register is kept for three years.",
        access: .writing, parameters: [.id], answer: (.ok, .object(Self.forgotten), "application/json"),
        failures: [404, 409]
      ) { call in
        switch try await hostel.store.forget(call.integer("id"), by: call.actor) {
        case .now: return Reply(["erased": true])
        case .after(let day): return Reply(["erased": false, "not_before": .text("\(day)")])
        }
      },
    ]
  }

  // MARK: - Shapes

  private static let country = Shape.text(3...3, pattern: "^[A-Z]{3}$")
  private static let documentKind = Shape.choice(IdentityDocument.Kind.allCases.map(\.rawValue))

  private static let search = ObjectShape(
    "DocumentSearch",
    [
      Field("type", documentKind, "the kind of document"),
      Field("number", .text(1...20), "its number; blanks and hyphens do no harm"),
    ])

  private static let forgotten = ObjectShape(
    "Erasure",
    [
      Field("erased", .boolean, "whether it was done"),
      Field("not_before", .day, optional: true, "the day on which it can be done"),
    ])

  private static let document = ObjectShape(
    "Document",
    [
      Field("type", documentKind, "the kind, by its code in SES.Hospedajes"),
      Field("number", .text(1...20), "the number; no copy of the document is taken or kept"),
      Field("support", .text(1...9), optional: true, "the number of the card, with NIF and NIE"),
    ])

  private static let address = ObjectShape(
    "Address",
    [
      Field("street", .text(1...100), "street and number"),
      Field("street2", .text(1...100), optional: true, "more of it"), Field("city", .text(1...100), "the city"),
      Field("postal_code", .text(1...20), "the postal code"),
      Field("province", .text(1...100), optional: true, "the province"),
      Field("municipality_code", .text(5...5, pattern: "^[0-9]{5}$"), optional: true, "of the INE; demanded in Spain"),
      Field("country", country, "ISO 3166-1 alpha-3"),
    ])

  private static let personFields: [Field] = [
    Field("first_name", .text(1...50), "first name"), Field("last_name1", .text(1...50), "first surname"),
    Field("last_name2", .text(1...50), optional: true, "second surname, with a NIF"),
    Field("birth_date", .day, "day of birth"), Field("document", .object(document), "the document that was shown"),
    Field("sex", .choice(Sex.allCases.map(\.rawValue)), "H man, M woman, O other"),
    Field("nationality", country, "ISO 3166-1 alpha-3"), Field("phone", .text(5...20), "telephone"),
    Field("phone2", .text(5...20), optional: true, "another one"),
    Field("email", .text(3...250), optional: true, "e-mail address"),
    Field("address", .object(address), "where they live"),
    Field("language", .text(2...2, pattern: "^[a-z]{2}$"), optional: true, "ISO 639-1; default es"),
    Field("consent", .boolean, optional: true, "to what goes beyond the law's demands; default false"),
  ]

  static let newPilgrim = ObjectShape(
    "NewPilgrim", personFields,
    example: [
      "first_name": "Ana", "last_name1": "Pérez", "last_name2": "Gómez", "birth_date": "1980-05-17",
      "document": ["type": "NIF", "number": "12345678Z", "support": "AAA000001"], "sex": "M", "nationality": "ESP",
      "phone": "+34 600 000 000",
      "address": [
        "street": "Calle Mayor 1", "city": "Mérida", "postal_code": "06800", "municipality_code": "06083",
        "country": "ESP",
      ],
    ])

  static let pilgrim = ObjectShape(
    "Pilgrim",
    [Field("id", .integer(1...Int64.max), "the id")] + personFields + [
      Field("registered_at", .moment, optional: true, "when they were entered"),
      Field("retention_until", .moment, optional: true, "when the law's demand to keep the record ends"),
    ])

  // MARK: - Values

  /// - Throws: ``Problem`` 422 with every field that breaks a rule of its type.
  private static func person(_ body: JSONValue) throws(Problem) -> Pilgrim {
    var problems: [FieldProblem] = []
    func country(_ value: JSONValue?, _ pointer: String) -> Country? {
      let country = value?.text.flatMap { Country($0) }
      if country == nil { problems.append(FieldProblem(pointer, "country", "a code of ISO 3166-1 alpha-3")) }
      return country
    }
    let nationality = country(body["nationality"], "/nationality")
    let address = body["address"] ?? .null
    let home = country(address["country"], "/address/country")
    var identity: IdentityDocument?
    if let kind = body["document"]?["type"]?.text.flatMap({ IdentityDocument.Kind(rawValue: $0) }) {
      do throws(FieldProblem) {
        identity = try IdentityDocument(
          kind, number: body["document"]?["number"]?.text ?? "", support: body["document"]?["support"]?.text)
      } catch { problems.append(error.inside("/document")) }
    }
    guard let nationality, let home, let identity, let born = body["birth_date"]?.text.flatMap({ Day($0) }),
      let sex = body["sex"]?.text.flatMap({ Sex(rawValue: $0) })
    else { throw .invalid(problems) }
    return Pilgrim(
      firstName: body["first_name"]?.text ?? "", lastName1: body["last_name1"]?.text ?? "",
      lastName2: body["last_name2"]?.text, birthDate: born, document: identity, sex: sex, nationality: nationality,
      phone: body["phone"]?.text ?? "", phone2: body["phone2"]?.text, email: body["email"]?.text,
      address: Pilgrim.Address(
        street: address["street"]?.text ?? "", street2: address["street2"]?.text, city: address["city"]?.text ?? "",
        postalCode: address["postal_code"]?.text ?? "", province: address["province"]?.text,
        municipalityCode: address["municipality_code"]?.text, country: home),
      language: body["language"]?.text ?? "es", givesConsent: body["consent"]?.bool ?? false)
  }

  private static func json(_ pilgrim: RegisteredPilgrim) -> JSONValue {
    let (person, address) = (pilgrim.person, pilgrim.person.address)
    return [
      "id": .integer(pilgrim.id), "first_name": .text(person.firstName), "last_name1": .text(person.lastName1),
      "last_name2": .optional(person.lastName2), "birth_date": .text("\(person.birthDate)"),
      "document": [
        "type": .text(person.document.kind.rawValue), "number": .text(person.document.number),
        "support": .optional(person.document.support),
      ],
      "sex": .text(person.sex.rawValue), "nationality": .text("\(person.nationality)"), "phone": .text(person.phone),
      "phone2": .optional(person.phone2), "email": .optional(person.email),
      "address": [
        "street": .text(address.street), "street2": .optional(address.street2), "city": .text(address.city),
        "postal_code": .text(address.postalCode), "province": .optional(address.province),
        "municipality_code": .optional(address.municipalityCode), "country": .text("\(address.country)"),
      ],
      "language": .text(person.language), "consent": .bool(person.givesConsent),
      "registered_at": .optional(pilgrim.registered?.description),
      "retention_until": .optional(pilgrim.retentionUntil?.description),
    ]
  }
}
