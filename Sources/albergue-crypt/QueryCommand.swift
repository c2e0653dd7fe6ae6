import ArgumentParser
import CommandSupport
import EncryptedStorage
import PageStore

struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Run one SQL statement on an encrypted database, or on the database inside a page store.",
    discussion: """
      Examples:
        albergue-crypt query --keyring keys hostel.db "SELECT status, count(*) FROM bookings GROUP BY status"
        albergue-crypt query --keyring keys --format csv hostel.db "SELECT * FROM beds" > beds.csv
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case table, csv, json }

  @Argument(help: "The encrypted database, or the page store.", completion: .file())
  var file: String

  @Argument(help: "One SQL statement.")
  var sql: String

  @Option(help: "How rows are printed.")
  var format = Format.table

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let factory = try ConnectionFactory(
      keys: keys.load(logger), profile: cipher.profile(), configuration: .mountingPageStores, logger: logger)
    let sql = sql
    let reader = try await factory.open(file, .reader)
    let writes = try await reader.run { try !$0.prepare(sql).isReadOnly }
    let result: QueryResult
    if writes {
      await reader.close()
      result = try await run(sql, on: factory.open(file, .writer))
    } else {
      result = try await run(sql, on: reader)
    }
    try result.print(as: format)
  }

  /// Rows are printed only when all pages that were read proved authentic.
  private func run(_ sql: String, on connection: Connection) async throws -> QueryResult {
    do {
      let result = try await connection.run { session in
        let statement = try session.prepare(sql)
        var rows: [[Value]] = []
        try session.forEachRow(of: statement) { rows.append($0.values) }
        return QueryResult(columns: statement.columnNames, rows: rows)
      }
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }
}
