/// One thing that SQLite did to the disk, or tried to do.
package struct Operation: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable { case write, truncate, sync, delete }

  package let kind: Kind
  /// The path of the file.
  package let file: String
  /// Whether the disk refused it.
  package let hasFailed: Bool
}

/// How an operation fails.
package enum Fault: Sendable {
  /// An extended code of `SQLITE_IOERR`; nothing of a write reaches the file.
  case inputOutput
  /// `SQLITE_FULL`; the first half of a write reaches the file, as pwrite(2) does it.
  case diskFull
}

/// How long an injected fault lasts.
package enum FaultExtent: Sendable {
  /// One operation fails, the next one succeeds.
  case once
  /// All operations fail until `FaultyDisk.heal`; unless the disk is only full, no file can be created either.
  case everyOneAfter
}
