import Foundation
import Mutation
import TestSupport

extension Subject {
  /// Broken decoders, one for each thing that has to be seen. Run only when named.
  static let selfTests: [Subject] = [
    broken("trap") { (bytes: [UInt8]) in
      let empty: [UInt8] = []
      return empty[bytes.count] == 0 ? .accepted : .refused
    },
    broken("hang") { bytes in
      var generator = SeededGenerator(seed: 1)
      while generator.next() != 0 {}
      return .accepted
    },
    broken("slow") { bytes in
      var generator = SeededGenerator(seed: 1)
      let start = clock()
      while clock() - start < 9 * CLOCKS_PER_SEC / 4 { _ = generator.next() }
      return .accepted
    },
    broken("memory") { bytes in
      let greedy = [UInt8](repeating: bytes[0], count: 400 << 20)
      return greedy.last == 0 ? .accepted : .refused
    },
    broken("error") { bytes in
      try Rule.attempt(CancellationError.self) { throw Finding(Rule.canary) } == nil ? .accepted : .refused
    },
    broken("quote") { bytes in
      struct Failure: Error, CustomStringConvertible { let description = "cannot read \(Rule.canary)-of-a-guest" }
      return try Rule.attempt(Failure.self) { throw Failure() } == nil ? .accepted : .refused
    },
    broken("round-trip") { bytes in
      try Rule.roundTrip(Finding.self, bytes, decode: { $0.count }, encode: { [UInt8](repeating: 0, count: $0 + 1) })
    },
    Subject("self-test-refusal", .binary) { Examination([[1]]) { _, _ in .refused } },
    Subject("self-test-sound", .binary) { Examination([[1, 2, 3]]) { _, _ in .accepted } },
  ]

  /// A decoder that does something wrong with the third input.
  private static func broken(
    _ name: String, _ decode: @escaping @Sendable ([UInt8]) throws -> Verdict
  ) -> Subject {
    Subject("self-test-\(name)", .binary) {
      Examination([[1], [2], [3], [4]]) { input, _ in input.origin == 2 ? try decode(input.bytes) : .accepted }
    }
  }
}
