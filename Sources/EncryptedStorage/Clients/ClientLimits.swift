/// What a statement of a client may ask of the server. Every limit is one of SQLite's own or counted by its progress handler.
/// Source: https://www.sqlite.org/c3ref/c_limit_attached.html
package struct ClientLimits: Sendable, Equatable {
  /// Bytes of a statement.
  package var sqlByteCount: Int32 = 1 << 20
  /// Bytes of a string, a blob or a row.
  package var valueByteCount: Int32 = 64 << 20
  /// The highest parameter number. 32,766 is SQLite's own.
  package var parameterCount: Int32 = 32_766
  /// Nesting of an expression.
  package var expressionDepth: Int32 = 250
  /// Parts of a compound SELECT.
  package var compoundSelectCount: Int32 = 250
  /// Triggers that set off each other.
  package var triggerDepth: Int32 = 100
  /// Instructions of SQLite's virtual machine in one statement.
  package var instructionCount: Int64 = 5_000_000_000
  /// How long one statement may run, its waiting for the writer lock not counted.
  package var statementTime: Duration = .seconds(30)

  /// The defaults.
  package init() {}
}
