public import Logging

/// `ALBERGUE_LOG`, else `RUST_LOG`: `info,sync=debug,storage=warn`, a default level and one per module.
public struct LogSettings: Sendable, Equatable {
  private var defaultLevel = Logger.Level.warning
  private var levels: [String: Logger.Level] = [:]

  /// - Throws: ``CommandError`` with 64 for a level that does not exist.
  public init(_ text: String) throws {
    for part in text.split(separator: ",") {
      let fields = part.split(separator: "=", maxSplits: 1).map { $0.trimmingPrefix { $0 == " " } }
      guard let name = fields.last, let level = Self.level(String(name)) else {
        throw CommandError(
          .usage, "ALBERGUE_LOG: unknown level in \"\(part)\"",
          hint: "use trace, debug, info, notice, warn, error or off, as in info,sync=debug")
      }
      if fields.count == 2 { levels[String(fields[0])] = level } else { defaultLevel = level }
    }
  }

  /// The logger of one module, on stderr.
  ///
  /// - Throws: as the initializer, for the environment's setting.
  public static func logger(_ module: String) throws -> Logger {
    let settings = try LogSettings(Environment.value("ALBERGUE_LOG") ?? Environment.value("RUST_LOG") ?? "")
    var logger = Logger(label: module) { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = settings.levels[module] ?? settings.defaultLevel
    return logger
  }

  private static func level(_ name: String) -> Logger.Level? {
    switch name.lowercased() {
    case "warn": .warning
    case "off": .critical
    default: Logger.Level(rawValue: name.lowercased())
    }
  }
}
