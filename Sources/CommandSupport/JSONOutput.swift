internal import FoundationEssentials

/// `--json`: one object on standard output.
public enum JSONOutput {
  /// Prints `value` with sorted keys.
  public static func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try StandardOutput.line(String(decoding: encoder.encode(value), as: UTF8.self))
  }
}
