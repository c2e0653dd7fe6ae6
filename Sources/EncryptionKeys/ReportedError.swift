/// An error that knows how a program reports it. Every public error of this package is one.
///
/// Neither text holds a key, a token or a value of a row.
public protocol ReportedError: Error {
  /// What was found, and where: one sentence, lower case, without a full stop.
  var report: String { get }
  /// What to do about it, where something can be done.
  var hint: String? { get }
  /// What a program ends with that stops at this error: of `sysexits.h`, or 130 after an interruption.
  var exitCode: Int32 { get }
}

extension KeyError: ReportedError {
  /// The message.
  public var report: String { message }
  /// That of the code.
  public var exitCode: Int32 { code.exitCode }
}
