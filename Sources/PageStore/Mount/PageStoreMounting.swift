public import EncryptedStorage

/// Mounts the images of page stores for a connection factory.
package struct PageStoreMounting: ImageMounting {
  /// Lets an image be looked at that is whole but not published yet, and says where its pages are.
  private let staged: StagedPages.Source?

  package init() { staged = nil }

  init(staged: StagedPages.Source) { self.staged = staged }

  package func mount(
    _ container: Session, _ access: ConnectionFactory.Access, cacheKibibytes: Int?
  ) throws(EncryptedStorageError) -> MountPoint {
    try StoreFormat.check(container)
    let state = try StoreState.read(container)
    let cache = cacheKibibytes ?? Self.cacheKibibytes(forPages: state.image?.pageCount ?? 0)
    try container.execute("PRAGMA cache_size=-\(cache)")
    guard state.isComplete || staged != nil else {
      throw EncryptedStorageError(
        .incomplete, operation: "open", file: container.path, detail: "the first pull of this replica has not finished",
        hint: "run turso-sync pull, which goes on where it stopped")
    }
    if access == .writer, state.role == .replica {
      throw EncryptedStorageError(
        .denied, operation: "open", file: container.path, detail: "a replica is written through its remote",
        hint: "open it for reading")
    }
    let pages: StagedPages? = if let staged { try StagedPages(staged) } else { nil }
    return try PageStoreFileSystem.add(MountedImage(ContainerStatements(container, staged: pages)))
  }

  package func forget(_ mountPoint: MountPoint) { PageStoreFileSystem.forget(mountPoint) }

  /// Room for the tails of the image, 3 % of it, beside the heads that pass through: with less, a page costs more than one
  /// page of the container. Measured: docs/benchmarks.md.
  private static func cacheKibibytes(forPages pageCount: UInt32) -> Int {
    max(2000, min(64 * 1024, Int(pageCount) * (StoreFormat.pageByteCount / 1024) * 6 / 100))
  }
}

extension ConnectionFactory.Configuration {
  /// The defaults, with page stores mounted: their databases open as any other.
  public static var mountingPageStores: ConnectionFactory.Configuration {
    var configuration = ConnectionFactory.Configuration()
    configuration.mounting = PageStoreMounting()
    return configuration
  }
}
