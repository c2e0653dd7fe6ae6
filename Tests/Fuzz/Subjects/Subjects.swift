import TestSupport

extension Subject {
  /// Every decoder. In a release build, which has no access to what modules keep for themselves, only the self-tests.
  static var all: [Subject] {
    #if DEBUG
      keys + configuration + hrana + replicationV1 + replicationV2 + access + pages + files + migrations + domain
        + selfTests
    #else
      selfTests
    #endif
  }
}

/// Sound inputs.
enum Corpus {
  /// What a generator makes, the same every time.
  static func made(_ count: Int, _ make: (inout SeededGenerator) -> [UInt8]) -> [[UInt8]] {
    (0..<UInt64(count)).map { number in
      var generator = SeededGenerator(seed: 0xC0 + number)
      return make(&generator)
    }
  }

  static func texts(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }
}

extension [UInt8] {
  /// Cut into chunks of random sizes up to `size`, now and then an empty one: as a network hands it over.
  func chunks(upTo size: Int, _ generator: inout SeededGenerator) -> [ArraySlice<UInt8>] {
    var chunks: [ArraySlice<UInt8>] = []
    var rest = self[...]
    while !rest.isEmpty {
      chunks.append(rest.prefix(Int.random(in: 0...size, using: &generator)))
      rest = rest.dropFirst(chunks.last?.count ?? 0)
    }
    return chunks
  }
}
