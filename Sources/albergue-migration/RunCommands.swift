import ArgumentParser
import CommandSupport
import Migrations

struct UpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Apply pending migrations. The default.",
    discussion: """
      Examples:
        albergue-migration up -u 'sqlite://hostel.db?mode=rwc' --keyring keys
        albergue-migration up -n 1 --json
      """)

  @Option(name: [.customShort("n"), .customLong("num")], help: "At most so many; all without it.")
  var count: Int?

  @OptionGroup var destruction: DestructionOptions
  @OptionGroup var database: DatabaseOptions

  func validate() throws { try Count.validate(count) }

  func run() async throws {
    let applied = try await database.run(isChanging: true, allowsDestruction: destruction.allowDestructive) {
      try await $0.up(count)
    }
    if database.json { try JSONOutput.print(["applied": applied]) }
  }
}

struct DownCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "down", abstract: "Take applied migrations back, the latest first.",
    discussion: """
      Examples:
        albergue-migration down
        albergue-migration down -n 3 -u sqlite://hostel.db --keyring keys
      """)

  @Option(name: [.customShort("n"), .customLong("num")], help: "How many.")
  var count = 1

  @OptionGroup var destruction: DestructionOptions
  @OptionGroup var database: DatabaseOptions

  func validate() throws { try Count.validate(count) }

  func run() async throws {
    let rolledBack = try await database.run(isChanging: true, allowsDestruction: destruction.allowDestructive) {
      try await $0.down(count)
    }
    if database.json { try JSONOutput.print(["rolledBack": rolledBack]) }
  }
}

struct FreshCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fresh", abstract: "Drop every table and view, then apply all migrations.",
    discussion: """
      Examples:
        albergue-migration fresh -u sqlite://hostel.db --keyring keys
      """)

  @OptionGroup var destruction: DestructionOptions
  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await AllMigrations.run(database, destruction) { try await $0.fresh() }
  }
}

struct RefreshCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "refresh", abstract: "Take all applied migrations back, then apply all.",
    discussion: """
      Examples:
        albergue-migration refresh -u sqlite://hostel.db --keyring keys
      """)

  @OptionGroup var destruction: DestructionOptions
  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await AllMigrations.run(database, destruction) { try await $0.refresh() }
  }
}

struct ResetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reset", abstract: "Take all applied migrations back, and drop the table that records them.",
    discussion: """
      Examples:
        albergue-migration reset -u sqlite://hostel.db --keyring keys
      """)

  @OptionGroup var destruction: DestructionOptions
  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await AllMigrations.run(database, destruction, "rolledBack") { try await $0.reset() }
  }
}

/// Commands that have to do with every migration.
private enum AllMigrations {
  /// - Parameter name: of the versions in the JSON object.
  static func run(
    _ database: DatabaseOptions, _ destruction: DestructionOptions, _ name: String = "applied",
    _ body: @escaping @Sendable (Migrator) async throws -> [String]
  ) async throws {
    let versions = try await database.run(
      isChanging: true, allowsDestruction: destruction.allowDestructive, body)
    if database.json { try JSONOutput.print([name: versions]) }
  }
}

private enum Count {
  static func validate(_ count: Int?) throws {
    if let count, count < 0 { throw ValidationError("-n must not be negative") }
  }
}
