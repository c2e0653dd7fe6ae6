import Foundation

/// Puts real files into the state that a power cut leaves. No connection may have them open.
struct PowerCut {
  private let changes: [String: [Change]]
  private let deletions: [DiskState.Deletion]
  private let databases: Set<String>

  init(_ state: DiskState) {
    changes = state.changes
    deletions = state.deletions
    databases = state.databases
  }

  /// - Parameters:
  ///   - survival: asked for each change, file by file in order of the names.
  ///   - lastingDeletions: how many of the removals that were not synchronized have reached the disk. They do so in order,
  ///     as with the journal of a file system.
  func apply(survival: () -> Survival, lastingDeletions: (Int) -> Int) throws {
    // A file may have got another name or been removed directly.
    for (file, changes) in changes.sorted(by: { $0.key < $1.key }) where FileManager.default.fileExists(atPath: file) {
      let url = URL(fileURLWithPath: file)
      try Data(image([UInt8](Data(contentsOf: url)), changes, survival)).write(to: url)
    }
    // The first removal of a name that is undone counts: what came after it under that name is gone.
    for deletion in deletions.dropFirst(lastingDeletions(deletions.count)).reversed() where hasDatabase(deletion) {
      try Data(image(deletion.content, deletion.changes, survival)).write(to: URL(fileURLWithPath: deletion.file))
    }
    // Shared memory does not outlive a restart.
    for database in databases { try? FileManager.default.removeItem(atPath: database + "-shm") }
  }

  private func image(_ content: [UInt8], _ changes: [Change], _ survival: () -> Survival) -> [UInt8] {
    var image = content
    for change in changes.reversed() { change.undo(&image) }
    for change in changes { change.redo(survival(), &image) }
    return image
  }

  /// Whether the database that a log or journal belongs to still has its name: one that was renamed has had its folder
  /// synchronized by whoever renamed it.
  private func hasDatabase(_ deletion: DiskState.Deletion) -> Bool {
    databases.contains { deletion.file.hasPrefix($0 + "-") && FileManager.default.fileExists(atPath: $0) }
  }
}
