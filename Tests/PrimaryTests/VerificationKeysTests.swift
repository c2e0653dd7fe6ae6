import EncryptionKeys
import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Key files for tokens")
struct VerificationKeysTests {
  private static let first = TestKey.first.publicKey
  private static let firstPEM = pem(of: Base64URL.decode(TestKey.first.publicKey.utf8) ?? [])
  private static let secondPEM = pem(of: Base64URL.decode(TestKey.second.publicKey.utf8) ?? [])

  private func count(_ text: String) throws -> Int { try VerificationKeys(parsing: Array(text.utf8)).count }

  @Test(arguments: ["", "\n", "\r\n", "\n\n"])
  func aKeyInBase64IsTakenWithAndWithoutPadding(end: String) throws {
    #expect(try count(Self.first + end) == 1)
    #expect(try count(Self.first + "=" + end) == 1)
  }

  @Test func keysInPEMAreTakenAllOfThem() throws {
    #expect(try count(Self.firstPEM) == 1)
    #expect(try count(Self.firstPEM.replacing("\n", with: "\r\n")) == 1)
    #expect(try count("# of 2026\n" + Self.firstPEM + "\n# of 2027\n" + Self.secondPEM) == 2)
    #expect(try count(String(Self.firstPEM.dropLast())) == 1)
  }

  @Test func whatIsNoKeyFileIsRefusedWithAReason() throws {
    let texts: [(String, String)] = [
      ("", "empty"), ("\n\n", "empty"), ("secret", "base64url"), (Self.first + "\n" + Self.first, "2 lines"),
      (Self.first + "==", "base64url"), (String(Self.first.dropLast()), "base64url"),
      (Self.first.replacing("_", with: "/"), "base64url"), (" " + Self.first, "base64url"),
      // The last character of 32 bytes has two bits that say nothing.
      (Self.first.dropLast() + "p", "base64url"),
      (Self.firstPEM.replacing("PUBLIC", with: "PRIVATE"), "private key"),
      (Self.firstPEM.replacing("PUBLIC KEY", with: "CERTIFICATE"), "neither a public key"),
      ("----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" + Self.firstPEM, "neither a public key"),
      (String(Self.firstPEM.dropLast(28)), "without its last line"),
      (Self.firstPEM.replacing("MCow", with: "MCo*"), "not base64"),
      (Self.firstPEM.replacing("MCowBQYDK2Vw", with: "MCowBQYDK2Vu"), "no Ed25519 key"),
      ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "no Ed25519 key"),
      (String(repeating: Self.firstPEM, count: 17), "more than 16"),
      (String(repeating: "#\n", count: 40_000), "more than"),
    ]
    for (text, reason) in texts {
      let error = #expect(throws: KeyError.self, "\(reason)") { try VerificationKeys(parsing: Array(text.utf8)) }
      #expect(error?.code == .unusable)
      #expect(error?.message.contains(reason) == true, "\(error?.message ?? "") - \(reason)")
    }
  }

  @Test func keysOfOtherAlgorithmsAreRefused() throws {
    let folder = try TemporaryDirectory()
    for options in [
      ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024"], ["-algorithm", "x25519"], ["-algorithm", "ed448"],
      ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ] {
      let made = try Subprocess.run("openssl", ["genpkey", "-out", folder.file("key")] + options)
      #expect(made.status == 0, "\(made.errors)")
      let exported = try Subprocess.run("openssl", ["pkey", "-in", folder.file("key"), "-pubout"])
      let error = #expect(throws: KeyError.self) { try VerificationKeys(parsing: Array(exported.output.utf8)) }
      #expect(error?.message.contains("no Ed25519 key") == true)
      let secret = try Bytes.read(folder.file("key"))
      #expect(throws: KeyError.self) { try VerificationKeys(parsing: Array(secret)) }
    }
  }

  @Test func aKeyThatAnybodyCanSignForIsRefused() throws {
    let script = Judges.root + "/Tests/PrimaryTests/Clients/small_order.py"
    let points = try Judges.python([script]).output.split(separator: "\n")
    #expect(points.count == 14)
    for point in points {
      let bytes = stride(from: 0, to: 64, by: 2).compactMap { offset in
        let start = point.index(point.startIndex, offsetBy: offset)
        return UInt8(point[start..<point.index(start, offsetBy: 2)], radix: 16)
      }
      let error = #expect(throws: KeyError.self) { try VerificationKeys(parsing: Array(pem(of: bytes).utf8)) }
      #expect(error?.message.contains("anybody") == true)
    }
  }

  @Test func theFileIsNamedInErrors() throws {
    let folder = try TemporaryDirectory()
    let path = folder.file("keys.pem")
    #expect(throws: KeyError.self) { try VerificationKeys(readingFrom: path) }
    try Bytes.write(Data(Self.firstPEM.utf8), to: path)
    try Bytes.setMode(path, 0o644)
    #expect(try VerificationKeys(readingFrom: path).count == 1)
    try Bytes.setMode(path, 0o666)
    let open = #expect(throws: KeyError.self) { try VerificationKeys(readingFrom: path) }
    #expect(open?.code == .permission)
    try Bytes.setMode(path, 0o600)
    try Bytes.write(Data("x".utf8), to: path)
    let unusable = #expect(throws: KeyError.self) { try VerificationKeys(readingFrom: path) }
    #expect(unusable?.code == .unusable)
    #expect(unusable?.message.hasPrefix(path) == true)
    let folderError = #expect(throws: KeyError.self) { try VerificationKeys(readingFrom: folder.path) }
    #expect(folderError?.code == .io)
  }
}
