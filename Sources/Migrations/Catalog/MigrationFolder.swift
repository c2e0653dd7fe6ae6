internal import FoundationEssentials

/// Migrations as files: one folder each, `mYYYYMMDD_HHMMSS_name`, with `up.sql` and, where it can be taken back, `down.sql`.
public struct MigrationFolder: Sendable {
  /// The folder that holds these folders.
  public let path: String

  private static let upName = "up.sql"
  private static let downName = "down.sql"

  /// A folder, which need not be there.
  public init(_ path: String) { self.path = path }

  /// Whether it is there.
  public var exists: Bool {
    var isDirectory = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory
  }

  // MARK: - Reading

  /// Reads every migration.
  ///
  /// - Throws: ``MigrationError`` `.missingFile` when the folder, or the `up.sql` of a migration, is not there;
  ///   `.invalidScript`, also for a folder with scripts whose name does not fit: it is never passed over; `.inputOutput`.
  public func migrations() throws(MigrationError) -> [Migration] {
    guard exists else {
      throw MigrationError(
        .missingFile, "\(path): no such folder", hint: "make it, or begin with albergue-migration generate NAME")
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw MigrationError(.inputOutput, "\(path): the folder cannot be read", hint: "check its mode")
    }
    var migrations: [Migration] = []
    for name in names.sorted() {
      if let migration = try migration(name) { migrations.append(migration) }
    }
    return migrations
  }

  /// Nil for what is no migration: files, and folders that neither have such a name nor scripts.
  private func migration(_ name: String) throws(MigrationError) -> Migration? {
    let (up, down) = ("\(path)/\(name)/\(Self.upName)", "\(path)/\(name)/\(Self.downName)")
    let hasUp = FileManager.default.fileExists(atPath: up)
    let hasDown = FileManager.default.fileExists(atPath: down)
    guard name.wholeMatch(of: #/m\d{8}_\d{6}_\w+/#.asciiOnlyDigits().asciiOnlyWordCharacters()) != nil else {
      guard !hasUp, !hasDown else {
        throw MigrationError(
          .invalidScript, "\(path)/\(name): a folder with migration scripts, whose name is not of a migration",
          hint: "call it mYYYYMMDD_HHMMSS_name, with letters, digits and _")
      }
      return nil
    }
    guard hasUp else {
      throw MigrationError(.missingFile, "\(up): no such file", hint: "write it")
    }
    var downScript: MigrationScript?
    if hasDown { downScript = try script(down) }
    return try Migration(version: name, up: script(up), down: downScript)
  }

  private func script(_ file: String) throws(MigrationError) -> MigrationScript {
    let data: Data
    do { data = try Data(contentsOf: URL(filePath: file)) } catch {
      throw MigrationError(.inputOutput, "\(file): the file cannot be read", hint: "check its mode")
    }
    guard data.count <= MigrationScript.byteCountMax else {
      throw MigrationError(.invalidScript, "\(file): larger than \(MigrationScript.byteCountMax >> 20) MiB")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw MigrationError(.invalidScript, "\(file): not in UTF-8", hint: "save it as UTF-8 text")
    }
    return try MigrationScript(text, source: file)
  }

  // MARK: - Writing

  /// Makes the folder of a new migration, with two scripts to fill in.
  ///
  /// - Parameters:
  ///   - name: letters, digits, `_` and spaces, which become `_`.
  ///   - time: `YYYYMMDD_HHMMSS`.
  /// - Returns: the new folder.
  /// - Throws: ``MigrationError`` `.usage` for the name, `.exists`, `.inputOutput`.
  public func generate(_ name: String, time: String) throws(MigrationError) -> String {
    guard !name.contains("-") else {
      throw MigrationError(.usage, "Hyphen `-` cannot be used in migration name", hint: "use _ instead")
    }
    let version = "m\(time)_" + name.replacing(" ", with: "_")
    guard version.wholeMatch(of: #/m\d{8}_\d{6}_\w+/#.asciiOnlyDigits().asciiOnlyWordCharacters()) != nil else {
      throw MigrationError(.usage, "\"\(name)\" is no name of a migration", hint: "use letters, digits and _")
    }
    let folder = "\(path)/\(version)"
    guard !FileManager.default.fileExists(atPath: folder) else {
      throw MigrationError(.exists, "\(folder): is there already", hint: "choose another name")
    }
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data("-- What brings \(version) into the database.\n".utf8).write(
        to: URL(filePath: "\(folder)/\(Self.upName)"))
      try Data("-- What takes \(version) back.\n".utf8).write(to: URL(filePath: "\(folder)/\(Self.downName)"))
    } catch {
      throw MigrationError(.inputOutput, "\(folder): cannot be written", hint: "check the mode of \(path)")
    }
    return folder
  }
}
