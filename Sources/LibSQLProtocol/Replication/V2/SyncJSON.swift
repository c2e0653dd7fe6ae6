internal import FoundationEssentials

/// The small JSON objects of V2. Unknown keys are skipped, as in clients; numbers have to be whole and in range.
enum SyncJSON {
  /// Bytes of the longest object that is read.
  static let sizeLimit = 64 << 10

  /// - Throws: ``WireFormatError`` `.limitExceeded`; `.malformed` for what is no JSON of this shape.
  static func decode<Value: Decodable>(
    _ type: Value.Type, _ body: [UInt8], _ structure: String
  ) throws(WireFormatError) -> Value {
    guard body.count <= sizeLimit else {
      throw WireFormatError(.limitExceeded, structure, "\(body.count) bytes, the limit is \(sizeLimit)")
    }
    do {
      return try JSONDecoder().decode(type, from: Data(body))
    } catch {
      // The decoder's own error can quote the body.
      throw WireFormatError(.malformed, structure, "no JSON object with the keys and numbers that belong in it")
    }
  }

  /// Keys in alphabetical order, slashes not escaped.
  static func encode(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding numbers, strings and nothing else cannot fail.
    guard let data = try? encoder.encode(value) else { preconditionFailure("an object of numbers and strings") }
    return [UInt8](data)
  }
}
