import LibSQLProtocol
import TestSupport
import Testing

/// Damaged messages are read as something that is written the same way again, or refused with an error that names a place
/// and quotes nothing. Nothing crashes.
@Suite("Hrana mutations")
struct HranaMutationTests {
  private static let canary = "CANARY"
  private static let tokens = [
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "true", "NaN", "1e999", "-", "-1", "1.5",
    "99999999999999999999", "\"type\":", "\"value\":1", "{\"type\":\"row\"}", "\u{0}", "\"CANARY\":", "\"CANARY\"",
  ].map { Array($0.utf8) }

  private static func mutate(_ bytes: inout [UInt8], _ generator: inout HranaGenerator) {
    let position = bytes.isEmpty ? 0 : generator.number(0..<bytes.count)
    switch generator.number(0..<7) {
    case 0: bytes.removeLast(bytes.count - position)
    case 1 where !bytes.isEmpty: bytes[position] ^= 1 << UInt8(generator.number(0..<8))
    case 2 where !bytes.isEmpty: bytes[position] = UInt8(generator.number(0..<256))
    case 3: bytes.removeSubrange(position..<min(position + generator.number(1..<12), bytes.count))
    case 4:
      bytes.insert(contentsOf: bytes[position..<min(position + generator.number(1..<40), bytes.count)], at: position)
    case 5: swapTokens(&bytes, &generator)
    default: bytes.insert(contentsOf: tokens[generator.number(0..<tokens.count)], at: position)
    }
  }

  /// Exchanges two pieces between structural characters.
  private static func swapTokens(_ bytes: inout [UInt8], _ generator: inout HranaGenerator) {
    let structure = Set("{}[],:".utf8)
    var pieces: [[UInt8]] = [[]]
    for byte in bytes {
      if structure.contains(byte) { pieces += [[byte], []] } else { pieces[pieces.count - 1].append(byte) }
    }
    pieces.swapAt(generator.number(0..<pieces.count), generator.number(0..<pieces.count))
    bytes = pieces.flatMap(\.self)
  }

  private static func read<Message: HranaMessage>(_ type: Message.Type, _ bytes: [UInt8], _ seed: UInt64) -> Bool {
    do throws(JSONMessageError) {
      let written = try Message(decoding: bytes).encoded()
      #expect((try? Message(decoding: written))?.encoded() == written, "\(type), seed \(seed)")
      return true
    } catch {
      let text = error.description
      #expect(error.path.wholeMatch(of: /\$(\.([a-z_0-9]+|\?)|\[\d+\])*/) != nil, "\(error), seed \(seed)")
      #expect(!text.contains(canary) && text.utf8.count < 400, "\(error), seed \(seed)")
      #expect((0...bytes.count).contains(error.offset), "\(error), seed \(seed)")
      return false
    }
  }

  @Test(.timeLimit(.minutes(2)), arguments: 0..<4) func noMutationCrashesOrLeaks(part: Int) {
    let types = HranaGenerator.messageTypes
    var (count, acceptedCount) = (0, 0)
    for seed in UInt64(part * 1000)..<UInt64(part * 1000 + 40) {
      var generator = HranaGenerator(seed: seed, canary: Self.canary)
      for type in types {
        let original = generator.message(type).encoded()
        for _ in 0..<13 {
          var bytes = original
          for _ in 0...generator.number(0..<3) { Self.mutate(&bytes, &generator) }
          // Whatever a message says it is, any reader may get it.
          let reader = generator.number(0..<8) == 0 ? types[generator.number(0..<types.count)] : type
          if Self.read(reader, bytes, seed) { acceptedCount += 1 }
          count += 1
        }
      }
    }
    #expect(count > 6000)
    #expect(acceptedCount > count / 50 && acceptedCount < count / 2, "\(acceptedCount) of \(count)")
  }
}
