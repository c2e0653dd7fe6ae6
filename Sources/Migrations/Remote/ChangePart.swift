/// What of a change is one transaction: all of it, unless its script asks for one for each statement.
struct ChangePart: Sendable, Hashable {
  /// Indices of the script's statements.
  let statements: Range<Int>
  /// What becomes of the tracker behind them: with the last part, everything.
  let edits: [Tracker.Edit]
  /// What has to be half done when it begins.
  let former: ScriptProgress?
  /// What is half done when it is committed.
  let next: ScriptProgress?
  /// What leads from one to the other.
  let progressStatements: [Tracker.Statement]

  private init(
    _ statements: Range<Int>, _ edits: [Tracker.Edit], from former: ScriptProgress?, to next: ScriptProgress?,
    _ progressStatements: [Tracker.Statement]? = nil
  ) {
    (self.statements, self.edits, self.former, self.next) = (statements, edits, former, next)
    self.progressStatements = progressStatements ?? ScriptProgress.statements(from: former, to: next)
  }

  /// The parts that are to be done, in order.
  ///
  /// - Parameter progress: what is half done at the remote.
  /// - Throws: ``MigrationError`` `.unfinished` when that has to be finished first.
  static func parts(of change: DatabaseChange, after progress: ScriptProgress?) throws(MigrationError) -> [ChangePart] {
    guard let script = change.script else {
      let next = progress.flatMap { change.settles($0.version) ? nil : $0 }
      return [ChangePart(0..<0, change.edits, from: progress, to: next)]
    }
    let count = script.statements.count
    if script.statements.contains(where: { $0.effect.droppedTable == ScriptProgress.table }) {
      // A fresh start, which drops it with everything else.
      return [ChangePart(0..<count, change.edits, from: progress, to: nil, [])]
    }
    let version = change.version ?? ""
    let isInParts = script.options.remoteTransactions == .eachStatement && count > 1
    guard progress != nil || isInParts else { return [ChangePart(0..<count, change.edits, from: nil, to: nil)] }
    let digests = try ScriptProgress.digests(of: script)
    if let progress {
      let isBeginning = progress.version == version && digests.indices.contains(progress.doneCount)
      guard isBeginning, digests[progress.doneCount] == progress.digest else { throw progress.unfinished }
    }
    var parts: [ChangePart] = []
    var former = progress
    for index in (progress?.doneCount ?? 0)..<count {
      let isLast = index == count - 1
      let next = isLast ? nil : ScriptProgress(version: version, doneCount: index + 1, digest: digests[index + 1])
      parts.append(ChangePart(index..<index + 1, isLast ? change.edits : [], from: former, to: next))
      former = next
    }
    // Its last statements were taken out when all others were done.
    return parts.isEmpty ? [ChangePart(count..<count, change.edits, from: progress, to: nil)] : parts
  }
}
