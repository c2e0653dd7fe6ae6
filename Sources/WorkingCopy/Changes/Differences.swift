internal import EncryptedStorage

/// Whether a working copy differs from its base in anything that a push would send.
enum Differences {
  /// - Throws: what reading throws.
  static func exist(base: Session, copy: Session) throws -> Bool {
    try base.transaction(.deferred) { base in
      try copy.transaction(.deferred) { copy in
        let (former, current) = (try DatabaseSchema(of: base), try DatabaseSchema(of: copy))
        guard former.byIdentity == current.byIdentity, former.userVersion == current.userVersion,
          former.applicationID == current.applicationID
        else { return true }
        for (table, number) in current.sequences where number > former.sequences[table] ?? 0 { return true }
        for layout in current.layouts.values {
          do {
            let walk = try RowWalk(layout, before: (base, layout.sameColumns), after: copy)
            if try walk.findsAny() { return true }
          } catch let error as WorkingCopyError where error.code == .unsupported {
            // Rows that cannot be told apart have changed.
            return true
          }
        }
        return false
      }
    }
  }
}
