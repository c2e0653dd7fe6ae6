/// Exit codes of every executable, after sysexits(3). Table: README, "Exit codes".
public enum ExitStatus: Int32, Sendable {
  case success = 0
  /// A check failed: findings of `verify`.
  case checkFailed = 1
  case usage = 64
  /// Damaged, or not a database.
  case dataError = 65
  case noInput = 66
  case unavailable = 69
  /// Will not overwrite.
  case cannotCreate = 73
  /// I/O error, disk full.
  case inputOutput = 74
  /// Busy, try again.
  case temporaryFailure = 75
  case protocolError = 76
  /// Wrong key, no key, or not authorised.
  case noPermission = 77
  /// Ended by Ctrl-C: 128 + SIGINT, as shells say it.
  case interrupted = 130
}
