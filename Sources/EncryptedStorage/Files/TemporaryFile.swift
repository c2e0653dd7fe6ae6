/// A name beside the final one, on the same file system, for a file that is not complete yet.
package struct TemporaryFile: Sendable {
  package let path: String

  /// What every temporary name of this project ends with, so that left-overs of a killed run are recognised.
  package static let suffix = ".albergue-tmp"

  /// In the names of all temporary files of this process.
  private static let processMark = String(UInt64.random(in: .min ... .max), radix: 36) + "-"

  /// `NAME.<process>-<random>.albergue-tmp`
  package init(beside target: String) {
    let unique = Self.processMark + String(UInt64.random(in: .min ... .max), radix: 36)
    path = "\(target).\(unique)\(Self.suffix)"
  }

  /// Removes what killed runs left beside `target`. A file that is still being written is locked, and stays.
  ///
  /// Files of this process are not even looked at: the look would open them, and when it ends, the file may have got its
  /// name, and SQLite locks on it that closing it drops.
  package static func removeAbandoned(beside target: String) {
    let folder = FileSystem.folder(of: target)
    let name = target.split(separator: "/").last.map(String.init) ?? target
    for entry in FileSystem.entries(of: folder) where entry.hasPrefix(name + ".") && entry.hasSuffix(suffix) {
      guard !entry.hasPrefix(name + "." + processMark) else { continue }
      let path = folder + "/" + entry
      guard let lock = try? FileLock(path, creating: false, operation: "clean up") else { continue }
      try? FileSystem.remove(lock.path)
    }
  }

  /// Removes the file and what SQLite may have put beside it. What cannot be removed stays, encrypted, for `status` to
  /// report; there is nobody to tell in the middle of another error.
  package func discard() {
    for extra in ["", "-journal", "-wal", "-shm"] { try? FileSystem.remove(path + extra) }
  }
}
