import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport
import Testing

/// A replica gets the image of another one, in one step.
@Suite("Replaced images")
struct ReplaceImageTests {
  let folder: TemporaryDirectory
  let factory: ConnectionFactory
  let series: ImageSeries

  init() throws {
    folder = try TemporaryDirectory()
    factory = try Fixture.factory()
    series = try ImageSeries(making: 9, in: folder.file("series"), seed: 21)
  }

  private func makeReplica(_ name: String, version: Int, at position: Int64, of remote: String) async throws -> String {
    let path = folder.file(name)
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let image = try series.image(version)
    let target = Bootstrap.Target(
      remote: RemoteIdentity(name: remote, protocolName: "test", generation: 0), position: position,
      pageCount: UInt32(image.count / 4096))
    let bootstrap = try await store.beginBootstrap(target)
    try await bootstrap.append(ImageSeries.pages(image))
    try await bootstrap.finish(syncedAt: 1000)
    await store.close()
    return path
  }

  /// Larger and smaller than before, and at a lower position: another history has other numbers.
  @Test(arguments: [(2, 8), (8, 2), (6, 7), (3, 3)])
  func becomesTheOtherOneWholly(_ former: Int, _ new: Int) async throws {
    let path = try await makeReplica("replica.db", version: former, at: 500, of: "old")
    let other = try await makeReplica("other.db", version: new, at: 7, of: "new")
    let reader = try await factory.open(path)
    _ = try await reader.run { try $0.execute("BEGIN") }
    #expect(try await reader.run { try Bookkeeping.check($0) } == former)
    let store = try await PageStore.open(path, factory: factory)
    let state = try await store.replaceImage(withImageOf: other)
    #expect(state.position == 7)
    let whole = try await store.state()
    #expect(whole.remote?.name == "new")
    #expect(whole.lastSync == 1000)
    #expect(try await reader.run { try Bookkeeping.check($0) } == former)
    _ = try await reader.run { try $0.execute("COMMIT") }
    #expect(try await reader.transaction(.deferred) { try Bookkeeping.check($0) } == new)
    await reader.close()
    // It is a replica as any other: changes go on from there.
    let image = try series.image(new)
    let batch = PageBatch(
      remote: RemoteIdentity(name: "new", protocolName: "test", generation: 0), basePosition: 7, position: 8,
      pageCount: UInt32(image.count / 4096), pages: [ImageSeries.pages(image)[1]])
    try await store.apply(batch)
    await store.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
    #expect(try await StoreJudge.findings(other, factory) == [])
  }

  @Test func takesNothingFromAPrimaryOrAnUnfinishedReplica() async throws {
    let path = try await makeReplica("replica.db", version: 1, at: 5, of: "old")
    let store = try await PageStore.open(path, factory: factory)
    for role in [PageStore.Role.primary, .replica] {
      let other = folder.file("empty-\(role.rawValue).db")
      try await PageStore.create(other, role: role, factory: factory).close()
      let error = await #expect(throws: EncryptedStorageError.self) { try await store.replaceImage(withImageOf: other) }
      #expect(error?.code == (role == .primary ? .denied : .incomplete))
    }
    #expect(try await store.state().image?.position == 5)
    await store.close()
  }
}
