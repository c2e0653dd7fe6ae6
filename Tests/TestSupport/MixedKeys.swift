import EncryptedStorage
package import EncryptionKeys
import Foundation

/// Files as an interrupted in-place rekey leaves them.
package enum MixedKeys {
  /// Encrypts `pages` of `path` anew under another key with the same salt and format.
  package static func encrypt(pages: [UInt32], of path: String, from: KeyMaterial, to: KeyMaterial) throws {
    let file = try RawDatabaseFile(path: path)
    guard let match = try KeyTrial.match(file, candidates: [from]) else { throw CocoaError(.fileReadCorruptFile) }
    let source = try PageCodec(match.keys)
    let target = try PageCodec(try PageKeys(format: match.format, salt: match.keys.salt, material: to))
    let size = match.format.pageSize
    var data = try Bytes.read(path)
    for page in pages {
      let range = (Int(page) - 1) * size..<Int(page) * size
      let buffer = PageBuffer(byteCount: size)
      try buffer.withMutableSpan(0..<size) { (span) throws(EncryptedStorageError) in
        for (offset, byte) in data[range].enumerated() {
          span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
        try source.decrypt(&span, number: page)
        let vector = [UInt8](repeating: UInt8(truncatingIfNeeded: page), count: 16)
        let vectorSpan = vector.span.bytes
        try target.encrypt(&span, number: page, initializationVector: vectorSpan)
      }
      data.replaceSubrange(range, with: buffer.withSpan(0..<size) { Data($0.bytes(at: 0, count: size)) })
    }
    try Bytes.write(data, to: path)
  }
}
