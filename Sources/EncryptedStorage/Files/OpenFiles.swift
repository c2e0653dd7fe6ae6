internal import Glibc

/// Finds who has a file open, through `/proc`: an idle SQLite connection in rollback mode holds no lock at all, and after
/// a rename it would go on reading and writing the nameless old file.
///
/// Sees the processes of this user, or all as root, in this PID namespace; SQLite's locks cover the rest while they work.
package enum OpenFiles {
  /// A child of this process holds copies of all our descriptors between fork and exec, so a holder is looked at again for
  /// a moment: it is one when it stays.
  private static let lookCount = 20
  private static let pauseMicroseconds: UInt32 = 5000

  /// - Parameter expectedHere: descriptors of this process that may be open; nil not to look at this process, because
  ///   SQLite keeps closed descriptors of a locked file open until the lock goes.
  /// - Throws: `.busy` naming the process.
  package static func refuseOthers(having path: String, expectedHere: Int?) throws(EncryptedStorageError) {
    guard let file = FileSystem.status(path) else { return }
    let own = String(getpid())
    var look = 1
    while let process = holder(of: file, own: own, expectedHere: expectedHere) {
      guard look == lookCount || process == own else {
        look += 1
        usleep(pauseMicroseconds)
        continue
      }
      throw EncryptedStorageError(
        .busy, operation: "lock", file: path,
        detail: process == own ? "this process has the file open" : "process \(process) has the file open",
        hint: "stop it, then try again")
    }
  }

  /// Makes sure that this process has no descriptor of a file that is about to get its name, under which SQLite may open it
  /// at once in another thread: closing that descriptor afterwards would drop SQLite's locks.
  ///
  /// - Throws: `.busy` when there is one.
  package static func requireClosedHere(_ path: String) throws(EncryptedStorageError) {
    guard let file = FileSystem.status(path), descriptorCount(of: file, process: "self") > 0 else { return }
    throw EncryptedStorageError(
      .busy, operation: "publish", file: path, detail: "this process has the new file open", hint: "try again")
  }

  private static func holder(of file: FileSystem.Status, own: String, expectedHere: Int?) -> String? {
    FileSystem.entries(of: "/proc").first { process in
      guard process.allSatisfy(\.isNumber), process != own || expectedHere != nil else { return false }
      return descriptorCount(of: file, process: process) > (process == own ? expectedHere ?? 0 : 0)
    }
  }

  private static func descriptorCount(of file: FileSystem.Status, process: String) -> Int {
    FileSystem.entries(of: "/proc/\(process)/fd").count { descriptor in
      FileSystem.status("/proc/\(process)/fd/\(descriptor)").map(file.isSameFile(as:)) ?? false
    }
  }
}
