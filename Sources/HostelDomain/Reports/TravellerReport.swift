/// A traveller report (`PV`, parte de viajeros) for the Communication Service of SES.Hospedajes.
///
/// - Source: Ministry of the Interior, "Servicio de Comunicación" 3.1.3 of 8 January 2025, and its XML schemas.
package struct TravellerReport: Sendable, Hashable {
  /// Code that the ministry gave the establishment: 10 characters.
  package var establishmentCode: String
  package var contract: Contract
  package var travellers: [Traveller]

  package struct Contract: Sendable, Hashable {
    package var reference: String
    package var signed: Day
    package var stay: Stay
    package var personCount: Int
    package var roomCount: Int?
    package var hasInternet: Bool?
    package var paymentMeans: PaymentMeans
    package var paid: Day?

    package init(
      reference: String, signed: Day, stay: Stay, personCount: Int, roomCount: Int? = nil, hasInternet: Bool? = nil,
      paymentMeans: PaymentMeans, paid: Day? = nil
    ) {
      self.reference = reference
      self.signed = signed
      self.stay = stay
      self.personCount = personCount
      self.roomCount = roomCount
      self.hasInternet = hasInternet
      self.paymentMeans = paymentMeans
      self.paid = paid
    }
  }

  package struct Traveller: Sendable, Hashable {
    package var person: Pilgrim
    /// What a child's adult is to it.
    package var kinship: Kinship?

    package init(_ person: Pilgrim, kinship: Kinship? = nil) {
      self.person = person
      self.kinship = kinship
    }
  }

  /// Hours of the day that are reported: the door opens at two, and beds are free at eleven.
  static let (arrivalTime, departureTime) = ("14:00:00", "11:00:00")

  /// When the report of a stay that began on this day has to be with the ministry: 24 hours after the door opened. That is two
  /// o'clock in Spain, noon in UTC in summer; in winter this is an hour before the term ends.
  ///
  /// - Source: RD 933/2021: within 24 hours of the start of the stay.
  package static func due(checkIn: Day) -> Instant {
    Instant(seconds: (Int64(checkIn.number) + 1) * 86_400 + 12 * 3600)
  }

  /// The last day of arrival whose reports are overdue.
  package static func lastOverdueCheckIn(at now: Instant) -> Day { now.adding(seconds: -36 * 3600).day }

  package init(establishmentCode: String, contract: Contract, travellers: [Traveller]) {
    self.establishmentCode = establishmentCode
    self.contract = contract
    self.travellers = travellers
  }

  /// Everything for which the ministry would refuse the report, besides what the types rule out.
  package func problems() -> [FieldProblem] {
    var problems: [FieldProblem] = []
    if !(1...10).contains(establishmentCode.utf8.count) || !establishmentCode.isPlainText {
      problems.append(FieldProblem("/establishment_code", "length", "1 to 10 characters"))
    }
    if !(1...50).contains(contract.reference.utf8.count) {
      problems.append(FieldProblem("/reference", "length", "1 to 50 characters"))
    }
    if travellers.count != contract.personCount || travellers.isEmpty {
      problems.append(FieldProblem("/travellers", "count", "as many travellers as the booking is for"))
    }
    let arrival = contract.stay.checkIn
    let hasAdult = travellers.contains { $0.person.isAdult(on: arrival) }
    for (index, traveller) in travellers.enumerated() {
      let place = "/travellers/\(index)"
      problems += traveller.person.problems(on: arrival).map { $0.inside(place) }
      guard !traveller.person.isAdult(on: arrival) else { continue }
      if !hasAdult { problems.append(FieldProblem(place, "adult", "a minor is reported together with an adult")) }
      if traveller.kinship == nil {
        problems.append(FieldProblem(place + "/kinship", "required", "the kinship of a minor is demanded"))
      }
    }
    return problems
  }

  /// The body of the request, before it is compressed.
  ///
  /// - Throws: the first of ``problems()``.
  package func xml() throws(FieldProblem) -> String {
    if let problem = problems().first { throw problem }
    var writer = XMLWriter()
    writer.element("ns2:peticion", #"xmlns:ns2="http://www.neg.hospedajes.mir.es/altaParteHospedaje""#) { writer in
      writer.element("solicitud") { writer in
        writer.text("codigoEstablecimiento", establishmentCode)
        writer.element("comunicacion") { writer in
          write(contract, to: &writer)
          for traveller in travellers { write(traveller, to: &writer) }
        }
      }
    }
    return writer.document
  }

  private func write(_ contract: Contract, to writer: inout XMLWriter) {
    writer.element("contrato") { writer in
      writer.text("referencia", contract.reference)
      writer.text("fechaContrato", "\(contract.signed)")
      writer.text("fechaEntrada", "\(contract.stay.checkIn)T\(Self.arrivalTime)")
      writer.text("fechaSalida", "\(contract.stay.checkOut)T\(Self.departureTime)")
      writer.text("numPersonas", "\(contract.personCount)")
      writer.text("numHabitaciones", contract.roomCount.map { "\($0)" })
      writer.text("internet", contract.hasInternet.map { "\($0)" })
      writer.element("pago") { writer in
        writer.text("tipoPago", contract.paymentMeans.rawValue)
        writer.text("fechaPago", contract.paid.map { "\($0)" })
      }
    }
  }

  private func write(_ traveller: Traveller, to writer: inout XMLWriter) {
    let person = traveller.person
    writer.element("persona") { writer in
      writer.text("rol", "VI")
      writer.text("nombre", person.firstName)
      writer.text("apellido1", person.lastName1)
      writer.text("apellido2", person.lastName2)
      writer.text("tipoDocumento", person.document.kind.rawValue)
      writer.text("numeroDocumento", person.document.number)
      writer.text("soporteDocumento", person.document.support)
      writer.text("fechaNacimiento", "\(person.birthDate)")
      writer.text("nacionalidad", "\(person.nationality)")
      writer.text("sexo", person.sex.rawValue)
      writer.element("direccion") { writer in
        writer.text("direccion", person.address.street)
        writer.text("direccionComplementaria", person.address.street2)
        let isInSpain = person.address.country == .spain
        writer.text("codigoMunicipio", isInSpain ? person.address.municipalityCode : nil)
        writer.text("nombreMunicipio", isInSpain ? nil : person.address.city)
        writer.text("codigoPostal", person.address.postalCode)
        writer.text("pais", "\(person.address.country)")
      }
      writer.text("telefono", person.phone)
      writer.text("telefono2", person.phone2)
      writer.text("correo", person.email)
      writer.text("parentesco", traveller.kinship?.rawValue)
    }
  }
}
