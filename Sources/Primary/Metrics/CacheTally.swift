internal import EncryptedStorage
internal import Synchronization

/// What the caches of all connections that serve clients did since the start.
final class CacheTally: Sendable {
  private let use = Mutex(CacheUse())

  var total: CacheUse { use.withLock { $0 } }

  func add(_ more: CacheUse) { use.withLock { $0 += more } }
}
