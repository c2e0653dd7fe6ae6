/// What the hostel has to know of a traveller (RD 933/2021, annex I), checked.
package struct Pilgrim: Sendable, Hashable {
  package var firstName: String
  package var lastName1: String
  package var lastName2: String?
  package var birthDate: Day
  package var document: IdentityDocument
  package var sex: Sex
  package var nationality: Country
  package var phone: String
  package var phone2: String?
  package var email: String?
  package var address: Address
  /// ISO 639-1, two small letters.
  package var language: String
  /// To what goes beyond the law's demands, such as news of the hostel. Never assumed.
  package var givesConsent: Bool

  package struct Address: Sendable, Hashable {
    package var street: String
    package var street2: String?
    package var city: String
    package var postalCode: String
    package var province: String?
    /// Five digits of the INE; demanded in Spain.
    package var municipalityCode: String?
    package var country: Country

    package init(
      street: String, street2: String? = nil, city: String, postalCode: String, province: String? = nil,
      municipalityCode: String? = nil, country: Country
    ) {
      self.street = street
      self.street2 = street2
      self.city = city
      self.postalCode = postalCode
      self.province = province
      self.municipalityCode = municipalityCode
      self.country = country
    }
  }

  package init(
    firstName: String, lastName1: String, lastName2: String? = nil, birthDate: Day, document: IdentityDocument,
    sex: Sex,
    nationality: Country, phone: String, phone2: String? = nil, email: String? = nil, address: Address,
    language: String = "es", givesConsent: Bool = false
  ) {
    self.firstName = firstName
    self.lastName1 = lastName1
    self.lastName2 = lastName2
    self.birthDate = birthDate
    self.document = document
    self.sex = sex
    self.nationality = nationality
    self.phone = phone
    self.phone2 = phone2
    self.email = email
    self.address = address
    self.language = language
    self.givesConsent = givesConsent
  }

  /// Age from which a traveller is an adult.
  package static let adultAge = 18

  package func isAdult(on day: Day) -> Bool { birthDate.wholeYears(until: day) >= Self.adultAge }

  /// Everything that is wrong, besides what the types rule out. Lengths are those of SES.Hospedajes.
  package func problems(on today: Day) -> [FieldProblem] {
    var problems: [FieldProblem] = []
    func check(_ text: String?, _ pointer: String, _ countMax: Int) {
      guard let text else { return }
      if !(1...countMax).contains(text.unicodeScalars.count) {
        problems.append(FieldProblem(pointer, "length", "1 to \(countMax) characters"))
      } else if !text.isPlainText || text.first?.isWhitespace == true || text.last?.isWhitespace == true {
        problems.append(FieldProblem(pointer, "format", "one line of text, without blanks at its ends"))
      }
    }
    check(firstName, "/first_name", 50)
    check(lastName1, "/last_name1", 50)
    check(lastName2, "/last_name2", 50)
    check(address.street, "/address/street", 100)
    check(address.street2, "/address/street2", 100)
    check(address.city, "/address/city", 100)
    check(address.postalCode, "/address/postal_code", 20)
    check(address.province, "/address/province", 100)
    if document.kind == .nif, lastName2 == nil {
      problems.append(FieldProblem("/last_name2", "required", "the second surname is demanded with a NIF"))
    }
    if birthDate > today || birthDate.wholeYears(until: today) > 125 {
      problems.append(FieldProblem("/birth_date", "range", "a day of the last 125 years"))
    }
    for (phone, pointer) in [(phone, "/phone"), (phone2, "/phone2")] where phone.map({ !Self.isPhone($0) }) ?? false {
      problems.append(FieldProblem(pointer, "format", "5 to 20 characters: digits, blanks, and + in front"))
    }
    if let email, !Self.isEmail(email) {
      problems.append(FieldProblem("/email", "format", "an e-mail address of at most 250 characters"))
    }
    if !(language.utf8.count == 2 && language.utf8.allSatisfy { (0x61...0x7A).contains($0) }) {
      problems.append(FieldProblem("/language", "format", "two small letters"))
    }
    switch address.municipalityCode {
    case nil where address.country == .spain:
      problems.append(
        FieldProblem("/address/municipality_code", "required", "the code of the municipality is demanded in Spain"))
    case let code? where code.utf8.count != 5 || Digits.number(Array(code.utf8)) == nil:
      problems.append(FieldProblem("/address/municipality_code", "format", "five digits"))
    default: break
    }
    return problems
  }

  private static func isPhone(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    let digitCount = bytes.count { (0x30...0x39).contains($0) }
    return bytes.count <= 20 && digitCount >= 5
      && bytes.enumerated().allSatisfy { index, byte in
        (0x30...0x39).contains(byte) || (byte == UInt8(ascii: "+") && index == 0)
          || (byte == 0x20 && index > 0 && index < bytes.count - 1)
      }
  }

  /// Whether there is one `@` with something around it, and a point in the domain; whether somebody reads it is not known.
  private static func isEmail(_ text: String) -> Bool {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard text.utf8.count <= 250, parts.count == 2, !parts[0].isEmpty, text.isPlainText else { return false }
    let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
    return labels.count >= 2 && labels.allSatisfy { !$0.isEmpty } && !text.contains { $0.isWhitespace }
  }
}

extension String {
  /// Whether there is neither a control character nor a noncharacter: XML could not say them.
  var isPlainText: Bool {
    unicodeScalars.allSatisfy { scalar in
      scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) && scalar.value & 0xFFFE != 0xFFFE
        && !(0xFDD0...0xFDEF).contains(scalar.value) && scalar.value != 0x2028 && scalar.value != 0x2029
    }
  }
}
