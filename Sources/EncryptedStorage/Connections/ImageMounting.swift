/// Shows the image inside a page store as a database. Implemented by the target `PageStore`, which lies above this one.
package protocol ImageMounting: Sendable {
  /// Takes the container of a store over, and says how its image is opened. The container is closed with the image.
  ///
  /// - Parameter cacheKibibytes: page cache of the container; nil makes it fit the size of the image.
  /// - Throws: `.incomplete` while the image is not whole; `.denied` for a writer of a replica; `.unsupportedFormat`;
  ///   `.damaged`.
  func mount(
    _ container: Session, _ access: ConnectionFactory.Access, cacheKibibytes: Int?
  ) throws(EncryptedStorageError) -> MountPoint

  /// Takes back a mount point that SQLite never opened.
  func forget(_ mountPoint: MountPoint)
}

/// Where SQLite finds an image that was mounted: a VFS, and the parameter that leads it to the container.
package struct MountPoint: Sendable {
  package let fileSystem: String
  /// `name=value`, for the URI.
  package let parameter: String

  package init(fileSystem: String, parameter: String) {
    self.fileSystem = fileSystem
    self.parameter = parameter
  }
}

/// How a page store is told from an ordinary encrypted database: `application_id` in its header.
package enum PageStoreMark {
  /// "ALPS" in ASCII. Source: docs/security/file-formats.md, "Page store".
  package static let applicationID: UInt32 = 0x414c_5053

  /// What the name of a replica is followed by in that of the file which its first pull fills.
  package static let bootstrapSuffix = ".albergue-bootstrap"

  /// What the name of a replica is followed by in that of the file which is locked while a pull is filling it.
  package static let bootstrapLockSuffix = bootstrapSuffix + ".lock"
}

extension Session {
  /// Whether this is the container of a page store, told by its header.
  package func holdsPageStore() throws(EncryptedStorageError) -> Bool {
    try value("PRAGMA application_id") == .integer(Int64(PageStoreMark.applicationID))
  }
}
