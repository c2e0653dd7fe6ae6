internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

package struct RegisteredPilgrim: Sendable, Hashable {
  package let id: Int64
  package let person: Pilgrim
  package let registered: Instant?
  /// The day on which the law's demand to keep the record ends, where a stay has begun it.
  package let retentionUntil: Instant?

  /// Columns that hold what only the key reads.
  static let encryptedColumns = [
    "first_name_encrypted", "last_name1_encrypted", "last_name2_encrypted", "birth_date_encrypted",
    "document_number_encrypted", "document_support", "phone_encrypted", "phone2_encrypted", "email_encrypted",
    "address_street_encrypted", "address_street2_encrypted", "address_city_encrypted",
  ]

  static let columns = """
    r.id, r.first_name_encrypted, r.last_name1_encrypted, r.last_name2_encrypted, r.birth_date_encrypted,
    r.document_type, r.document_number_encrypted, r.document_support, r.gender, r.nationality, r.phone_encrypted,
    r.phone2_encrypted, r.email_encrypted, r.address_country, r.address_street_encrypted, r.address_street2_encrypted,
    r.address_city_encrypted, r.address_postal_code, r.address_province, r.address_municipality_code, r.language,
    r.consent_given, r.created_at, r.data_retention_until
    """

  init(_ values: [Value], _ cipher: FieldCipher) throws(StoreError) {
    let reader = RecordReader("pilgrims", values)
    let row = try reader.integer(0)
    func open(_ index: Int, _ column: String) throws(StoreError) -> String? {
      guard let text = reader.text(index) else { return nil }
      return try cipher.decrypt(text, at: FieldPlace("pilgrims", column, row: row))
    }
    func need<T>(_ value: T?, _ column: String) throws(StoreError) -> T {
      guard let value else { throw StoreError(.damaged, "the column \(column) of a pilgrim holds what it should not") }
      return value
    }
    id = row
    let number = try need(open(6, "document_number_encrypted"), "document_number")
    let kind: IdentityDocument.Kind = try reader.code(5)
    // Other programs write it in clear, as its name says; a support number has no colon.
    var support = reader.text(7)
    if support?.contains(":") == true { support = try open(7, "document_support") }
    let document: IdentityDocument
    do throws(FieldProblem) {
      document = try IdentityDocument(kind, number: number, support: support)
    } catch { throw StoreError(.damaged, "the document of a pilgrim is none") }
    person = Pilgrim(
      firstName: try need(open(1, "first_name_encrypted"), "first_name"),
      lastName1: try need(open(2, "last_name1_encrypted"), "last_name1"),
      lastName2: try open(3, "last_name2_encrypted"),
      birthDate: try need(open(4, "birth_date_encrypted").flatMap { Day($0) }, "birth_date"), document: document,
      sex: try reader.code(8), nationality: try need(reader.text(9).flatMap { Country($0) }, "nationality"),
      phone: try need(open(10, "phone_encrypted"), "phone"), phone2: try open(11, "phone2_encrypted"),
      email: try open(12, "email_encrypted"),
      address: Pilgrim.Address(
        street: try need(open(14, "address_street_encrypted"), "address_street"),
        street2: try open(15, "address_street2_encrypted"),
        city: try need(open(16, "address_city_encrypted"), "address_city"), postalCode: try reader.need(17) { $0.text },
        province: reader.text(18), municipalityCode: reader.text(19),
        country: try need(reader.text(13).flatMap { Country($0) }, "address_country")),
      language: reader.text(20) ?? "es", givesConsent: values[21].integer == 1)
    registered = reader.instant(22)
    retentionUntil = reader.instant(23)
  }
}

extension HostelStore {
  /// - Throws: ``StoreError`` `.notFound`, also for one who was forgotten; `.damaged` when the key does not fit.
  package func pilgrim(_ id: Int64) async throws -> HostelDatabase.Reading<RegisteredPilgrim> {
    let cipher = cipher
    return try await database.read { session in try Self.pilgrim(id, session, cipher) }
  }

  static func pilgrim(_ id: Int64, _ session: Session, _ cipher: FieldCipher) throws -> RegisteredPilgrim {
    let found = try session.query(
      "SELECT \(RegisteredPilgrim.columns) FROM pilgrims r WHERE r.id = ? AND r.first_name_encrypted <> ?",
      [.integer(id), .text(Retention.erasedText)]
    ) { try RegisteredPilgrim($0.values, cipher) }
    guard let pilgrim = found.first else { throw StoreError(.notFound, "there is no pilgrim with this id") }
    return pilgrim
  }

  /// Finds somebody by a document, without decrypting anybody else's.
  package func pilgrim(
    with kind: IdentityDocument.Kind, _ number: String
  ) async throws -> HostelDatabase.Reading<RegisteredPilgrim> {
    let cipher = cipher
    let codes = try cipher.lookupCodes(kind, number)
    return try await database.read { session in
      for code in codes {
        let id = try session.value("SELECT id FROM pilgrims WHERE document_hash = ?", [.text(code)])
        if let id = id.integer { return try Self.pilgrim(id, session, cipher) }
      }
      throw StoreError(.notFound, "there is no pilgrim with this document")
    }
  }

  /// Enters somebody. `person` has been checked.
  ///
  /// - Throws: ``StoreError`` `.conflict` when somebody has this document already.
  package func register(_ person: Pilgrim, by actor: Actor) async throws -> RegisteredPilgrim {
    let now = now
    let codes = try cipher.lookupCodes(person.document.kind, person.document.number)
    let code = Value.text(codes[0])
    let marks = codes.map { _ in "?" }.joined(separator: ", ")
    let id = Identifier.number(at: now)
    let columns = try encrypted(person, row: id)
    let change = Change(
      .pilgrimRegistered, in: "pilgrims", record: ("SELECT ?", [.integer(id)]),
      columns: RegisteredPilgrim.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO pilgrims (id, \(columns.map(\.0).joined(separator: ", ")), document_hash, consent_given, consent_date,
          created_at, updated_at)
        SELECT ?, \(columns.map { _ in "?" }.joined(separator: ", ")), ?, ?, ?, ?, ?
        WHERE NOT EXISTS (SELECT 1 FROM pilgrims WHERE document_hash IN (\(marks)))
        """,
        [.integer(id)] + columns.map(\.1) + [
          code, .flag(person.givesConsent), person.givesConsent ? .text(now.stored) : .null, .text(now.stored),
          .text(now.stored),
        ] + codes.map { .text($0) }),
      new: ["document_type": person.document.kind.rawValue, "consent_given": person.givesConsent ? "1" : "0"])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "there is a pilgrim with this document")
    }
    return try RegisteredPilgrim(record, cipher)
  }

  /// The columns of a person. Postal code, province, municipality, country, sex and nationality are in clear within the
  /// encrypted file, as the schema has them; `id_photo_url` stays NULL.
  private func encrypted(_ person: Pilgrim, row: Int64) throws(StoreError) -> [(String, Value)] {
    var columns: [(String, Value)] = []
    func seal(_ column: String, _ text: String?) throws(StoreError) {
      var value = Value.null
      if let text { value = .text(try cipher.encrypt(text, at: FieldPlace("pilgrims", column, row: row))) }
      columns.append((column, value))
    }
    try seal("first_name_encrypted", person.firstName)
    try seal("last_name1_encrypted", person.lastName1)
    try seal("last_name2_encrypted", person.lastName2)
    try seal("birth_date_encrypted", "\(person.birthDate)")
    try seal("document_number_encrypted", person.document.number)
    // No `_encrypted` in its name, but it names a card as the number names its holder.
    try seal("document_support", person.document.support)
    try seal("phone_encrypted", person.phone)
    try seal("phone2_encrypted", person.phone2)
    try seal("email_encrypted", person.email)
    try seal("address_street_encrypted", person.address.street)
    try seal("address_street2_encrypted", person.address.street2)
    try seal("address_city_encrypted", person.address.city)
    return columns + [
      ("document_type", .text(person.document.kind.rawValue)), ("gender", .text(person.sex.rawValue)),
      ("nationality", .text(person.nationality.description)),
      ("address_country", .text(person.address.country.description)),
      ("address_postal_code", .text(person.address.postalCode)),
      ("address_province", .optional(person.address.province)),
      ("address_municipality_code", .optional(person.address.municipalityCode)), ("language", .text(person.language)),
    ]
  }

  // MARK: - Forgetting

  /// Forgets somebody, or says when that can be done.
  ///
  /// - Throws: ``StoreError`` `.notFound`; `.conflict` when a booking came meanwhile.
  package func forget(_ id: Int64, by actor: Actor) async throws -> Retention.Answer {
    let now = now
    let (registered, last, isExpected) = try await database.read { session in
      let created = try session.query(
        "SELECT created_at FROM pilgrims WHERE id = ? AND first_name_encrypted <> ?",
        [.integer(id), .text(Retention.erasedText)]
      ) { $0[0].text.flatMap { Instant($0) }?.day }
      guard let registered = created.first else { throw StoreError(.notFound, "there is no pilgrim with this id") }
      let last = try session.value(
        "SELECT max(check_out_date) FROM bookings WHERE status IN ('checked_out', 'completed') AND \(Self.isOf)",
        [.integer(id), .integer(id)])
      let open = try session.value(
        "SELECT count(*) FROM bookings WHERE status IN ('reserved', 'confirmed', 'checked_in') AND \(Self.isOf)",
        [.integer(id), .integer(id)])
      return (registered ?? now.day, last.text.flatMap { Day($0) }, open != 0)
    }.value
    let end = Retention.end(lastDeparture: last, registered: registered)
    let answer = Retention.answer(end: end, hasOpenBooking: isExpected, on: now.day)
    if answer == .now { try await erase(id, now, by: actor) }
    return answer
  }

  /// Bookings that a pilgrim made or shares.
  private static let isOf = """
    (pilgrim_id = ? OR id IN (SELECT booking_id FROM booking_companions WHERE pilgrim_id = ?))
    """

  private func erase(_ id: Int64, _ now: Instant, by actor: Actor) async throws {
    let erased = Value.text(Retention.erasedText)
    // The law's term once more, where the data is: a stay may have ended since it was looked at.
    let limit = now.day.adding(years: -Retention.registerYears)
    let change = Change(
      .pilgrimErased, in: "pilgrims", record: ("SELECT ?", [.integer(id)]), columns: "r.id", by: actor, at: now,
      deciding: RemoteStatement(
        """
        UPDATE pilgrims SET first_name_encrypted = ?, last_name1_encrypted = ?, last_name2_encrypted = NULL,
          birth_date_encrypted = ?, document_number_encrypted = ?, document_support = NULL, document_hash = NULL,
          phone_encrypted = ?, phone2_encrypted = NULL, email_encrypted = NULL, nationality = NULL,
          address_street_encrypted = ?, address_street2_encrypted = NULL, address_city_encrypted = ?,
          address_postal_code = ?, address_province = NULL, address_municipality_code = NULL, id_photo_url = NULL,
          consent_given = 0, consent_date = NULL, data_retention_until = ?, updated_at = ?
        WHERE id = ? AND first_name_encrypted <> ? AND NOT EXISTS (
          SELECT 1 FROM bookings WHERE \(Self.isOf) AND (status IN ('reserved', 'confirmed', 'checked_in')
            OR (status IN ('checked_out', 'completed') AND check_out_date > ?)))
        """,
        [
          erased, erased, erased, erased, erased, erased, erased, .text(Retention.erasedPostalCode), .text(now.stored),
          .text(now.stored), .integer(id), erased, .integer(id), .integer(id), .text("\(limit)"),
        ]),
      further: [
        RemoteStatement(
          """
          UPDATE government_submissions SET xml_content = ?
          WHERE booking_id IN (SELECT id FROM bookings WHERE \(Self.isOf))
          """, [erased, .integer(id), .integer(id)])
      ])
    guard try await database.apply(change) != nil else {
      throw StoreError(.conflict, "a booking of the pilgrim came meanwhile")
    }
  }

  /// Forgets those whose term has ended, at most a hundred at a time.
  ///
  /// - Returns: how many.
  package func forgetWhatIsDue() async throws -> Int {
    let now = now
    let due = try await database.read { session in
      try session.query(
        """
        SELECT id FROM pilgrims WHERE data_retention_until <= ? AND first_name_encrypted <> ?
        ORDER BY data_retention_until LIMIT 100
        """, [.text(now.stored), .text(Retention.erasedText)]
      ) { $0[0].integer ?? 0 }
    }.value
    var count = 0
    for id in due {
      do {
        if try await forget(id, by: .service) == .now { count += 1 }
      } catch let error as StoreError where [.conflict, .notFound].contains(error.code) { continue }
    }
    return count
  }
}
