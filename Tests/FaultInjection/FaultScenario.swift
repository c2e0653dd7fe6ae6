/// What a disk does from one operation of a workload on, what the workload does then, and what the power does at the end.
package struct FaultScenario: Sendable, CustomStringConvertible {
  /// Until when an action that failed is tried again.
  package enum Reaction: Sendable {
    /// The first failure ends everything, as with a program that gives up.
    case giveUp
    /// The second try must succeed.
    case tryAgain
    /// The disk works again after the third failure.
    case tryAgainWhenHealed
  }

  package enum Power: Sendable {
    case lost
    /// As many times, with other sectors surviving each time.
    case torn(times: Int)
  }

  package let description: String
  package var fault = Fault.inputOutput
  package var extent = FaultExtent.everyOneAfter
  package var reaction = Reaction.giveUp
  package var waitsForDisk = true
  /// Nil when the power stays.
  package var power: Power?

  package static let all = [
    FaultScenario(description: "one error", extent: .once, reaction: .tryAgain, power: .lost),
    FaultScenario(description: "one write without space", fault: .diskFull, extent: .once, reaction: .tryAgain),
    FaultScenario(
      description: "a full disk, until there is space again", fault: .diskFull, reaction: .tryAgainWhenHealed,
      power: .lost),
    FaultScenario(description: "a dead disk"),
    FaultScenario(description: "a power cut", power: .lost),
    FaultScenario(description: "a power cut with torn writes", power: .torn(times: 2)),
    FaultScenario(
      description: "a power cut with torn writes, without waiting for the disk", waitsForDisk: false,
      power: .torn(times: 1)),
  ]

  /// How many runs one operation takes.
  package var runsPerOperation: Int {
    if case .torn(let times) = power { times } else { 1 }
  }

  /// Cuts the power as the scenario has it; no connection may be open.
  ///
  /// - Parameter generator: decides what survives of torn writes.
  package func losePower(of disk: FaultyDisk, _ generator: inout some RandomNumberGenerator) throws {
    switch power {
    case .lost: try disk.losePower()
    case .torn: try disk.losePower(tearing: &generator)
    case nil: return
    }
  }
}
