import ArgumentParser
import CommandSupport
import HostelStore
import ReplicaSync

struct ReencryptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reencrypt",
    abstract: "Encrypt the personal columns anew: under the active key, each value bound to its row and column.",
    discussion: """
      For values of former versions, and after a change of the key: name the new key in PILGRIM_ENCRYPTION_KEYRING as active, the \
      former as retiring, restart the services, then run this. What is as it should be is left alone, so a run that was \
      interrupted is continued by the next. Services may go on meanwhile.

      Examples:
        albergue-service reencrypt --keyring keys --file hostel.db --url libsql://hostel.example
      """)

  @OptionGroup var database: DatabaseOptions

  /// Rounds until nothing is left; somebody who uses the former key would go on for ever.
  private static let roundCountMax = 10

  func run() async throws {
    let store = try await database.openStore()
    do {
      try await store.database.replica?.sync()
      try await reencrypt(store)
      try await store.database.replica?.sync()
    } catch {
      await store.database.close()
      throw error
    }
    await store.database.close()
  }

  private func reencrypt(_ store: HostelStore) async throws {
    var count = 0
    for _ in 1...Self.roundCountMax {
      let result = try await store.reencrypt()
      count += result.rewrittenCount
      // A round that finds nothing has also looked at what the one before wrote.
      guard result.rewrittenCount == 0 else { continue }
      try StandardOutput.line("\(count) rows encrypted anew")
      guard result.unreadable.isEmpty else {
        for row in result.unreadable { Diagnostics("albergue-service").note("cannot be read: \(row)") }
        throw StoreError(
          .damaged,
          "\(result.unreadable.count) rows hold a value that no key reads at its place; they were left as they are",
          hint: "name every former key in PILGRIM_ENCRYPTION_KEYRING as retiring, and run it again")
      }
      return
    }
    throw StoreError(
      .conflict, "\(count) rows encrypted anew, and others write under a former key meanwhile",
      hint: "restart the services with the new key, and run it again")
  }
}
