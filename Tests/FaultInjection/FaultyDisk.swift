import Foundation
import Synchronization

/// A disk that fails where a test says so, and loses power: a VFS of SQLite above `unix`, below SQLCipher's pages.
///
/// Connections reach it by name (`ConnectionFactory.Configuration.fileSystem`). It sees what goes through SQLite's file
/// layer: database, log and rollback journal, but neither shared memory, which is no disk, nor files that are written or
/// renamed directly. Nothing is really synchronized: what a power cut leaves is worked out from the recorded operations.
///
/// A file that was created stays after a power cut, empty if nothing of it was synchronized, although its name may be lost
/// on a real disk. A log that is not there and an empty one are the same to SQLite.
package final class FaultyDisk: Sendable {
  /// The name SQLite knows the disk under.
  package let name: String
  private let recorder = OperationRecorder()
  private let fileSystem: VirtualFileSystem

  /// Registers the disk under a name of its own.
  ///
  /// - Throws: `NotRegistered` when SQLite refuses.
  package init() throws {
    name = "faulty-disk-\(UUID().uuidString)"
    guard let fileSystem = VirtualFileSystem(named: name, recorder: recorder) else { throw NotRegistered() }
    self.fileSystem = fileSystem
  }

  deinit { close() }

  /// Takes the name away from SQLite. Connections that are open go on, and keep the disk alive.
  package func close() { fileSystem.unregister() }

  /// Everything done until now, in order.
  package var operations: [Operation] { recorder.state.withLock { $0.operations } }

  /// How many operations were refused.
  package var failureCount: Int { recorder.state.withLock { state in state.operations.count(where: \.hasFailed) } }

  /// Makes the operation `number` from now on (1 is the next one) fail.
  package func failOperation(_ number: Int, with fault: Fault, _ extent: FaultExtent = .once) {
    recorder.state.withLock { $0.plan = .init(remaining: number, fault: fault, extent: extent) }
  }

  /// From the operation `number` from now on, everything fails, as for a process that is no longer there.
  package func crash(atOperation number: Int) { failOperation(number, with: .inputOutput, .everyOneAfter) }

  /// Ends every fault, and forgets one that has not come yet.
  package func heal() { recorder.state.withLock { $0.plan = nil } }

  /// Leaves of the files only what was synchronized: every other write, truncation and removal is undone.
  ///
  /// - Throws: `FilesAreOpen`; what reading and writing the files throws.
  package func losePower() throws {
    try losePower {
      .nothing
    } lastingDeletions: { _ in
      0
    }
  }

  /// The same, except that some of what was not synchronized has reached the disk, whole or in part, in any order.
  package func losePower(tearing generator: inout some RandomNumberGenerator) throws {
    // One rate for all: with a fair coin for each operation, a whole transaction would hardly ever survive or vanish.
    let lossRate = Double.random(in: 0...1, using: &generator)
    var ownGenerator = generator
    defer { generator = ownGenerator }
    try losePower {
      guard Double.random(in: 0..<1, using: &ownGenerator) < lossRate else { return .everything }
      let cut = UInt64.random(in: .min ... .max, using: &ownGenerator)
      switch Int.random(in: 0..<4, using: &ownGenerator) {
      case 0: return .before(cut: cut)
      case 1: return .after(cut: cut)
      default: return .nothing
      }
    } lastingDeletions: { count in
      Int.random(in: 0...count, using: &ownGenerator)
    }
  }

  private func losePower(survival: () -> Survival, lastingDeletions: (Int) -> Int) throws {
    try recorder.state.withLock { state in
      guard state.openFileCount == 0 else { throw FilesAreOpen() }
      let cut = PowerCut(state)
      state.forgetPast()
      try cut.apply(survival: survival, lastingDeletions: lastingDeletions)
    }
  }

  /// SQLite did not take the VFS.
  package struct NotRegistered: Error {}

  /// A connection through the disk is not closed yet.
  package struct FilesAreOpen: Error {}
}

/// The state of a disk, shared by everything that does something to it.
final class OperationRecorder: Sendable {
  let state = Mutex(DiskState())
}
