/// SeaORM's programs take their global options before the command as well as after it; here they belong to the command.
/// Source: SeaORM 2.0, `sea-orm-migration`, `cli.rs`.
enum ArgumentOrder {
  private static let options: Set<String> = [
    "-u", "--database-url", "-s", "--database-schema", "-d", "--migration-dir",
  ]
  private static let flags: Set<String> = ["-v", "--verbose"]

  /// The command first, if only global options stand before it.
  ///
  /// - Parameter commands: the names of all commands.
  static func commandFirst(_ arguments: [String], commands: Set<String>) -> [String] {
    var index = 0
    while index < arguments.count {
      let name = String(arguments[index].prefix { $0 != "=" })
      if options.contains(arguments[index]) {
        index += 2
      } else if flags.contains(name) || options.contains(name) {
        index += 1
      } else {
        break
      }
    }
    guard index > 0, index < arguments.count, commands.contains(arguments[index]) else { return arguments }
    return [arguments[index]] + arguments[..<index] + arguments[(index + 1)...]
  }
}
