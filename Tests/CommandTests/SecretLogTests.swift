import Foundation
import Testing

/// No logger call of the product says a secret: what an interpolation names is not declared with a type that holds one.
///
/// The types print nothing by themselves (`SecretBytes` and the like have descriptions without content); this is the second
/// lock on the same door.
@Suite("Secrets and logs")
struct SecretLogTests {
  /// Types that hold a key, a token or a passphrase.
  static let secretTypes: Set<String> = [
    "SecretBytes", "SecretMemory", "EncryptionKey", "KeyMaterial", "KeySet", "Keyring", "DerivedKey", "PageKeys",
    "KeyMatch", "CustomerKey", "TokenSource", "Token", "Secret", "AuthToken", "SignedToken", "ProcessSecret",
  ]
  /// Members of such a value that say which one it is, and nothing of it.
  private static let harmless = [".id", ".keyID", ".profileName", ".format"]

  /// `line: expression` of every interpolation in a logger call that names a secret.
  static func findings(in source: String) -> [String] {
    let secrets = secretNames(in: source)
    return loggerCalls(in: source).flatMap { call in
      interpolations(in: call.text).filter { expression in
        secrets.contains { name in names(expression, name) }
          || secretTypes.contains { expression.contains("\($0)(") }
      }.map { "\(call.line): \($0)" }
    }
  }

  /// What is declared as one: properties, variables and parameters, optional or not.
  private static func secretNames(in source: String) -> Set<String> {
    let pattern = /\b(\w+)\s*:\s*(?:consuming |borrowing |inout )?\[?(?:\w+\.)?(\w+)\]?\??/
    return Set(
      source.matches(of: pattern).filter { secretTypes.contains(String($0.output.2)) }.map { String($0.output.1) })
  }

  private static func names(_ expression: String, _ name: String) -> Bool {
    guard let pattern = try? Regex("(?<![\\w.])(?:self\\.)?\(name)(?![\\w:])((?:\\??\\.\\w+)*)") else { return true }
    return expression.matches(of: pattern).contains { match in
      let members = String(expression[match.range]).replacing("?", with: "")
      return !harmless.contains { members.hasSuffix($0) || members.contains($0 + ".") }
    }
  }

  private static func loggerCalls(in source: String) -> [(line: Int, text: String)] {
    let start = /\b[lL]ogger\??\.(?:trace|debug|info|notice|warning|error|critical|log)\(/
    return source.matches(of: start).map { match in
      let line = source[..<match.range.lowerBound].count { $0 == "\n" } + 1
      return (line, balanced(source[match.range.upperBound...]))
    }
  }

  private static func interpolations(in text: String) -> [String] {
    var found: [String] = []
    var rest = text[...]
    while let start = rest.firstRange(of: "\\(") {
      let expression = balanced(rest[start.upperBound...])
      found.append(expression)
      rest = rest[start.upperBound...]
    }
    return found
  }

  /// What is before the parenthesis that closes the one before `text`.
  private static func balanced(_ text: Substring) -> String {
    var depth = 1
    for index in text.indices {
      if text[index] == "(" { depth += 1 }
      if text[index] == ")" { depth -= 1 }
      if depth == 0 { return String(text[..<index]) }
    }
    return String(text)
  }

  @Test func noLoggerCallNamesASecret() {
    var callCount = 0
    for (path, text) in SourceText.swift {
      let code = SourceText.code(text).map(\.line).joined(separator: "\n")
      callCount += Self.loggerCalls(in: code).count
      let found = Self.findings(in: code)
      #expect(found.isEmpty, "\(path): \(found)")
    }
    #expect(callCount > 8)
  }

  @Test(arguments: [
    #"let key: EncryptionKey; logger.info("using \(key)")"#,
    #"private let tokens: TokenSource\#nfunc f() { logger?.debug("sent", metadata: ["token": "\(tokens)"]) }"#,
    #"func f(_ material: KeyMaterial) { logger?.warning("\(String(describing: material.rawKey))") }"#,
    #"init(secret: consuming SecretBytes) { context.logger.error("\(self.secret)") }"#,
    #"logger.notice("\(SecretBytes(copying: bytes))")"#,
    #"var found: KeyMatch?; logger.log(level: .info, "\(path), \(found?.keys)")"#,
  ])
  func aCallThatNamesOneIsFound(source: String) { #expect(Self.findings(in: source).count == 1) }

  @Test(arguments: [
    #"let key: EncryptionKey; logger.info("using \(key.id)")"#,
    #"let match: KeyMatch; logger?.warning("\(match.material.id), \(match.profileName)")"#,
    #"let key: EncryptionKey; let keyFile: String; logger.info("\(keyFile)"); print("\(key)")"#,
  ])
  func aCallThatSaysWhichOneItIsIsNone(source: String) { #expect(Self.findings(in: source).isEmpty) }
}
