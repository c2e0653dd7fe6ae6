import Foundation
import TestSupport

/// What the command line asks for.
struct FuzzOptions: Equatable, Sendable {
  static let usage = """
    usage: fuzz [--seed N] [--minutes M | --inputs N] [--only NAME] [--input K] [--cases FOLDER] [--list yes]
      --seed     decides every input. Default: a random one, which is printed
      --minutes  for all decoders together. Default 10
      --inputs   so many inputs for each decoder instead; fewer for those whose inputs are costly
      --only     one decoder, by its name, or all whose names begin so and with a hyphen
      --input    only the input with this number, which replays a finding
      --cases    where inputs of findings are kept. Default .build/fuzz
      --list     names the decoders
    """

  /// How much is tried.
  enum Amount: Equatable, Sendable {
    case minutes(Double)
    case inputs(UInt64)
    case input(UInt64)
  }

  var seed = UInt64.random(in: 1...999_999)
  var amount = Amount.minutes(10)
  var only: String?
  var cases = ".build/fuzz"
  var lists = false
  /// For this program itself: where a worker notes what it is at, from which input on.
  var worker: (caseFile: String, first: UInt64)?

  /// - Throws: `ProgramOptions.Refusal`.
  init(_ arguments: some Sequence<String>) throws {
    try ProgramOptions.read(arguments) { name, value in
      switch name {
      case "--seed": seed = try ProgramOptions.wholeNumber(value, name)
      case "--minutes": amount = .minutes(try ProgramOptions.minutes(value, name))
      case "--inputs": amount = .inputs(try ProgramOptions.wholeNumber(value, name))
      case "--input": amount = .input(try ProgramOptions.wholeNumber(value, name))
      case "--only": only = value
      case "--cases": cases = value
      case "--list": lists = true
      case "--worker": worker = (value, worker?.first ?? 0)
      case "--first": worker = (worker?.caseFile ?? "", try ProgramOptions.wholeNumber(value, name))
      default: throw ProgramOptions.Refusal("\(name): unknown")
      }
    }
  }

  static func == (one: FuzzOptions, other: FuzzOptions) -> Bool {
    one.seed == other.seed && one.amount == other.amount && one.only == other.only
  }

  /// The subjects that are meant.
  ///
  /// - Throws: `ProgramOptions.Refusal` for a name that none has.
  func chosen(of subjects: [Subject]) throws -> [Subject] {
    guard let only else { return subjects.filter { !$0.name.hasPrefix("self-test") } }
    let exact = subjects.filter { $0.name == only }
    let chosen = exact.isEmpty ? subjects.filter { $0.name.hasPrefix(only + "-") } : exact
    guard !chosen.isEmpty else { throw ProgramOptions.Refusal("--only: no such decoder; --list yes names them") }
    return chosen
  }

  /// The command that gives one input to its decoder again.
  func replay(_ subject: String, _ number: UInt64) -> String {
    "./taskw fuzz -- --seed \(seed) --only \(subject) --input \(number)"
  }
}
