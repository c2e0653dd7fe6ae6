package import EncryptedStorage
package import PageStore

/// What a replica says about itself, found out without the remote.
package struct ReplicaStatus: Sendable {
  /// Role, position, protocol, last sync.
  package let state: StoreState
  /// Seconds since the image was last known to be the remote's; nil before that.
  package let lag: Int64?
  /// Whether a process synchronises the replica now.
  package let isBeingSynchronised: Bool

  /// Looks at the replica at `path`, while others may use it.
  ///
  /// - Throws: as `ConnectionFactory.open`.
  package static func of(
    _ path: String, _ factory: ConnectionFactory, clock: WallClock = .system
  ) async throws -> ReplicaStatus {
    let state = try await StoreState.read(path, factory)
    let isLocked = try await BlockingWork.run { _ in try Self.isLocked(path + ReplicaFile.lockSuffix) }
    return ReplicaStatus(state: state, lag: state.lastSync.map(clock.age), isBeingSynchronised: isLocked)
  }

  private static func isLocked(_ path: String) throws -> Bool {
    do throws(EncryptedStorageError) {
      _ = try FileLock(path, creating: false, isShared: true, operation: "status")
      return false
    } catch {
      switch error.code {
      case .busy: return true
      case .missing: return false
      default: throw error
      }
    }
  }
}
