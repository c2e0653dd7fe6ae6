import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport

/// Makes stores and the images that go into them.
enum Fixture {
  static let remote = RemoteIdentity(name: "hostel", protocolName: "test", generation: 1)

  static func factory(
    _ profile: CipherProfile = .sqlcipher4, _ configure: (inout ConnectionFactory.Configuration) -> Void = { _ in }
  ) throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configure(&configuration)
    return ConnectionFactory(key: try TestKeys.first(), profile: profile, configuration: configuration)
  }

  /// A plaintext database made by the `sqlcipher` command line, split into pages.
  static func image(_ path: String, _ sql: String) throws -> [Page] {
    _ = try SQLCipherShell.lines(path, sql)
    return try pages(of: path)
  }

  static func pages(of path: String) throws -> [Page] {
    let data = try Bytes.read(path)
    return (0..<(data.count / 4096)).map { index in
      let bytes = [UInt8](data[(index * 4096)..<(index * 4096 + 4096)])
      return Page(number: UInt32(index + 1), bytes: bytes)
    }
  }

  /// A replica whose image is made of `pages`.
  static func replica(
    _ path: String, _ pages: [Page], position: Int64 = 100, factory: ConnectionFactory
  ) async throws -> PageStore {
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(
      Bootstrap.Target(remote: remote, position: position, pageCount: UInt32(pages.count)))
    try await bootstrap.append(pages)
    try await bootstrap.finish()
    return store
  }
}
