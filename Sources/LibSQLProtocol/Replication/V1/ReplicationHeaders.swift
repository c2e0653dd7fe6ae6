/// Names and forms of the HTTP headers that V1 clients send. Names are lower-case, as on the wire.
///
/// - Source: tursodatabase/libsql, libsql-replication/src/rpc.rs and libsql/src/replication; recorded clients.
public enum ReplicationHeaders {
  /// `Bearer TOKEN`; V1 does not use `authorization`.
  public static let authorization = "x-authorization"
  /// The namespace, see ``namespaceValue(_:)``.
  public static let namespace = "x-namespace-bin"
  /// The session token of Hello, on every later call of `wal_log.ReplicationLog`.
  public static let sessionToken = "x-session-token"
  /// `libsql-rpc-VERSION`.
  public static let clientVersion = "x-libsql-client-version"

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The value of `x-namespace-bin`: standard base64 without padding.
  public static func namespaceValue(_ namespace: String) -> String {
    var text: [UInt8] = []
    var (bits, count) = (UInt32(0), 0)
    for byte in namespace.utf8 {
      (bits, count) = (bits << 8 | UInt32(byte), count + 8)
      while count >= 6 {
        count -= 6
        text.append(alphabet[Int(bits >> UInt32(count) & 63)])
      }
    }
    if count > 0 { text.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The namespace in a value of `x-namespace-bin`. Padding is accepted.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for other characters, left-over bits, text that is not UTF-8 or is empty;
  ///   `.limitExceeded` above 1 KiB.
  public static func namespace(_ value: String) throws(WireFormatError) -> String {
    let structure = namespace
    guard value.utf8.count <= 1024 else { throw WireFormatError(.limitExceeded, structure, "longer than 1024 bytes") }
    var digits = Array(value.utf8)
    if digits.count % 4 == 0 {
      for _ in 0..<2 where digits.last == 0x3D { digits.removeLast() }
    }
    var bytes: [UInt8] = []
    var (bits, count) = (UInt32(0), 0)
    for (offset, digit) in digits.enumerated() {
      guard let index = alphabet.firstIndex(of: digit) else {
        throw WireFormatError(.malformed, structure, at: offset, "a character that is not base64")
      }
      (bits, count) = (bits << 6 | UInt32(index), count + 6)
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    guard count < 6, bits & (1 << UInt32(count) - 1) == 0 else {
      throw WireFormatError(.malformed, structure, "base64 that ends inside a byte")
    }
    guard !bytes.isEmpty, let name = String(validating: bytes, as: UTF8.self) else {
      throw WireFormatError(.malformed, structure, "no name in it")
    }
    return name
  }
}
