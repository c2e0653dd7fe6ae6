/// Writes a small document of elements and texts, on one line.
///
/// - Source: XML 1.0, fifth edition, section 2.4 (what has to be escaped).
struct XMLWriter {
  private(set) var document = #"<?xml version="1.0" encoding="UTF-8"?>"#

  /// An element with others inside.
  ///
  /// - Parameter attributes: as they are written, from this program only.
  mutating func element(_ name: String, _ attributes: String? = nil, _ body: (inout XMLWriter) -> Void) {
    document += "<\(name)\(attributes.map { " " + $0 } ?? "")>"
    body(&self)
    document += "</\(name)>"
  }

  /// An element with a text; none at all for nil.
  mutating func text(_ name: String, _ text: String?) {
    guard let text else { return }
    document += "<\(name)>"
    for character in text.unicodeScalars {
      switch character {
      case "&": document += "&amp;"
      case "<": document += "&lt;"
      case ">": document += "&gt;"
      case "\"": document += "&quot;"
      case "'": document += "&apos;"
      default: document.unicodeScalars.append(character)
      }
    }
    document += "</\(name)>"
  }
}
