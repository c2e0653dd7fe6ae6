internal import EncryptionKeys

/// Where the newest committed version of every page of a damaged database is stored: in the file, in its write-ahead log,
/// or, while a transaction is unfinished, in its rollback journal.
///
/// A version that is not authentic makes its page lost. An older one is never taken instead: pages of two states make a
/// third one that never was.
struct DatabaseImage: Sendable {
  enum Place: Sendable {
    case log(Int64)
    case journal(Int64)
  }

  let path: String
  let keys: KeyCandidates
  /// Pages of the database after its last commit, as the file or its log says: any number.
  let pageCount: UInt32
  /// Pages of which anything is stored. The others are lost.
  let storedPages: StoredPages
  /// Pages stored elsewhere than in the file.
  let places: [UInt32: Place]
  /// Nil when page 1 is lost.
  let header: DatabaseHeader?
  let notes: [String]

  var geometry: PageGeometry { PageGeometry(pageSize: keys.format.pageSize) }

  /// Bytes of a page that SQLite uses. The header may keep more free than the codec needs (file format facts, section 1).
  var usableByteCount: Int { keys.format.pageSize - max(header?.reserve ?? 0, keys.format.reserve) }

  /// Pages of which nothing is stored. The lock-byte page, which has no content, never counts.
  var missingPageCount: Int {
    let lockByte = geometry.lockBytePage
    let isLockByteMissing =
      lockByte > storedPages.filePageCount && lockByte <= pageCount && !storedPages.furtherPages.contains(lockByte)
    return Int(pageCount) - storedPages.count - (isLockByteMissing ? 1 : 0)
  }

  init(_ path: String, materials: [KeyMaterial]) throws(EncryptedStorageError) {
    self.path = path
    let journal = try RollbackJournal(path: path + "-journal")
    keys = try KeyCandidates(
      path, materials: materials, salts: try CandidateSalts.all(path, journal: journal))
    let geometry = PageGeometry(pageSize: keys.format.pageSize)
    var places: [UInt32: Place] = [:]
    var notes = keys.saltNote.map { [$0] } ?? []
    let log = try WriteAheadLogScan(path: path + "-wal", keys: keys.candidates[0].keys).run()
    for (page, frame) in log.newestFrames {
      let offset = WriteAheadLog.offset(ofFrame: frame, pageSize: geometry.pageSize)
      places[page] = .log(offset + Int64(WriteAheadLog.frameHeaderByteCount))
    }
    if let note = Self.note(log) { notes.append(note) }
    var committed = log.committedPageCount
    if committed == nil, let journal, journal.pageSize == geometry.pageSize {
      for (page, offset) in journal.pageOffsets { places[page] = .journal(offset) }
      committed = journal.originalPageCount
      notes.append("an unfinished transaction was undone from the rollback journal")
    }
    self.places = places
    let file = try RawDatabaseFile(path: path)
    let byteCount = try file.byteCount()
    let stored = geometry.pageCount(ofBytes: byteCount)
    let partial = geometry.trailingByteCount(ofBytes: byteCount)
    header = try PageReader.header(path, keys, places)
    // Without a word about the size, a cut page at the end counts: something is missing from it.
    let filePageCount = partial > 0 && stored < .max ? stored + 1 : stored
    pageCount = committed ?? header?.pageCount ?? filePageCount
    storedPages = StoredPages(filePageCount: filePageCount, elsewhere: places.keys, pageCount: pageCount)
    // With a log or a journal, the file is cut to its length only later.
    if committed == nil, Int64(pageCount) * Int64(geometry.pageSize) < byteCount {
      notes.append("bytes after the last page of the database were left out")
    }
    self.notes = notes
  }

  /// What a reader of the result should know about the log.
  private static func note(_ log: WriteAheadLogScan.Result) -> String? {
    for flaw in log.flaws {
      switch flaw {
      case .header: return "the header of the write-ahead log is damaged: its transactions are lost"
      case .brokenChain(let frame), .alteredSalts(let frame):
        return "the write-ahead log is damaged at frame \(frame + 1): committed transactions after it are lost"
      case .notAuthentic, .otherKey: continue
      }
    }
    return nil
  }
}
