import Foundation
import TestSupport

/// Looks for what must not lie around in clear, in every file below a folder.
enum SecrecyScan {
  /// What must not be found, by the name that a finding gives it.
  static let secrets: [(name: String, bytes: Data)] = {
    let keys = [TestKeys.firstHex, TestKeys.secondHex, TestKeys.thirdHex]
    let texts = [
      ("a canary of a row", Canary.text), ("SQLite's magic", "SQLite format 3\0"), ("a schema", "CREATE TABLE "),
      ("a token", Scene.token),
    ]
    return texts.map { ($0.0, Data($0.1.utf8)) }
      + keys.map { ("a key in hexadecimal", Data($0.utf8)) }
      // 32 equal bytes of such a value do not occur by chance.
      + keys.map { ("a key", Data(repeating: UInt8($0.prefix(2), radix: 16) ?? 0, count: 32)) }
  }()

  /// `path: what` for everything found.
  static func findings(in folder: String) throws -> [String] {
    var findings: [String] = []
    for case let name as String in FileManager.default.enumerator(atPath: folder) ?? .init() {
      // A program that ends meanwhile takes its files with it.
      guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { continue }
      for secret in secrets where data.range(of: secret.bytes) != nil { findings.append("\(name): \(secret.name)") }
    }
    return findings
  }
}
