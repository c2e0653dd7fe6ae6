package import Foundation
package import PageStore

/// One plaintext database after each of many changes, made by the `sqlcipher` command line: what a remote's image looks
/// like as it evolves. Its content is that of ``Bookkeeping``; image `n` is version `n`.
///
/// The series goes round: after the last image comes the first one again.
package struct ImageSeries: Sendable {
  package static let remote = RemoteIdentity(name: "bookkeeping", protocolName: "test", generation: 1)
  /// The position of the first image; each later one is at the next.
  package static let firstPosition: Int64 = 100

  private let folder: String
  package let count: Int

  /// A series that was made before.
  package init(folder: String) throws {
    self.folder = folder
    count = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("image-") }.count
  }

  /// Makes the series. Vacuuming makes some images much smaller than the one before.
  package init(making count: Int, in folder: String, seed: UInt64) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var generator = SeededGenerator(seed: seed)
    var script = [Bookkeeping.schema, ".shell cp plain.db image-0"]
    for version in 1..<count {
      script += ["BEGIN;"] + Bookkeeping.change(to: version, &generator).map { $0 + ";" } + ["COMMIT;"]
      if version % 7 == 0 { script.append("VACUUM;") }
      script.append(".shell cp plain.db image-\(version)")
    }
    let result = try Subprocess.run(
      "sqlcipher", ["-batch", "-bail", "plain.db"], input: script.joined(separator: "\n") + "\n", directory: folder)
    guard result.status == 0 else { throw SQLCipherShell.Failure(message: result.errors) }
    try self.init(folder: folder)
    guard self.count == count else { throw SQLCipherShell.Failure(message: "\(self.count) images, \(result.errors)") }
  }

  /// The version that the image at a position has.
  package func version(at position: Int64) -> Int { Int(position - Self.firstPosition) % count }

  /// The bytes of an image.
  package func image(_ version: Int) throws -> Data { try Bytes.read("\(folder)/image-\(version)") }

  package static func pages(_ image: Data) -> [Page] {
    stride(from: 0, to: image.count, by: 4096).map { start in
      Page(number: UInt32(start / 4096 + 1), bytes: [UInt8](image[start..<(start + 4096)]))
    }
  }

  /// What brings a store that is at `position` to the next one: the pages that differ.
  package func batch(after position: Int64) throws -> PageBatch {
    let former = try image(version(at: position))
    let image = try image(version(at: position + 1))
    var pages: [Page] = []
    for start in stride(from: 0, to: image.count, by: 4096) {
      let range = start..<(start + 4096)
      if range.upperBound <= former.count, former[range] == image[range] { continue }
      pages.append(Page(number: UInt32(start / 4096 + 1), bytes: [UInt8](image[range])))
    }
    return PageBatch(
      remote: Self.remote, basePosition: position, position: position + 1, pageCount: UInt32(image.count / 4096),
      pages: pages)
  }

  /// An image, as the target of a bootstrap.
  package func target(_ version: Int = 0) throws -> Bootstrap.Target {
    Bootstrap.Target(
      remote: Self.remote, position: Self.firstPosition + Int64(version),
      pageCount: UInt32(try image(version).count / 4096))
  }
}
