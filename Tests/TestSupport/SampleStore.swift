package import EncryptedStorage
package import EncryptionKeys
import Foundation
package import PageStore

/// Page stores for tests.
package enum SampleStore {
  package static let remote = RemoteIdentity(name: "hostel", protocolName: "test", generation: 3)
  /// Where the remote stands when its image is taken.
  package static let position: Int64 = 100

  package static func factory(_ key: KeyMaterial, _ profile: CipherProfile = .sqlcipher4) -> ConnectionFactory {
    ConnectionFactory(key: key, profile: profile, configuration: .mountingPageStores)
  }

  /// The pages of the plaintext database at `path`.
  package static func pages(of path: String) throws -> [Page] {
    let data = try Bytes.read(path)
    return (0..<(data.count / 4096)).map { (index: Int) -> Page in
      let start = index * 4096
      return Page(number: UInt32(index + 1), bytes: [UInt8](data[start..<(start + 4096)]))
    }
  }

  /// A replica of the plaintext database at `image`.
  ///
  /// - Parameter pulledPageCount: leaves the first pull unfinished after so many pages.
  package static func makeReplica(
    _ path: String, of image: String, key: KeyMaterial, profile: CipherProfile = .sqlcipher4,
    pulledPageCount: Int? = nil
  ) async throws {
    let pages = try pages(of: image)
    let store = try await PageStore.create(path, role: .replica, factory: factory(key, profile))
    let bootstrap = try await store.beginBootstrap(
      Bootstrap.Target(remote: remote, position: position, pageCount: UInt32(pages.count)))
    try await bootstrap.append(Array(pages.prefix(pulledPageCount ?? pages.count)))
    if pulledPageCount == nil { try await bootstrap.finish(syncedAt: 1_800_000_000) }
    await store.close()
  }

  /// A primary with the content of `sql`.
  package static func makePrimary(
    _ path: String, key: KeyMaterial, profile: CipherProfile = .sqlcipher4, sql: String = Sample.sql
  ) async throws {
    let factory = factory(key, profile)
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(sql) }
    await writer.close()
  }
}
