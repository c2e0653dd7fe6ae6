internal import CSQLCipher

/// How often a connection found a page in its cache, and how often it had to read and decrypt it.
package struct CacheUse: Sendable, Hashable {
  package var hitCount = 0
  package var missCount = 0

  package init() {}

  package static func += (sum: inout CacheUse, more: CacheUse) {
    sum.hitCount += more.hitCount
    sum.missCount += more.missCount
  }
}

extension Session {
  /// What the cache did since the last call. Of an image that is mounted, the pages of the image.
  ///
  /// Unsafe code: reads counters of the open handle, on the thread that uses it.
  /// Source: https://www.sqlite.org/c3ref/c_dbstatus_options.html
  package func takeCacheUse() -> CacheUse {
    guard let open = unsafe databasePointer else { return CacheUse() }
    func take(_ counter: Int32) -> Int {
      var count: Int32 = 0
      var highest: Int32 = 0
      return unsafe sqlite3_db_status(open, counter, &count, &highest, 1) == SQLITE_OK ? Int(count) : 0
    }
    var use = CacheUse()
    use.hitCount = take(SQLITE_DBSTATUS_CACHE_HIT)
    use.missCount = take(SQLITE_DBSTATUS_CACHE_MISS)
    return use
  }
}
