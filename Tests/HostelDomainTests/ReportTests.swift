import Foundation
import HostelDomain
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Pilgrims and traveller reports")
struct ReportTests {
  static let today = Day("2026-11-21") ?? .range.lowerBound

  static func pilgrim(born: String = "1980-05-17") throws -> Pilgrim {
    Pilgrim(
      firstName: "Ana", lastName1: "Pérez & <Gómez>", lastName2: "O'Neill \"Ana\"",
      birthDate: try #require(Day(born)),
      document: try IdentityDocument(.nif, number: "12345678Z", support: "AAA000001"), sex: .woman,
      nationality: .spain, phone: "+34 600 000 000", email: "ana@example.org",
      address: Pilgrim.Address(
        street: "Calle Mayor 1", city: "Mérida", postalCode: "06800", municipalityCode: "06083", country: .spain))
  }

  static func report(_ travellers: [TravellerReport.Traveller]? = nil, count: Int? = nil) throws -> TravellerReport {
    let travellers = try travellers ?? [TravellerReport.Traveller(pilgrim())]
    return TravellerReport(
      establishmentCode: "0000000001",
      contract: TravellerReport.Contract(
        reference: "AC-22222-33333", signed: today, stay: try Stay(checkIn: today, checkOut: today.adding(days: 2)),
        personCount: count ?? travellers.count, roomCount: 1, hasInternet: false, paymentMeans: .cash, paid: today),
      travellers: travellers)
  }

  private func rules(_ report: TravellerReport) -> [String] { report.problems().map { "\($0.pointer) \($0.rule)" } }

  @Test func aCheckedPilgrimHasNoProblem() throws { #expect(try Self.pilgrim().problems(on: Self.today).isEmpty) }

  @Test func everyRuleNamesItsField() throws {
    let cases: [(String, (inout Pilgrim) throws -> Void)] = [
      ("/first_name length", { $0.firstName = "" }),
      ("/last_name1 length", { $0.lastName1 = .init(repeating: "a", count: 51) }),
      ("/first_name format", { $0.firstName = "Ana\u{0}" }), ("/first_name format", { $0.firstName = " Ana" }),
      ("/last_name2 required", { $0.lastName2 = nil }),
      ("/birth_date range", { $0.birthDate = Self.today.adding(days: 1) }),
      ("/birth_date range", { $0.birthDate = Self.today.adding(years: -126) }),
      ("/phone format", { $0.phone = "none" }),
      ("/phone2 format", { $0.phone2 = "12+34567" }), ("/email format", { $0.email = "ana@example" }),
      ("/email format", { $0.email = "ana @example.org" }), ("/language format", { $0.language = "ES" }),
      ("/address/municipality_code required", { $0.address.municipalityCode = nil }),
      ("/address/municipality_code format", { $0.address.municipalityCode = "0608" }),
      ("/address/postal_code length", { $0.address.postalCode = "" }),
    ]
    for (expected, change) in cases {
      var pilgrim = try Self.pilgrim()
      try change(&pilgrim)
      #expect(pilgrim.problems(on: Self.today).map { "\($0.pointer) \($0.rule)" } == [expected])
    }
  }

  @Test func theReportIsWellFormedAndInTheOrderOfTheSchema() throws {
    let child = TravellerReport.Traveller(try Self.pilgrim(born: "2020-01-01"), kinship: .hj)
    let xml = try Self.report([TravellerReport.Traveller(try Self.pilgrim()), child]).xml()
    let reader = XMLOrder(xml)
    #expect(reader.isWellFormed)
    #expect(
      reader.paths.prefix(16) == [
        "peticion", "peticion/solicitud", "peticion/solicitud/codigoEstablecimiento", "peticion/solicitud/comunicacion",
        "contrato", "contrato/referencia", "contrato/fechaContrato", "contrato/fechaEntrada", "contrato/fechaSalida",
        "contrato/numPersonas", "contrato/numHabitaciones", "contrato/internet", "contrato/pago",
        "contrato/pago/tipoPago", "contrato/pago/fechaPago", "persona",
      ])
    #expect(
      reader.paths.dropFirst(16).prefix(18) == [
        "persona/rol", "persona/nombre", "persona/apellido1", "persona/apellido2", "persona/tipoDocumento",
        "persona/numeroDocumento", "persona/soporteDocumento", "persona/fechaNacimiento", "persona/nacionalidad",
        "persona/sexo", "persona/direccion", "persona/direccion/direccion", "persona/direccion/codigoMunicipio",
        "persona/direccion/codigoPostal", "persona/direccion/pais", "persona/telefono", "persona/correo", "persona",
      ])
    // What was escaped comes out again.
    #expect(reader.texts["persona/apellido1"] == "Pérez & <Gómez>")
    #expect(reader.texts["persona/apellido2"] == "O'Neill \"Ana\"")
    #expect(reader.texts["contrato/fechaEntrada"] == "2026-11-21T14:00:00")
    #expect(reader.texts["persona/parentesco"] == "HJ")
  }

  @Test func abroadTheMunicipalityHasANameInsteadOfACode() throws {
    var pilgrim = try Self.pilgrim()
    pilgrim.address.country = try #require(Country("PRT"))
    let reader = XMLOrder(try Self.report([TravellerReport.Traveller(pilgrim)]).xml())
    #expect(reader.texts["persona/direccion/nombreMunicipio"] == "Mérida")
    #expect(reader.texts["persona/direccion/codigoMunicipio"] == nil)
  }

  @Test func childrenTravelWithAnAdult() throws {
    let child = TravellerReport.Traveller(try Self.pilgrim(born: "2020-01-01"))
    #expect(rules(try Self.report([child])) == ["/travellers/0 adult", "/travellers/0/kinship required"])
    let both = [TravellerReport.Traveller(try Self.pilgrim()), child]
    #expect(rules(try Self.report(both)) == ["/travellers/1/kinship required"])
    #expect(rules(try Self.report(both, count: 3)).contains("/travellers count"))
    #expect(throws: FieldProblem.self) { try Self.report([child]).xml() }
  }

  @Test func onlyTheFirstLotStateIsASuccess() throws {
    let code = "01234567-89ab-cdef-0123-456789abcdef"
    #expect(try ReportOutcome(lot: code, lotState: 1, communication: code).isAccepted == true)
    for state in [4, 5] { #expect(try ReportOutcome(lot: code, lotState: state, communication: nil).isAccepted == nil) }
    for state in [2, 3, 6] {
      #expect(try ReportOutcome(lot: code, lotState: state, communication: nil).isAccepted == false)
    }
    #expect(throws: FieldProblem.self) { try ReportOutcome(lot: code, lotState: 1, communication: nil) }
    #expect(throws: FieldProblem.self) { try ReportOutcome(lot: "x", lotState: 1, communication: code) }
    #expect(throws: FieldProblem.self) { try ReportOutcome(lot: code, lotState: 7, communication: code) }
  }

  @Test func countriesAreThoseOfTheStandard() {
    #expect(Country("ESP") == .spain && Country("DEU") != nil && Country("XXX") == nil && Country("esp") == nil)
  }
}

/// The elements of a document in their order, below `contrato` and `persona` relative to these, and the first text of each.
final class XMLOrder: NSObject, XMLParserDelegate {
  private(set) var paths: [String] = []
  private(set) var texts: [String: String] = [:]
  private(set) var isWellFormed = false
  private var stack: [String] = []
  private var text = ""

  init(_ document: String) {
    super.init()
    let parser = XMLParser(data: Data(document.utf8))
    parser.shouldProcessNamespaces = true
    parser.delegate = self
    isWellFormed = parser.parse()
  }

  private var path: String {
    let start = stack.firstIndex { ["contrato", "persona"].contains($0) } ?? 0
    return stack[start...].joined(separator: "/")
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    stack.append(name)
    paths.append(path)
    text = ""
  }

  func parser(_ parser: XMLParser, foundCharacters characters: String) { text += characters }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if texts[path] == nil || path == "persona/parentesco" { texts[path] = text }
    stack.removeLast()
    text = ""
  }
}
