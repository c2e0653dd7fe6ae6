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
  /// Pages of the database after its last commit.
  let pageCount: UInt32
  /// Pages stored elsewhere than in the file.
  let places: [UInt32: Place]
  /// Nil when page 1 is lost.
  let header: DatabaseHeader?
  let notes: [String]

  var geometry: PageGeometry { PageGeometry(pageSize: keys.format.pageSize) }

  /// Bytes of a page that SQLite uses. The header may keep more free than the codec needs (file format facts, section 1).
  var usableByteCount: Int { keys.format.pageSize - max(header?.reserve ?? 0, keys.format.reserve) }

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
    pageCount = committed ?? header?.pageCount ?? (partial > 0 ? stored &+ 1 : stored)
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
