internal import EncryptionKeys

/// Finds every salt that pages of a file may be under.
///
/// The salt lies in the clear in front of page 1, and no MAC covers it: one damaged bit there makes every page of the file
/// fail. Copies of it are in front of each page 1 in the write-ahead log and in the rollback journal. These may also hold
/// the salt from before a `PRAGMA rekey` that changed it.
enum CandidateSalts {
  /// Each salt costs a derivation per passphrase.
  private static let limit = 8

  /// The file's own salt first, then the newest ones of the log, then the journal's.
  static func all(_ path: String, journal: RollbackJournal?) throws(EncryptedStorageError) -> [Salt] {
    var salts: [Salt] = []
    func add(_ salt: Salt?) {
      if let salt, !salts.contains(salt), salts.count < limit { salts.append(salt) }
    }
    add(Salt(try RawDatabaseFile(path: path).bytes(at: 0, count: Salt.byteCount)))
    for salt in try inLog(path + "-wal").reversed() { add(salt) }
    if let offset = journal?.pageOffsets[1] {
      add(Salt(try RawDatabaseFile(path: path + "-journal").bytes(at: offset, count: Salt.byteCount)))
    }
    return salts
  }

  /// Salts of the frames of page 1, in the order of the log, repetitions of the last one left out.
  private static func inLog(_ path: String) throws(EncryptedStorageError) -> [Salt] {
    guard (FileSystem.status(path)?.byteCount ?? 0) > 0 else { return [] }
    let file = try RawDatabaseFile(path: path)
    let head = try file.bytes(at: 0, count: WriteAheadLog.headerByteCount)
    let span = head.span
    guard let header = unsafe WriteAheadLog.Header(span.bytes) else { return [] }
    let frameByteCount = Int64(WriteAheadLog.frameByteCount(pageSize: header.pageSize))
    let frameCount = Int(max(0, try file.byteCount() - Int64(head.count)) / frameByteCount)
    let wanted = WriteAheadLog.frameHeaderByteCount + Salt.byteCount
    var salts: [Salt] = []
    for index in 0..<frameCount {
      let start = try file.bytes(at: WriteAheadLog.offset(ofFrame: index, pageSize: header.pageSize), count: wanted)
      guard start.count == wanted, start[0..<4].elementsEqual([0, 0, 0, 1]),
        let salt = Salt(start[WriteAheadLog.frameHeaderByteCount...]), salts.last != salt
      else { continue }
      salts.append(salt)
    }
    return salts
  }

  /// Every salt that differs from `salt` in one byte: what a damaged byte can have made of it. 4 080 of them, cheap to try
  /// for a raw key.
  static func withOneByteChanged(_ salt: Salt) -> [Salt] {
    salt.bytes.indices.flatMap { index in
      (1...255).compactMap { (change: UInt8) in
        var bytes = salt.bytes
        bytes[index] ^= change
        return Salt(bytes)
      }
    }
  }
}
