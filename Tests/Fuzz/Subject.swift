import Mutation
import TestSupport

/// A decoder, what it is given, and what has to hold whatever it is given.
struct Subject: Sendable {
  /// For the command line: `v1-frames`.
  let name: String
  let mutator: Mutator
  /// How much longer one input takes than one of most decoders: so many times fewer are tried.
  let cost: Int
  /// Makes what the decoder needs; the same with every call.
  let prepare: @Sendable () async throws -> Examination

  init(
    _ name: String, _ mutator: Mutator, cost: Int = 1, prepare: @escaping @Sendable () async throws -> Examination
  ) {
    self.name = name
    self.mutator = mutator
    self.cost = cost
    self.prepare = prepare
  }
}

/// A decoder with all that it needs.
struct Examination {
  /// Gives one input to the decoder, and throws a ``Finding`` when something does not hold.
  typealias Examine = (_ input: Input, _ generator: inout SeededGenerator) throws -> Verdict
  /// As ``Examine``, for a decoder that waits for files.
  typealias ExamineWaiting = (_ input: Input, _ generator: inout SeededGenerator) async throws -> Verdict

  /// Sound ones, which are changed.
  let inputs: [[UInt8]]
  /// Nil for a decoder that waits.
  let examineAtOnce: Examine?
  private let examineWaiting: ExamineWaiting?

  init(_ inputs: [[UInt8]], _ examine: @escaping Examine) {
    (self.inputs, examineAtOnce, examineWaiting) = (inputs, examine, nil)
  }

  init(waiting inputs: [[UInt8]], _ examine: @escaping ExamineWaiting) {
    (self.inputs, examineAtOnce, examineWaiting) = (inputs, nil, examine)
  }

  func examine(_ input: Input, _ generator: inout SeededGenerator) async throws -> Verdict {
    if let examineAtOnce { return try examineAtOnce(input, &generator) }
    guard let examineWaiting else { return .refused }
    return try await examineWaiting(input, &generator)
  }
}

/// One input of a decoder.
struct Input: Sendable {
  let bytes: [UInt8]
  /// Index of the sound input that it was made of; nil for one that comes from elsewhere.
  let origin: Int?

  /// As text; what is no UTF-8 becomes U+FFFD, as where texts come from.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// What became of an input. Neither is wrong.
enum Verdict: Sendable { case accepted, refused }

/// Something that must not happen.
struct Finding: Error, Sendable, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// What holds for every decoder.
enum Rule {
  /// What every text of every sound input holds, and no error may repeat.
  static let canary = "CANARY"

  /// The value, or nil if it was refused in the way that is promised.
  ///
  /// - Throws: ``Finding`` for an error of another type, and for one that quotes the input.
  static func attempt<Value, Failure: Error>(_ type: Failure.Type, _ decode: () throws -> Value) throws -> Value? {
    do { return try decode() } catch let finding as Finding { throw finding } catch let error as Failure {
      try require(!"\(error)".contains(canary), "an error quotes the input: \(Failure.self)")
      return nil
    } catch { throw Finding("throws \(Swift.type(of: error)), which is not promised: \(error)") }
  }

  /// As ``attempt(_:_:)`` for what is asynchronous.
  static func attemptAsync<Value, Failure: Error>(
    _ type: Failure.Type, _ decode: () async throws -> Value
  ) async throws -> Value? {
    let result: Result<Value, any Error>
    do { result = .success(try await decode()) } catch { result = .failure(error) }
    return try attempt(type) { try result.get() }
  }

  static func require(_ isRight: Bool, _ message: @autoclosure () -> String) throws {
    if !isRight { throw Finding(message()) }
  }

  /// What was accepted is written in one way, which reads as the same value.
  static func roundTrip<Value: Equatable, Failure: Error>(
    _ type: Failure.Type, _ bytes: [UInt8], decode: ([UInt8]) throws -> Value, encode: (Value) -> [UInt8]
  ) throws -> Verdict {
    guard let value = try attempt(type, { try decode(bytes) }) else { return .refused }
    let written = encode(value)
    guard let again = try attempt(type, { try decode(written) }) else {
      throw Finding("what \(Value.self) writes is refused")
    }
    try require(encode(again) == written, "\(Value.self) is written in another way after it was read again")
    // Values that hold a NaN are no equal to themselves.
    if value == value { try require(again == value, "\(Value.self) is another one after it was written and read") }
    return .accepted
  }
}
