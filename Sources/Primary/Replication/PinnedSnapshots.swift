internal import PageStore

/// Snapshots that replicas read in several requests, by revision. Each is kept for a while after its last use.
///
/// What is dropped here is closed when the last answer that reads it has ended.
actor PinnedSnapshots {
  private struct Pin {
    let snapshot: StoreSnapshot
    var lastUse: ContinuousClock.Instant
  }

  private static let countLimit = 8
  /// How long a snapshot is kept after its last use.
  private let expiry: Duration
  private var pins: [String: Pin] = [:]
  private var cleaning: Task<Void, Never>?

  init(expiry: Duration) { self.expiry = expiry }

  /// How many there are.
  var count: Int { pins.count }

  /// The snapshot of a revision, if it is there still.
  func snapshot(_ revision: String) -> StoreSnapshot? {
    removeExpired()
    pins[revision]?.lastUse = .now
    return pins[revision]?.snapshot
  }

  /// Keeps a snapshot; the one that has been unused longest goes when there are too many.
  func keep(_ snapshot: StoreSnapshot, _ revision: String) {
    removeExpired()
    while pins.count >= Self.countLimit, let oldest = pins.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      pins[oldest.key] = nil
    }
    pins[revision] = Pin(snapshot: snapshot, lastUse: .now)
    guard cleaning == nil else { return }
    cleaning = Task { [weak self, expiry] in
      // Also when nobody asks any more: an open snapshot keeps the log of the store from being emptied.
      while let self, await !self.isEmptyAfterCleaning() {
        do { try await Task.sleep(for: expiry) } catch { return }
      }
    }
  }

  func close() {
    cleaning?.cancel()
    cleaning = nil
    pins.removeAll()
  }

  private func removeExpired() { pins = pins.filter { ContinuousClock.now - $0.value.lastUse < expiry } }

  private func isEmptyAfterCleaning() -> Bool {
    removeExpired()
    if pins.isEmpty { cleaning = nil }
    return pins.isEmpty
  }
}
