/// What a workload believes to be in its database, so that most of its statements find what they name.
struct WorkloadSchema {
  /// A table with the columns id, a, b and c, whatever else it has.
  struct Table {
    var name: String
    let kind: Kind
    var extraColumns: [String] = []
    /// Whether other tables may refer to its id.
    var hasKeyID: Bool { kind != .withoutRowID && kind != .conflictClause && kind != .copy }
  }

  /// How a table is declared.
  enum Kind: CaseIterable { case plain, autoIncrement, withoutRowID, strict, child, generated, conflictClause, copy }

  var tables: [Table] = []
  var indexes: [String] = []
  var triggers: [String] = []
  var views: [String] = []
  var textTables: [String] = []
  var spatialTables: [String] = []
}

/// Random choices of a workload, all from one seed.
package struct WorkloadChoices {
  private var generator: any RandomNumberGenerator
  private var nameCount = 0

  package init(_ generator: some RandomNumberGenerator) { self.generator = generator }

  package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

  package mutating func oneIn(_ count: Int) -> Bool { number(1...count) == 1 }

  package mutating func pick<T>(_ list: [T]) -> T { list[number(0...(list.count - 1))] }

  mutating func pickIfAny<T>(_ list: [T]) -> T? { list.isEmpty ? nil : pick(list) }

  /// A name that no object had before.
  mutating func newName(_ prefix: String) -> String {
    nameCount += 1
    return "\(prefix)\(nameCount)"
  }

  // MARK: - Values, as SQL that gives the same in every process

  /// Mostly short, now and then over several pages, rarely 100 KB.
  mutating func length() -> Int {
    switch number(1...200) {
    case ...110: number(0...40)
    case ...160: number(40...600)
    case ...190: number(600...6000)
    case ...198: number(6000...20_000)
    default: number(20_000...100_000)
    }
  }

  mutating func integer() -> String { String(oneIn(12) ? number(-1000...1_000_000) : number(-5...120)) }

  mutating func text() -> String {
    switch number(1...8) {
    case 1: "NULL"
    case 2...5: "'word \(number(0...60))'"
    case 6: "'Peregrina Ñ ' || \(number(0...9))"
    default: "printf('%.*c', \(length()), '\(pick(["k", "m", "z"]))')"
    }
  }

  mutating func blob() -> String {
    switch number(1...6) {
    case 1: "NULL"
    case 2: "x'\(String(number(16...255), radix: 16))'"
    case 3: "zeroblob(\(length()))"
    default: "CAST(replace(hex(zeroblob(\(max(1, length() / 3)))), '00', '\(pick(["a4", "q7Z", "_"]))') AS BLOB)"
    }
  }

  mutating func conflictClause() -> String {
    pick(["", "", "", "OR REPLACE ", "OR IGNORE ", "OR FAIL ", "OR ABORT ", "OR ROLLBACK "])
  }

  /// A condition that some of the ids fulfil.
  mutating func someIDs(_ column: String = "id") -> String {
    let start = number(-3...110)
    return switch number(1...6) {
    case 1: "\(column) = \(start)"
    case 2: "\(column) % \(number(2...7)) = \(number(0...2))"
    case 3: "\(column) > \(start)"
    default: "\(column) BETWEEN \(start) AND \(start + number(0...40))"
    }
  }
}
