internal import Glibc

/// Finds who has a file open, through `/proc`: an idle SQLite connection in rollback mode holds no lock at all, and after
/// a rename it would go on reading and writing the nameless old file.
///
/// Sees the processes of this user, or all as root, in this PID namespace; SQLite's locks cover the rest while they work.
enum OpenFiles {
  /// - Parameter expectedHere: descriptors of this process that may be open; nil not to look at this process, because
  ///   SQLite keeps closed descriptors of a locked file open until the lock goes.
  /// - Throws: `.busy` naming the process.
  static func refuseOthers(having path: String, expectedHere: Int?) throws(EncryptedStorageError) {
    guard let file = FileSystem.status(path) else { return }
    let own = String(getpid())
    for process in FileSystem.entries(of: "/proc") where process.allSatisfy(\.isNumber) {
      if process == own, expectedHere == nil { continue }
      let descriptors = FileSystem.entries(of: "/proc/\(process)/fd").filter { descriptor in
        FileSystem.status("/proc/\(process)/fd/\(descriptor)").map(file.isSameFile(as:)) ?? false
      }
      if descriptors.count > (process == own ? expectedHere ?? 0 : 0) {
        throw EncryptedStorageError(
          .busy, operation: "lock", file: path,
          detail: process == own ? "this process has the file open" : "process \(process) has the file open",
          hint: "stop it, then try again")
      }
    }
  }
}
