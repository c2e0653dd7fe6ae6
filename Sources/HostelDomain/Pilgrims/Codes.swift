/// Sex, by its codes in SES.Hospedajes.
package enum Sex: String, Sendable, CaseIterable {
  case man = "H"
  case woman = "M"
  case other = "O"
}

/// How a stay is paid, by the codes of SES.Hospedajes.
package enum PaymentMeans: String, Sendable, CaseIterable {
  case atDestination = "DESTI"
  case cash = "EFECT"
  case card = "TARJT"
  case platform = "PLATF"
  case transfer = "TRANS"
  case mobile = "MOVIL"
  case gift = "TREG"
  case other = "OTRO"
}

/// What an adult is to a child that travels along, by the codes of SES.Hospedajes: `HJ` is a child of theirs.
///
/// - Source: the catalogue of the Communication Service 3.1.3; the service's operation `catalogo` has the current one.
package enum Kinship: String, Sendable, CaseIterable {
  case ab = "AB"
  case ba = "BA"
  case bn = "BN"
  case cy = "CY"
  case cd = "CD"
  case hr = "HR"
  case hj = "HJ"
  case pm = "PM"
  case ni = "NI"
  case sb = "SB"
  case sg = "SG"
  case ti = "TI"
  case yn = "YN"
  case tu = "TU"
  case ot = "OT"
}

/// A country, by its code of three letters. Source: ISO 3166-1 alpha-3.
package struct Country: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  package static let spain = Country(known: "ESP")

  private init(known: String) { description = known }

  /// - Returns: nil for a code that no country has.
  package init?(_ code: String) {
    guard Self.codes.contains(code) else { return nil }
    description = code
  }

  private static let codes = Set(
    """
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH BLM BLR BLZ
    BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR CYM CYP CZE DEU
    DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB GIN GLP GMB GNB GNQ GRC
    GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM
    KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT MMR MNE MNG
    MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL
    PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN
    SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB
    VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE
    """.split { $0 == " " || $0 == "\n" }.map(String.init))
}
