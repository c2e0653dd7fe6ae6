internal import Glibc

/// Places at which a test ends the process, as a power cut would: the durable steps of a rotation and of a copy.
///
/// `ALBERGUE_CRASH_POINT=renamed` makes the process kill itself there; without it this is one look at a static.
package enum CrashPoint {
  private static let wanted: String? = unsafe getenv("ALBERGUE_CRASH_POINT").map { unsafe String(cString: $0) }

  package static func reach(_ name: String) {
    guard let wanted, wanted == name else { return }
    kill(getpid(), SIGKILL)
  }
}
