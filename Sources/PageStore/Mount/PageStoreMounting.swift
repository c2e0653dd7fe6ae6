public import EncryptedStorage

/// Mounts the images of page stores for a connection factory.
package struct PageStoreMounting: ImageMounting {
  /// Lets an image be looked at that is whole but not published yet.
  let allowsUnpublished: Bool

  package init() { allowsUnpublished = false }

  init(allowsUnpublished: Bool) { self.allowsUnpublished = allowsUnpublished }

  package func mount(
    _ container: Session, _ access: ConnectionFactory.Access
  ) throws(EncryptedStorageError) -> MountPoint {
    try StoreFormat.check(container)
    let state = try StoreState.read(container)
    guard state.isComplete || allowsUnpublished else {
      throw EncryptedStorageError(
        .incomplete, operation: "open", file: container.path, detail: "the first pull of this replica has not finished",
        hint: "run turso-sync pull, which goes on where it stopped")
    }
    if access == .writer, state.role == .replica {
      throw EncryptedStorageError(
        .denied, operation: "open", file: container.path, detail: "a replica is written through its remote",
        hint: "open it for reading")
    }
    return try PageStoreFileSystem.add(MountedImage(ContainerStatements(container)))
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
