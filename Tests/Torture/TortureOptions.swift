import TestSupport

/// What the command line asks for.
struct TortureOptions: Equatable {
  static let usage = """
    usage: torture [--seed N] [--minutes M] [--rounds N] [--only \(RoundKind.allCases.map(\.rawValue).joined(separator: "|"))]
      --seed     of the first round; each later one has the next. Default: a random one, which is printed
      --minutes  how long rounds are begun. Default 10
      --rounds   at most so many rounds
      --only     rounds of one kind; without --minutes and --rounds just one, which replays a failure
    """

  var seed = UInt64.random(in: 1...999_999)
  var minutes = 10.0
  var roundCountMax = Int.max
  var only: RoundKind?

  init() {}

  /// - Throws: `ProgramOptions.Refusal`.
  init(_ arguments: some Sequence<String>) throws {
    var isLimited = false
    try ProgramOptions.read(arguments) { name, value in
      switch name {
      case "--seed": seed = try ProgramOptions.wholeNumber(value, name)
      case "--minutes": (minutes, isLimited) = (try ProgramOptions.minutes(value, name), true)
      case "--rounds": (roundCountMax, isLimited) = (Int(clamping: try ProgramOptions.wholeNumber(value, name)), true)
      case "--only":
        guard let kind = RoundKind(rawValue: value) else { throw ProgramOptions.Refusal("--only: no such kind") }
        only = kind
      default: throw ProgramOptions.Refusal("\(name): unknown")
      }
    }
    if only != nil, !isLimited { roundCountMax = 1 }
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
