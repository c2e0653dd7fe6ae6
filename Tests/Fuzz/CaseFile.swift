import Foundation

/// What a worker is at: the number of the input and the input itself, written before the decoder gets it, so that they are
/// there whatever becomes of the worker. The system keeps what a process wrote when the process dies.
struct CaseFile: Sendable {
  let path: String

  /// Bytes in front of the input: its number, its length.
  private static let headByteCount = 16

  /// Notes an input; `handle` is of a file at ``path``.
  static func note(_ number: UInt64, _ bytes: [UInt8], in handle: FileHandle) throws {
    var record = Data()
    for value in [number, UInt64(bytes.count)] {
      withUnsafeBytes(of: value.littleEndian) { record.append(contentsOf: $0) }
    }
    record.append(contentsOf: bytes)
    try handle.seek(toOffset: 0)
    try handle.write(contentsOf: record)
  }

  /// The last input; nil before the first.
  func last() -> (number: UInt64, bytes: [UInt8])? {
    guard let data = FileManager.default.contents(atPath: path), data.count >= Self.headByteCount else { return nil }
    let bytes = [UInt8](data)
    func value(at offset: Int) -> UInt64 { bytes[offset..<(offset + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    let count = Int(clamping: value(at: 8))
    return (value(at: 0), Array(bytes.dropFirst(Self.headByteCount).prefix(count)))
  }

  /// The number alone, cheaply, for whoever watches.
  func lastNumber() -> UInt64? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let head = try? handle.read(upToCount: 8), head.count == 8 else { return nil }
    return head.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
