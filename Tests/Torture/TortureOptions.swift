/// What the command line asks for.
struct TortureOptions: Equatable {
  static let usage = """
    usage: torture [--seed N] [--minutes M] [--rounds N] [--only \(RoundKind.allCases.map(\.rawValue).joined(separator: "|"))]
      --seed     of the first round; each later one has the next. Default: a random one, which is printed
      --minutes  how long rounds are begun. Default 10
      --rounds   at most so many rounds
      --only     rounds of one kind; without --minutes and --rounds just one, which replays a failure
    """

  /// What is wrong with the arguments.
  struct Refusal: Error, CustomStringConvertible { let description: String }

  var seed = UInt64.random(in: 1...999_999)
  var minutes = 10.0
  var roundCountMax = Int.max
  var only: RoundKind?

  init() {}

  /// - Throws: ``Refusal``.
  init(_ arguments: some Sequence<String>) throws {
    var iterator = arguments.makeIterator()
    var isLimited = false
    while let name = iterator.next() {
      guard let value = iterator.next() else { throw Refusal(description: "\(name) needs a value") }
      switch name {
      case "--seed": seed = try Self.number(value, name)
      case "--minutes":
        guard let number = Double(value), (0...100_000).contains(number) else {
          throw Refusal(description: "--minutes: not a number from 0 to 100000")
        }
        (minutes, isLimited) = (number, true)
      case "--rounds": (roundCountMax, isLimited) = (Int(clamping: try Self.number(value, name)), true)
      case "--only":
        guard let kind = RoundKind(rawValue: value) else { throw Refusal(description: "--only: no such kind") }
        only = kind
      default: throw Refusal(description: "\(name): unknown")
      }
    }
    if only != nil, !isLimited { roundCountMax = 1 }
  }

  private static func number(_ text: String, _ name: String) throws -> UInt64 {
    guard let number = UInt64(text) else { throw Refusal(description: "\(name): not a whole number") }
    return number
  }

  var limitDescription: String {
    roundCountMax == .max ? "\(minutes) minutes" : "at most \(roundCountMax) rounds in \(minutes) minutes"
  }
}

/// A kind of round.
enum RoundKind: String, CaseIterable, Sendable {
  /// Random SQL, the same everywhere.
  case differential
  /// Many clients at once; what they saw is checked afterwards.
  case history
  /// The power is lost, or the disk fails, in the middle of something.
  case crash

  /// The command that runs one round again.
  func replay(seed: UInt64) -> String { "./taskw torture -- --seed \(seed) --only \(rawValue)" }
}
