import Foundation
import Mutation
import TestSupport

/// Gives inputs to one decoder, in a process of its own, and judges each: no trap, no error that is not promised, no input
/// that takes more time or memory than its size explains, and what the subject itself demands.
struct FuzzWorker {
  /// What one input may take. A debug build under load needs milliseconds for the largest.
  enum Limit {
    /// Seconds of processor time, of all threads.
    static let processorSeconds = 2.0
    /// Bytes by which the peak of the process may rise: so many, and so many for each byte of the input.
    static let memoryByteCount = 96 << 20
    static let memoryPerByte = 256
  }

  /// Findings after which a worker stops: one cause can have thousands of effects.
  static let findingCountMax = 5

  let subject: Subject
  let seed: UInt64
  let caseFile: String

  /// What is reported to the parent, line by line.
  enum Line: Equatable {
    case finding(number: UInt64, what: String)
    case done(inputs: Int, accepted: Int, slowest: Double, slowestNumber: UInt64)

    var text: String {
      switch self {
      case .finding(let number, let what): "FINDING \(number) \(what.replacing("\n", with: " "))"
      case .done(let inputs, let accepted, let slowest, let number): "DONE \(inputs) \(accepted) \(slowest) \(number)"
      }
    }

    init?(_ text: Substring) {
      let words = text.split(separator: " ", maxSplits: text.hasPrefix("FINDING") ? 2 : 4).map(String.init)
      if words.first == "FINDING", words.count == 3, let number = UInt64(words[1]) {
        self = .finding(number: number, what: words[2])
      } else if words.first == "DONE", words.count == 5, let inputs = Int(words[1]), let accepted = Int(words[2]),
        let slowest = Double(words[3]), let number = UInt64(words[4])
      {
        self = .done(inputs: inputs, accepted: accepted, slowest: slowest, slowestNumber: number)
      } else {
        return nil
      }
    }
  }

  /// Runs inputs from `first` on.
  ///
  /// - Returns: whether nothing was found.
  func run(first: UInt64, _ amount: FuzzOptions.Amount, _ say: @Sendable (Line) -> Void) async throws -> Bool {
    let examination = try await subject.prepare()
    guard FileManager.default.createFile(atPath: caseFile, contents: nil),
      let handle = FileHandle(forWritingAtPath: caseFile)
    else { throw Finding("\(caseFile) cannot be written") }
    defer { try? handle.close() }
    let start = ContinuousClock.now
    var (number, accepted, findingCount) = (first, 0, 0)
    var (slowest, slowestNumber) = (0.0, first)
    loop: while findingCount < Self.findingCountMax {
      switch amount {
      case .minutes(let minutes): if ContinuousClock.now - start >= .seconds(minutes * 60) { break loop }
      case .inputs(let count): if number >= count { break loop }
      case .input(let only): if number != only { break loop }
      }
      var generator = generator(for: number)
      let input = Self.input(number, examination.inputs, subject.mutator, &generator)
      try CaseFile.note(number, input.bytes, in: handle)
      let before = (time: Self.processorSeconds(), memory: Self.peakByteCount())
      do {
        if case .accepted = try await examination.examine(input, &generator) { accepted += 1 }
        let taken = Self.processorSeconds() - before.time
        if taken > slowest { (slowest, slowestNumber) = (taken, number) }
        try Self.judge(taken: taken, risen: Self.peakByteCount() - before.memory, input)
      } catch {
        findingCount += 1
        say(.finding(number: number, what: "\(error)"))
      }
      number += 1
    }
    let count = Int(number - first)
    if first == 0, accepted == 0, count >= examination.inputs.count, count > 0 {
      findingCount += 1
      say(.finding(number: 0, what: "not even a sound input is accepted"))
    }
    say(.done(inputs: count, accepted: accepted, slowest: slowest, slowestNumber: slowestNumber))
    return findingCount == 0
  }

  /// The first inputs are the sound ones, as they are.
  private static func input(
    _ number: UInt64, _ inputs: [[UInt8]], _ mutator: Mutator, _ generator: inout SeededGenerator
  ) -> Input {
    guard number >= UInt64(inputs.count) else { return Input(bytes: inputs[Int(number)], origin: Int(number)) }
    let origin = Int.random(in: 0..<inputs.count, using: &generator)
    let other = inputs[Int.random(in: 0..<inputs.count, using: &generator)]
    return Input(bytes: mutator.mutated(inputs[origin], with: other, &generator), origin: origin)
  }

  /// Inputs depend on nothing but the seed, the subject and their number.
  private func generator(for number: UInt64) -> SeededGenerator {
    // FNV-1a. Source: http://www.isthe.com/chongo/tech/comp/fnv/
    let name = subject.name.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    var mixed = SeededGenerator(seed: seed &+ name)
    var next = SeededGenerator(seed: mixed.next() &+ number)
    return SeededGenerator(seed: next.next())
  }

  // MARK: - Time and memory

  private static func judge(taken: Double, risen: Int, _ input: Input) throws {
    try Rule.require(
      taken <= Limit.processorSeconds, "takes \(Int(taken * 1000)) ms for \(input.bytes.count) bytes")
    try Rule.require(
      risen <= Limit.memoryByteCount + Limit.memoryPerByte * input.bytes.count,
      "takes \(risen >> 20) MiB for \(input.bytes.count) bytes")
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func peakByteCount() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }
}
