extension Hrana {
  /// One statement of a batch, and when it is run.
  public struct BatchStep: Sendable, Equatable {
    /// Run only if this holds; nil: always.
    public var condition: Condition?
    /// What is run.
    public var statement: Statement

    /// Makes a step.
    public init(_ statement: Statement, if condition: Condition? = nil) {
      self.condition = condition
      self.statement = statement
    }
  }

  /// Statements that run one after the other on one stream: `Batch`.
  ///
  /// - Source: HRANA_3_SPEC.md, Batches.
  public struct Batch: Sendable, Equatable {
    /// In the order in which they run. A condition refers to earlier steps only; reading refuses others.
    public var steps: [BatchStep]
    /// The position a replica must have reached. Clients send null. On the wire a decimal string.
    public var replicationIndex: UInt64?

    /// Makes a batch.
    public init(steps: [BatchStep], replicationIndex: UInt64? = nil) {
      self.steps = steps
      self.replicationIndex = replicationIndex
    }
  }

  /// What became of each step: `BatchResult`.
  ///
  /// - Shape: both arrays have one element for each step. A step that was skipped is nil in both.
  /// - Source: HRANA_3_SPEC.md, Batch results.
  public struct BatchResult: Sendable, Equatable {
    /// The result of each step that succeeded.
    public var stepResults: [StatementResult?]
    /// The error of each step that failed.
    public var stepErrors: [ProtocolError?]
    /// The position after the batch, on the wire a decimal string.
    public var replicationIndex: UInt64?

    /// Makes a result.
    public init(stepResults: [StatementResult?], stepErrors: [ProtocolError?], replicationIndex: UInt64? = nil) {
      self.stepResults = stepResults
      self.stepErrors = stepErrors
      self.replicationIndex = replicationIndex
    }
  }
}

extension Hrana.BatchStep: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var condition: Hrana.Condition?
    var statement: Hrana.Statement?
    while let field = try reader.nextField(&members) {
      switch field {
      case .condition: condition = try reader.takeNull() ? nil : Hrana.Condition(from: &reader)
      case .stmt: statement = try Hrana.Statement(from: &reader)
      default: try reader.skipValue()
      }
    }
    guard let statement else { throw members.missing(.stmt) }
    self.init(statement, if: condition)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"condition":"#)
    writer.value(condition)
    writer.raw(#","stmt":"#)
    writer.value(statement)
    writer.raw("}")
  }
}

extension Hrana.Batch: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var steps: [Hrana.BatchStep]?
    var replicationIndex: UInt64?
    while let field = try reader.nextField(&members) {
      switch field {
      case .steps:
        var index = 0
        steps = try reader.readArray(countMax: reader.limits.stepCountMax) { (reader) throws(JSONFault) in
          _ = reader.peek()
          let start = reader.position
          let step = try Hrana.BatchStep(from: &reader)
          if let stepMax = step.condition?.stepMax, stepMax >= index {
            throw JSONFault(.inconsistent, at: start, "a condition refers to this step or a later one")
          }
          index += 1
          return step
        }
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      default: try reader.skipValue()
      }
    }
    guard let steps else { throw members.missing(.steps) }
    self.init(steps: steps, replicationIndex: replicationIndex)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"steps":"#)
    writer.array(steps)
    writer.raw(#","replication_index":"#)
    writer.integerText(replicationIndex)
    writer.raw("}")
  }
}

extension Hrana.BatchResult: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var results: [Hrana.StatementResult?]?
    var errors: [Hrana.ProtocolError?]?
    var replicationIndex: UInt64?
    let countMax = reader.limits.stepCountMax
    while let field = try reader.nextField(&members) {
      switch field {
      case .stepResults:
        results = try reader.readArray(countMax: countMax) { (reader) throws(JSONFault) in
          try reader.takeNull() ? nil : try Hrana.StatementResult(from: &reader)
        }
      case .stepErrors:
        errors = try reader.readArray(countMax: countMax) { (reader) throws(JSONFault) in
          try reader.takeNull() ? nil : try Hrana.ProtocolError(from: &reader)
        }
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      default: try reader.skipValue()
      }
    }
    guard let results else { throw members.missing(.stepResults) }
    guard let errors else { throw members.missing(.stepErrors) }
    guard results.count == errors.count else {
      throw members.inconsistent("step_results and step_errors differ in their number of elements")
    }
    self.init(stepResults: results, stepErrors: errors, replicationIndex: replicationIndex)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"step_results":"#)
    writer.array(stepResults) { result, writer in writer.value(result) }
    writer.raw(#","step_errors":"#)
    writer.array(stepErrors) { error, writer in writer.value(error) }
    writer.raw(#","replication_index":"#)
    writer.integerText(replicationIndex)
    writer.raw("}")
  }
}
