internal import Glibc

/// Environment variables; an empty one counts as unset.
public enum Environment {
  /// The value of a variable that holds no secret.
  public static func value(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    let value = unsafe String(cString: text)
    return value.isEmpty ? nil : value
  }
}
