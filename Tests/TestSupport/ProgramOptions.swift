/// Reads the command line of a program for testing: options by name, each with a value.
package enum ProgramOptions {
  /// What is wrong with the arguments.
  package struct Refusal: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
  }

  /// Gives each option with its value to `body`, in order.
  ///
  /// - Throws: ``Refusal`` for one without a value; what `body` throws.
  package static func read(
    _ arguments: some Sequence<String>, _ body: (_ name: String, _ value: String) throws -> Void
  ) throws {
    var iterator = arguments.makeIterator()
    while let name = iterator.next() {
      guard let value = iterator.next() else { throw Refusal("\(name) needs a value") }
      try body(name, value)
    }
  }

  /// - Throws: ``Refusal``.
  package static func wholeNumber(_ text: String, _ name: String) throws -> UInt64 {
    guard let number = UInt64(text) else { throw Refusal("\(name): not a whole number") }
    return number
  }

  /// - Throws: ``Refusal``.
  package static func minutes(_ text: String, _ name: String) throws -> Double {
    guard let number = Double(text), (0...100_000).contains(number) else {
      throw Refusal("\(name): not a number from 0 to 100000")
    }
    return number
  }
}
