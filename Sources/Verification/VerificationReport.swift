public import PageStore

/// What a verification looked at and what it found. Holds page numbers and names of the schema, never content.
public struct VerificationReport: Sendable, Encodable {
  /// One thing that is not as it should be.
  public struct Finding: Sendable, Encodable, Equatable {
    /// What kind of finding, for programs.
    public enum Kind: String, Sendable, Encodable {
      /// A page whose MAC fits no key: altered, torn, or of another file.
      case pageNotAuthentic = "page-not-authentic"
      /// A page of zeros, which SQLCipher accepts in auto-vacuum databases.
      case pageZeroed = "page-zeroed"
      /// A page under another of the given keys: an in-place rekey was interrupted.
      case pageOtherKey = "page-other-key"
      /// Bytes that look like plaintext SQLite where only ciphertext belongs.
      case plaintext = "plaintext"
      /// The file ends inside a page.
      case partialPage = "partial-page"
      /// The file has fewer pages than its header, or the last commit of its log, says.
      case truncated = "truncated"
      /// The header of the write-ahead log is damaged, so that SQLite ignores the log.
      case logHeader = "wal-header"
      /// A committed frame whose MAC fits no key.
      case frameNotAuthentic = "wal-frame-not-authentic"
      /// A committed frame under another of the given keys.
      case frameOtherKey = "wal-frame-other-key"
      /// The checksum chain of the log breaks before its last commit.
      case logBroken = "wal-broken"
      /// A frame whose salts were altered.
      case frameSalts = "wal-frame-salts"
      /// SQLCipher cannot read the schema.
      case unreadable = "unreadable"
      /// A message of `PRAGMA integrity_check`.
      case structure = "structure"
      /// A row whose parent is missing.
      case foreignKey = "foreign-key"
      /// The state of a page store, or its list of changes, contradicts itself.
      case storeState = "store-state"
      /// A page of the image is not in the store.
      case storePageMissing = "store-page-missing"
      /// Only the head or only the tail of a page is in the store.
      case storePageOrphaned = "store-page-orphaned"
      /// A head or a tail of the wrong size.
      case storePageSize = "store-page-size"
      /// A page that the image does not have.
      case storePageBeyondEnd = "store-page-beyond-end"
      /// Page 1 of the image is not that of a database with pages of 4096 bytes.
      case imageHeader = "image-header"
      /// A message of `PRAGMA integrity_check` on the database inside a page store.
      case imageStructure = "image-structure"
      /// A row of the database inside a page store whose parent is missing.
      case imageForeignKey = "image-foreign-key"
    }

    /// What kind of finding this is.
    public let kind: Kind
    /// 1-based page, where the finding is about one: of the image for the kinds of a page store, else of the file.
    public let page: UInt32?
    /// 0-based frame of the write-ahead log, where the finding is about one.
    public let frame: Int?
    /// One sentence, without a full stop.
    public let detail: String

    init(_ kind: Kind, page: UInt32? = nil, frame: Int? = nil, _ detail: String) {
      self.kind = kind
      self.page = page
      self.frame = frame
      self.detail = detail
    }
  }

  /// The file as named by the caller.
  public let file: String
  /// Id of the key the file is under.
  public let keyID: String
  /// `sqlcipher4`, `sqlcipher4-sha256`, or the MAC of another format.
  public let profile: String
  /// Bytes per page.
  public let pageSize: Int
  /// Whole pages in the file, all checked.
  public internal(set) var pageCount: UInt32 = 0
  /// Pages of the database after the last commit.
  public internal(set) var databasePageCount: UInt32?
  /// Frames of the write-ahead log up to its last commit, all checked.
  public internal(set) var logFrameCount = 0
  /// Whether `integrity_check` and `foreign_key_check` ran.
  public internal(set) var checkedStructure = false
  /// What a page store says about itself; nil for other files, and when it cannot be read.
  public internal(set) var store: StoreState?
  /// Whether `integrity_check` and `foreign_key_check` ran on the database inside a page store.
  public internal(set) var checkedImage = false
  /// Everything found; empty when the file is as it should be.
  public internal(set) var findings: [Finding] = []

  /// Whether nothing was found.
  public var isClean: Bool { findings.isEmpty }
}
