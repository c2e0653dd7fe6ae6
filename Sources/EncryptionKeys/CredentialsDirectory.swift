/// Where systemd puts the credentials of a service, one file each: `$CREDENTIALS_DIRECTORY`.
///
/// - Source: systemd.exec(5), "Credentials".
enum CredentialsDirectory {
  static let variableName = "CREDENTIALS_DIRECTORY"

  /// Path of the credential `name`, or nil where there are no credentials.
  static func path(of name: String) -> String? { path.map { "\($0)/\(name)" } }

  /// Whether `path` names a file directly in it.
  static func holds(_ path: String) -> Bool {
    guard let folder = Self.path, path.hasPrefix("\(folder)/") else { return false }
    let name = path.dropFirst(folder.utf8.count + 1)
    return !name.isEmpty && !name.contains("/")
  }

  private static var path: String? { EnvironmentVariable(name: variableName).value }
}
