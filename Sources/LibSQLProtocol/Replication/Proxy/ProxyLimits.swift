/// Bounds on delegated programs, beside the size of the message. They keep what a small message can make us allocate small.
public struct ProxyLimits: Sendable, Hashable {
  /// Steps of a program, and results of an answer. Default 16384.
  public var stepCount: Int
  /// Conditions within conditions. Default 32.
  public var conditionDepth: Int
  /// Conditions in one step, all levels together. Default 1024.
  public var conditionCount: Int
  /// Columns of a result or a description. Default 32767, the most that SQLite can be built for.
  /// Source: https://www.sqlite.org/limits.html#max_column
  public var columnCount: Int

  /// Limits.
  public init(
    stepCount: Int = 16_384, conditionDepth: Int = 32, conditionCount: Int = 1024, columnCount: Int = 32_767
  ) {
    self.stepCount = stepCount
    self.conditionDepth = conditionDepth
    self.conditionCount = conditionCount
    self.columnCount = columnCount
  }

  func check(_ count: Int, _ limit: Int, _ noun: String, _ field: ProtobufField) throws(WireFormatError) {
    guard count <= limit else {
      throw WireFormatError(.limitExceeded, field.message, at: field.offset, "more than \(limit) \(noun)")
    }
  }
}
