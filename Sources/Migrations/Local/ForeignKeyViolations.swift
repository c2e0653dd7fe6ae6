internal import EncryptedStorage

/// How many rows refer to parents that are not there, by table.
struct ForeignKeyViolations: Sendable, Hashable {
  private struct Reference: Sendable, Hashable {
    let child: String
    let parent: String
  }

  private let counts: [Reference: Int64]

  /// Looks at every row that refers to another one.
  init(of session: Session) throws {
    let rows = try session.query(
      #"SELECT "table", "parent", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2"#
    ) { row in
      (Reference(child: row[0].text ?? "", parent: row[1].text ?? ""), row[2].integer ?? 0)
    }
    counts = Dictionary(rows) { first, _ in first }
  }

  /// The same after a script.
  ///
  /// - Throws: ``MigrationError`` `.brokenReferences` when it cannot be told, since a parent has no key that fits.
  init(after script: MigrationScript, _ session: Session) throws {
    do { try self.init(of: session) } catch let error as EncryptedStorageError where error.code == .statement {
      throw MigrationError(
        .brokenReferences, "\(script.source): foreign keys cannot be checked after it: \(error.detail)",
        hint: "nothing of this migration was kept; give every parent the key that its children refer to")
    }
  }

  /// - Parameter former: nil when it could not be told: then none may be left.
  /// - Throws: ``MigrationError`` `.brokenReferences` when there are more now between any two tables.
  func check(against former: ForeignKeyViolations?, _ script: MigrationScript) throws(MigrationError) {
    let formerCounts = former?.counts ?? [:]
    let worse = counts.filter { reference, count in count > formerCounts[reference] ?? 0 }
    guard !worse.isEmpty else { return }
    let list = worse.map { reference, count in
      "\(count - (formerCounts[reference] ?? 0)) in \(reference.child) without parent in \(reference.parent)"
    }
    throw MigrationError(
      .brokenReferences,
      "\(script.source): it would leave rows whose parents are missing: "
        + list.sorted().joined(separator: ", "),
      hint: "nothing of this migration was kept; copy every row of a table that is made anew")
  }
}
