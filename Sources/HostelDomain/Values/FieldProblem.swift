/// What is wrong with one field of what somebody sent. Never repeats the value.
package struct FieldProblem: Error, Sendable, Hashable {
  /// The place, as a JSON pointer: `/document/number`; empty for the whole. Source: RFC 6901.
  package let pointer: String
  /// A short name of the rule, for programs: `check-letter`.
  package let rule: String
  /// What the rule is, in one sentence without a full stop.
  package let message: String

  package init(_ pointer: String, _ rule: String, _ message: String) {
    self.pointer = pointer
    self.rule = rule
    self.message = message
  }

  /// The same problem of a field that is further inside.
  package func inside(_ prefix: String) -> FieldProblem { FieldProblem(prefix + pointer, rule, message) }
}
