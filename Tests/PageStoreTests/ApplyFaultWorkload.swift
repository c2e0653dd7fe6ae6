import EncryptedStorage
import FaultInjection
import TestSupport
import Testing

@testable import PageStore

/// What a service does with a replica: applies one batch after the other, empties the log, opens it anew, and reads the
/// image all the time.
final class ApplyFaultWorkload: StoreWorkload {
  enum Action: Equatable {
    case open, apply(Int), checkpoint, beginSnapshot, endSnapshot, close
  }

  static let actions: [Action] = [
    .open, .apply(1), .beginSnapshot, .apply(2), .checkpoint, .apply(3), .endSnapshot, .checkpoint, .close, .open,
    .apply(4), .checkpoint, .apply(5), .close,
  ]

  let path: String
  let disk: FaultyDisk
  private let folder: TemporaryDirectory
  private let history: ImageHistory
  private let factory: ConnectionFactory
  private var store: PageStore?
  private var reader: Session?
  /// In a snapshot of an older version.
  private var olderReader: Session?
  private var olderVersion: Int?

  private(set) var acknowledged = 0
  private(set) var attempted = 0

  /// - Parameter template: a replica at the first version.
  init(
    _ history: ImageHistory, template: String, in folder: TemporaryDirectory, on disk: FaultyDisk, waitsForDisk: Bool
  ) throws {
    path = folder.file("replica.db")
    try Bytes.write(Bytes.read(template), to: path)
    self.folder = folder
    self.history = history
    self.disk = disk
    factory = try Fixture.factory { configuration in
      configuration.fileSystem = disk.name
      configuration.waitsForDisk = waitsForDisk
      // Small enough for a batch to reach the log before it commits, and for readers to read.
      configuration.cacheKibibytes = 32
      configuration.containerCacheKibibytes = 32
    }
  }

  func perform(_ action: Action) async throws {
    switch action {
    case .open:
      if store == nil { store = try await PageStore.open(path, factory: factory) }
      if reader == nil { reader = try factory.openSession(path, .reader) }
    case .apply(let number):
      attempted = number
      let state = try await store?.apply(history.batch(number), syncedAt: Int64(number))
      #expect(state?.position == history.versions[number].position)
      acknowledged = number
    case .checkpoint:
      let isEmpty = try await store?.container.run { try $0.checkpoint() }
      #expect(isEmpty == (olderVersion == nil))
    case .beginSnapshot:
      if olderReader == nil { olderReader = try factory.openSession(path, .reader) }
      try olderReader?.execute("BEGIN")
      olderVersion = acknowledged
      _ = try olderReader?.value("SELECT count(*) FROM sqlite_schema")
    case .endSnapshot:
      try olderReader?.execute("COMMIT")
      olderVersion = nil
      olderReader?.close()
      olderReader = nil
    case .close: await close()
    }
  }

  func checkReaders() async throws {
    if let olderVersion { #expect(try rows(of: olderReader) == history.versions[olderVersion].rows) }
    guard let reader else { return }
    #expect(try rows(of: reader) == history.versions[acknowledged].rows)
    #expect(try await store?.state().image?.position == history.versions[acknowledged].position)
  }

  private func rows(of session: Session?) throws -> [String]? {
    try session?.query(ImageHistory.rowsSQL) { $0[0].text ?? "" }
  }

  func close() async {
    olderReader?.close()
    reader?.close()
    await store?.close()
    (olderReader, olderVersion, reader, store) = (nil, nil, nil, nil)
  }
}

// MARK: - What is in the store

extension ApplyFaultWorkload {
  func version(_ place: String) async throws -> Int {
    let store = try await PageStore.open(path, factory: Fixture.factory())
    do {
      let version = try await version(of: store, place)
      await store.close()
      return version
    } catch {
      await store.close()
      throw error
    }
  }

  private func version(of store: PageStore, _ place: String) async throws -> Int {
    let state = try await store.state()
    let image = try #require(state.image, "\(place)")
    let number = try #require(
      history.versions.firstIndex { $0.position == image.position }, "\(place): no position of the remote")
    let expected = history.versions[number]
    #expect(image.pageCount == UInt32(expected.pages.count), "\(place)")
    #expect(state.lastSync == (number == 0 ? nil : Int64(number)), "\(place)")
    for page in expected.pages {
      #expect(try await store.page(page.number) == page, "\(place): page \(page.number) of version \(number)")
    }
    #expect(try await store.page(image.pageCount + 1) == nil, "\(place)")
    for former in 0..<number {
      let changed = Set((former..<number).flatMap { history.batch($0 + 1).pages.map(\.number) })
      #expect(
        try await store.pages(changedSince: history.versions[former].position)
          == changed.filter { $0 <= image.pageCount }.sorted(), "\(place): changed since version \(former)")
    }
    let reader = try Fixture.factory().openSession(path, .reader)
    defer { reader.close() }
    #expect(try rows(of: reader) == expected.rows, "\(place): rows of version \(number)")
    return number
  }

  func goOn(from version: Int) async throws {
    let store = try await PageStore.open(path, factory: Fixture.factory())
    do { try await store.apply(history.batch(version + 1), syncedAt: Int64(version + 1)) } catch {
      await store.close()
      throw error
    }
    await store.close()
  }
}
