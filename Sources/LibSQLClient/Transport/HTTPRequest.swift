internal import EncryptionKeys

/// One request, as it goes out.
struct HTTPRequest: Sendable {
  enum Method: Sendable { case get, post }

  var method: Method
  /// The whole address; it holds no secret.
  var url: String
  /// What messages show instead: without a query.
  var shownURL: String
  /// What messages call it.
  var operation: String
  var headers: [Header] = []
  var body: [UInt8] = []
  /// Whether a second copy of it does no harm: curl may send it again when a kept connection turns out to be dead.
  var isRepeatable: Bool
  /// Whether a body without a length is refused: its end could not be told from a cut.
  var needsDelimitedBody = true
  var timeouts: TransportConfiguration.Timeouts?

  struct Header: Sendable {
    let name: String
    let value: Value

    enum Value: Sendable {
      case plain(String)
      case secret(prefix: String, Secret)
    }

    init(_ name: String, _ value: String) { (self.name, self.value) = (name, .plain(value)) }
    init(_ name: String, prefix: String = "", secret: Secret) {
      (self.name, self.value) = (name, .secret(prefix: prefix, secret))
    }
  }
}

/// A secret text that several requests share. Wiped with the last reference.
///
/// It has been checked to be printable ASCII without spaces: it can stand in a header.
final class Secret: Sendable {
  private let bytes: SecretBytes

  init(_ bytes: consuming SecretBytes) { self.bytes = bytes }

  /// `prefix` and the secret as a C string, wiped after the call.
  func withHeader<R>(_ prefix: String, _ body: (UnsafePointer<CChar>) -> R) -> R {
    let prefix = Array(prefix.utf8)
    let line = unsafe SecretBytes(count: prefix.count + bytes.count + 1) { (line: UnsafeMutableRawBufferPointer) in
      unsafe line.copyBytes(from: prefix)
      unsafe bytes.withUnsafeBytes { secret in
        unsafe UnsafeMutableRawBufferPointer(rebasing: line.dropFirst(prefix.count)).copyMemory(from: secret)
      }
    }
    return unsafe line.withUnsafeBytes { line in
      let text = unsafe line.assumingMemoryBound(to: CChar.self)
      // One zero byte at least.
      guard let base = text.baseAddress else { preconditionFailure("a line has a byte") }
      return unsafe body(base)
    }
  }

  /// `text` without what it repeats of the secret.
  func redacted(in text: [UInt8]) -> [UInt8] {
    let count = bytes.count
    guard count > 0, text.count >= count else { return text }
    return unsafe bytes.withUnsafeBytes { secret in
      var result: [UInt8] = []
      var index = 0
      while index < text.count {
        let isHere = unsafe index + count <= text.count && text[index..<(index + count)].elementsEqual(secret)
        result.append(contentsOf: isHere ? Array("<redacted>".utf8) : [text[index]])
        index += isHere ? count : 1
      }
      return result
    }
  }

  /// Whether both hold the same bytes.
  func isEqual(to other: Secret) -> Bool { bytes.isEqual(to: other.bytes) }
}
