extension JSONReader {
  /// Reads an object whose names are not those of Hrana. `member` has to read or skip the value of each.
  ///
  /// - Throws: `.duplicateField` for any name that is given twice, known or not: which one counts would depend on the
  ///   reader.
  mutating func readMembers(
    countMax: Int, _ member: (inout JSONReader, String) throws(JSONFault) -> Void
  ) throws(JSONFault) {
    guard peek() == .openBrace else { throw unexpected("an object") }
    try enter()
    var names: Set<[UInt8]> = []
    var isFirst = true
    while try isThereMore(&isFirst, before: .closeBrace) {
      let start = position
      guard names.count < countMax else {
        throw JSONFault(.tooLarge, at: start, "an object of more than \(countMax) fields")
      }
      let token = try scanString()
      let name = bytes(of: token)
      // By bytes: strings that Unicode holds for the same are different names.
      guard names.insert(Array(name)).inserted else {
        throw JSONFault(.duplicateField, at: start, "a field given twice")
      }
      guard peek() == .colon else { throw JSONFault(.malformed, at: position, "a colon is expected") }
      position += 1
      try member(&self, String(decoding: name, as: UTF8.self))
    }
  }
}
