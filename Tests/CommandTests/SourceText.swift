import Foundation

/// The project's own source text, for tests of rules.
enum SourceText {
  /// Every Swift and C file below Sources, by path relative to the project.
  static let all: [String: String] = {
    let names = FileManager.default.enumerator(atPath: Tool.project + "/Sources")
    var texts: [String: String] = [:]
    while let name = names?.nextObject() as? String {
      // The code of tutorials belongs to programs that use the package.
      guard [".swift", ".c", ".h"].contains(where: name.hasSuffix), !name.contains(".docc/") else { continue }
      let data = FileManager.default.contents(atPath: Tool.project + "/Sources/" + name) ?? Data()
      texts["Sources/" + name] = String(decoding: data, as: UTF8.self)
    }
    return texts
  }()

  static var swift: [String: String] { all.filter { $0.key.hasSuffix(".swift") } }

  /// The lines of a text with their numbers, comments taken out.
  static func code(_ text: String) -> [(number: Int, line: String)] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      let trimmed = line.trimmingPrefix { $0 == " " }
      guard !trimmed.hasPrefix("//"), !trimmed.hasPrefix("*"), !trimmed.hasPrefix("/*") else { return nil }
      let comment = line.range(of: " // ")
      return (index + 1, String(comment.map { line[..<$0.lowerBound] } ?? line))
    }
  }
}
