import FoundationEssentials
import PageStore

extension StoreState {
  /// One line for people.
  var summary: String {
    guard let image else {
      return "\(role.rawValue), incomplete: its first pull has not finished"
    }
    var facts = ["\(role.rawValue) at position \(image.position)"]
    if let remote {
      if role == .replica { facts.append("protocol \(remote.protocolName)") }
      facts.append("generation \(remote.generation)")
    }
    facts.append("image of \(image.pageCount) \(image.pageCount == 1 ? "page" : "pages")")
    if let lastSync {
      facts.append("last sync \(Date.ISO8601FormatStyle().format(Date(timeIntervalSince1970: Double(lastSync))))")
    }
    return facts.joined(separator: ", ")
  }
}
