import LibSQLProtocol
import Mutation
import TestSupport
import Testing

/// Damaged messages are read as something that is written the same way again, or refused with an error that names a place
/// and quotes nothing. Nothing crashes.
@Suite("Hrana mutations")
struct HranaMutationTests {
  private static let canary = "CANARY"
  private static func read<Message: HranaMessage>(_ type: Message.Type, _ bytes: [UInt8], _ seed: UInt64) -> Bool {
    do throws(JSONMessageError) {
      let written = try Message(decoding: bytes).encoded()
      #expect((try? Message(decoding: written))?.encoded() == written, "\(type), seed \(seed)")
      return true
    } catch {
      let text = error.description
      #expect(error.path.wholeMatch(of: /\$(\.([a-z_0-9]+|\?)|\[\d+\])*/) != nil, "\(error), seed \(seed)")
      #expect(!text.contains(canary) && text.utf8.count < 1000, "\(error), seed \(seed)")
      #expect((0...bytes.count).contains(error.offset), "\(error), seed \(seed)")
      return false
    }
  }

  @Test(.timeLimit(.minutes(20)), arguments: 0..<4) func noMutationCrashesOrLeaks(part: Int) {
    let types = HranaGenerator.messageTypes
    var (count, acceptedCount) = (0, 0)
    for seed in UInt64(part * 1000)..<UInt64(part * 1000 + 40) {
      var generator = HranaGenerator(seed: seed, canary: Self.canary)
      var changes = SeededGenerator(seed: seed)
      for type in types {
        let original = generator.message(type).encoded()
        for _ in 0..<13 {
          var bytes = original
          for _ in 0...generator.number(0..<3) { Mutator.json.mutate(&bytes, &changes) }
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
