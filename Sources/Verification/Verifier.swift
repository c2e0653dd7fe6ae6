public import EncryptedStorage
internal import EncryptionKeys
internal import PageStore

/// Proves that a file is what its key holder wrote, as far as a file alone can show it.
///
/// Checks the MAC of every page that the log does not replace and of every committed frame of the log on all cores, the
/// number of pages, zeroed pages, plaintext where ciphertext belongs, and then the structure through SQLite. `PRAGMA cipher_integrity_check` does the
/// first of these only, on one core, without the log and up to 4 GiB.
///
/// Of a page store, the same is done with the container; then its state, whether it has every page of the image and no
/// other, and the structure of the database inside, all in one snapshot. A store whose first pull has not finished is not
/// damaged: what is there is checked.
///
/// No check of a file alone finds an old version of the whole file put back, or an old authentic version of one page put
/// back into a structure that stays valid: see docs/security/threat-model.md.
public struct Verifier: Sendable {
  private let factory: ConnectionFactory
  private let isQuick: Bool
  private let progress: Progress?

  /// - Parameter isQuick: leaves `integrity_check` and `foreign_key_check` out.
  public init(factory: ConnectionFactory, isQuick: Bool = false) {
    self.init(factory: factory, isQuick: isQuick, progress: nil)
  }

  package init(factory: ConnectionFactory, isQuick: Bool, progress: Progress?) {
    self.factory = factory.mounting(PageStoreMounting())
    self.isQuick = isQuick
    self.progress = progress
  }

  /// Verifies one file. Writers may go on meanwhile; what is checked is one snapshot.
  ///
  /// - Throws: `.wrongKey`, `.plaintext`, `.notADatabase`, … when it cannot be verified at all; damage is a finding.
  public func run(_ path: String) async throws -> VerificationReport {
    try await BlockingWork.run { cancellation in try self.verify(path, cancellation) }
  }

  private func verify(_ path: String, _ cancellation: Cancellation) throws -> VerificationReport {
    let absolute = try FileSystem.absolutePath(path)
    let match = try factory.matchingKey(of: RawDatabaseFile(path: absolute), path: path)
    var report = VerificationReport(
      file: path, keyID: match.material.id.name,
      profile: match.profileName, pageSize: match.format.pageSize)
    // A read transaction keeps writers of rollback mode out, and the log where it is, until all is checked.
    let session: Session?
    do throws(EncryptedStorageError) {
      session = try openSnapshot(path)
    } catch {
      guard error.code == .damaged else { throw error }
      report.findings.append(.init(.unreadable, error.detail))
      session = nil
    }
    defer { session?.close() }
    let others = try otherKeys(than: match, absolute)
    var logScan = WriteAheadLogScan(path: absolute + "-wal", keys: match.keys)
    logScan.otherKeys = others
    let log = try logScan.run()
    try checkPages(absolute, match, others, replaced: log.replacedPages, cancellation, &report)
    checkLog(log, &report)
    try checkPageCount(absolute, match, &report)
    if let session { try checkContent(session, &report) }
    return report
  }

  private func openSnapshot(_ path: String) throws(EncryptedStorageError) -> Session {
    let session = try factory.openSession(path, .reader, view: .stored)
    do throws(EncryptedStorageError) {
      try Self.beginSnapshot(session)
      return session
    } catch {
      session.close()
      throw error
    }
  }

  private static func beginSnapshot(_ session: Session) throws(EncryptedStorageError) {
    try session.execute("BEGIN")
    _ = try session.value("SELECT count(*) FROM sqlite_schema")
  }

  /// The other keys of the factory, with the salt and format of this file.
  private func otherKeys(than match: KeyMatch, _ path: String) throws -> [(id: KeyID, keys: PageKeys)] {
    try factory.otherCandidates(than: match.material).map { material in
      do throws(KeyError) {
        return (material.id, try PageKeys(format: match.format, salt: match.keys.salt, material: material))
      } catch { throw EncryptedStorageError(error, operation: "verify", file: path) }
    }
  }

  private func checkPages(
    _ path: String, _ match: KeyMatch, _ others: [(id: KeyID, keys: PageKeys)], replaced: Set<UInt32>,
    _ cancellation: Cancellation, _ report: inout VerificationReport
  ) throws {
    progress?.step("verifying pages")
    var scan = PageScan(path: path, keys: match.keys, progress: progress, cancellation: cancellation)
    scan.otherKeys = others
    scan.isLive = true
    scan.replacedPages = replaced
    let result = try scan.run()
    report.pageCount = result.pageCount
    for (page, flaw) in result.flaws {
      switch flaw {
      case .notAuthentic:
        report.findings.append(.init(.pageNotAuthentic, page: page, "page \(page) fails its MAC"))
      case .zeroed:
        report.findings.append(.init(.pageZeroed, page: page, "page \(page) is zeroed"))
      case .otherKey(let id):
        report.findings.append(.init(.pageOtherKey, page: page, "page \(page) is under key \(id)"))
      }
    }
    for page in result.plaintextPages {
      report.findings.append(.init(.plaintext, page: page, "page \(page) looks like plaintext"))
    }
    if result.trailingByteCount > 0 {
      report.findings.append(
        .init(.partialPage, "the file ends with \(result.trailingByteCount) bytes of a partial page"))
    }
  }

  private func checkLog(_ log: WriteAheadLogScan.Result, _ report: inout VerificationReport) {
    report.logFrameCount = log.committedFrameCount
    report.databasePageCount = log.committedPageCount
    for flaw in log.flaws {
      switch flaw {
      case .header:
        report.findings.append(.init(.logHeader, "the header of the write-ahead log is damaged; the log is ignored"))
      case .notAuthentic(let frame, let page):
        report.findings.append(
          .init(.frameNotAuthentic, page: page, frame: frame, "frame \(frame) (page \(page)) fails its MAC"))
      case .otherKey(let frame, let page, let id):
        report.findings.append(
          .init(.frameOtherKey, page: page, frame: frame, "frame \(frame) (page \(page)) is under key \(id)"))
      case .brokenChain(let frame):
        report.findings.append(
          .init(.logBroken, frame: frame, "the write-ahead log breaks at frame \(frame); what follows is ignored"))
      case .alteredSalts(let frame):
        report.findings.append(.init(.frameSalts, frame: frame, "the salts of frame \(frame) were altered"))
      }
    }
    if log.hasPlaintextTraces {
      report.findings.append(.init(.plaintext, "the write-ahead log holds what looks like plaintext"))
    }
    let missing = (1...max(1, log.committedPageCount ?? 1)).first { page in
      log.committedPageCount != nil && page > report.pageCount && log.newestFrames[page] == nil
        && page != PageGeometry(pageSize: report.pageSize).lockBytePage
    }
    if let missing, let count = log.committedPageCount {
      report.findings.append(
        .init(.truncated, page: missing, "page \(missing) of \(count) is neither in the file nor in its log"))
    }
  }

  /// The header counts when no log replaces it.
  private func checkPageCount(_ path: String, _ match: KeyMatch, _ report: inout VerificationReport) throws {
    guard report.databasePageCount == nil, match.firstPageIsAuthentic else { return }
    guard let header = try StoredHeader.read(RawDatabaseFile(path: path), keys: match.keys) else { return }
    report.databasePageCount = header.pageCount
    if let expected = header.pageCount, expected > report.pageCount {
      report.findings.append(
        .init(
          .truncated, page: report.pageCount + 1,
          "the file has \(report.pageCount) pages, its header says \(expected)"))
    }
  }

  // MARK: - Through SQLite

  private func checkContent(_ session: Session, _ report: inout VerificationReport) throws {
    if !isQuick {
      progress?.step("checking structure")
      report.checkedStructure = try checkStructure(session, .structure, .foreignKey, &report)
      // A page that is not authentic spoils the rest of its transaction, and the file is damaged whatever comes after it.
      if !report.checkedStructure { try? restartSnapshot(session) }
    }
    guard try holdsPageStore(session, &report) else { return }
    progress?.step("checking pages of the store")
    try checkStore(session, &report)
    guard !isQuick, report.store?.isComplete == true else { return }
    if report.findings.contains(where: { $0.kind == .storeState }) { try? restartSnapshot(session) }
    progress?.step("checking structure of the image")
    try checkImage(session, &report)
  }

  private func restartSnapshot(_ session: Session) throws(EncryptedStorageError) {
    if session.isInTransaction { try session.execute("ROLLBACK") }
    try Self.beginSnapshot(session)
  }

  private func holdsPageStore(_ session: Session, _ report: inout VerificationReport) throws -> Bool {
    do throws(EncryptedStorageError) { return try session.holdsPageStore() } catch {
      guard error.code == .damaged || error.code == .statement else { throw error }
      report.findings.append(.init(.unreadable, "the header cannot be read"))
      return false
    }
  }

  private func checkStore(_ container: Session, _ report: inout VerificationReport) throws {
    let result = try StoreCheck.run(container)
    report.store = result.state
    for finding in result.findings {
      let kind: VerificationReport.Finding.Kind =
        switch finding.flaw {
        case .state: .storeState
        case .pageMissing: .storePageMissing
        case .pageOrphaned: .storePageOrphaned
        case .pageSize: .storePageSize
        case .pageBeyondEnd: .storePageBeyondEnd
        case .imageHeader: .imageHeader
        }
      report.findings.append(.init(kind, page: finding.page, finding.detail))
    }
  }

  /// Takes the container over.
  private func checkImage(_ container: Session, _ report: inout VerificationReport) throws {
    do {
      let image = try factory.openImage(of: container)
      defer { image.close() }
      report.checkedImage = try checkStructure(image, .imageStructure, .imageForeignKey, &report)
    } catch let error as EncryptedStorageError where ![.cancelled, .busy, .closed].contains(error.code) {
      report.findings.append(.init(.imageStructure, "the database inside cannot be opened: \(error.detail)"))
    }
  }

  /// Messages of `integrity_check` name tables, indexes and rowids, no values.
  ///
  /// - Returns: whether all could be read.
  private func checkStructure(
    _ session: Session, _ structure: VerificationReport.Finding.Kind, _ foreignKey: VerificationReport.Finding.Kind,
    _ report: inout VerificationReport
  ) throws -> Bool {
    do {
      let messages = try session.query("PRAGMA integrity_check(1000)") { $0[0].text ?? "" }
      for message in messages where message != "ok" { report.findings.append(.init(structure, message)) }
      let orphans = try session.query("PRAGMA foreign_key_check") { row in
        "a row of \(row[0].text ?? "?") refers to a missing row of \(row[2].text ?? "?")"
      }
      for orphan in orphans.prefix(1000) { report.findings.append(.init(foreignKey, orphan)) }
      return true
    } catch let error as EncryptedStorageError where ![.cancelled, .busy, .closed].contains(error.code) {
      report.findings.append(.init(structure, "the structure cannot be read to its end"))
      return false
    }
  }
}
