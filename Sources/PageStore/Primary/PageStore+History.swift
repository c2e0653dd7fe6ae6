internal import EncryptedStorage

extension PageStore {
  /// Generations that a new history leaves out, so that replicas of the former one are in none that it knows.
  private static let skippedGenerations = 64

  /// Gives a primary a new identity: for one that was restored from a backup, or copied to go its own way. Replicas that have
  /// seen what the backup does not have would otherwise take the next commits for changes of what they have, as soon as the
  /// primary has come to their position.
  ///
  /// Every replica then gets the whole image once more. One of V2 walks there through the generations that are left out; one
  /// that was further ahead than these is told that it has to be made anew.
  /// - Throws: `.denied` in a replica; `.busy`, `.diskFull`.
  package func beginNewHistory() async throws {
    try await container.transaction(.immediate) { container in
      guard try StoreState.read(container).role == .primary else {
        throw EncryptedStorageError(
          .denied, operation: "begin new history", file: container.path,
          detail: "a replica has the identity of its remote")
      }
      let state = try PrimaryState.read(container)
      let number = Int64(state.generation.number) + Int64(Self.skippedGenerations)
      // Positions go on. A whole image in the generation before the newest begins one position earlier.
      let position = max(1, state.image.position)
      try container.execute("DELETE FROM generation")
      try container.execute(
        "INSERT INTO generation VALUES (?, ?), (?, ?)",
        [.integer(number - 1), .integer(position - 1), .integer(number), .integer(position)])
      try container.execute(
        "UPDATE meta SET remote = ?, generation = ?", [.text(PrimaryState.makeIdentity()), .integer(number)])
    }
  }
}
