import Foundation

/// What a disk has done, what it will refuse, and what a power cut would undo.
struct DiskState: Sendable {
  /// A fault that is to come or is there.
  struct Plan: Sendable {
    /// Operations until the first one that fails; zero or less while everything fails.
    var remaining: Int
    let fault: Fault
    let extent: FaultExtent
  }

  /// A file that was removed without synchronizing its folder: its name may come back.
  struct Deletion: Sendable {
    let file: String
    let content: [UInt8]
    let changes: [Change]
  }

  var plan: Plan?
  var openFileCount = 0
  private(set) var operations: [Operation] = []
  /// Per file, what was done since its last synchronization.
  private(set) var changes: [String: [Change]] = [:]
  private(set) var deletions: [Deletion] = []
  /// Every database file opened, for the shared memory beside it.
  private(set) var databases: Set<String> = []

  /// Whether no file can be created. A full disk mostly still has room for names.
  var isDead: Bool {
    plan.map { $0.fault == .inputOutput && $0.extent == .everyOneAfter && $0.remaining <= 0 } ?? false
  }

  /// Counts an operation.
  ///
  /// - Returns: how it fails, if it does.
  mutating func begin(_ kind: Operation.Kind, _ file: String) -> Fault? {
    var fault: Fault?
    if var current = plan {
      current.remaining -= 1
      if current.remaining <= 0 { fault = current.fault }
      plan = fault != nil && current.extent == .once ? nil : current
    }
    operations.append(Operation(kind: kind, file: file, hasFailed: fault != nil))
    return fault
  }

  mutating func noteDatabase(_ file: String) { databases.insert(file) }

  mutating func record(_ change: Change, of file: String) { changes[file, default: []].append(change) }

  /// What was done to the file is on the disk.
  mutating func recordSync(of file: String) { changes[file] = nil }

  /// Removed names of this folder stay removed.
  mutating func recordFolderSync(for file: String) {
    deletions.removeAll { Self.folder(of: $0.file) == Self.folder(of: file) }
  }

  mutating func recordDeletion(of file: String, content: [UInt8]) {
    deletions.append(Deletion(file: file, content: content, changes: changes.removeValue(forKey: file) ?? []))
  }

  /// After a power cut, what is on the files is all there is.
  mutating func forgetPast() {
    plan = nil
    changes.removeAll()
    deletions.removeAll()
  }

  private static func folder(of file: String) -> String { (file as NSString).deletingLastPathComponent }
}
