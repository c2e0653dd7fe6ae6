internal import Glibc

/// An `errno` value, with the system's text for it.
struct SystemError: Error, Hashable, CustomStringConvertible {
  let number: Int32

  init(_ number: Int32) {
    self.number = number
  }

  /// `errno` of the C call directly before this one.
  static func last() -> SystemError {
    SystemError(errno)
  }

  var description: String {
    // glibc's strerror returns constant or thread-local text since 2.32; it is copied at once.
    unsafe String(cString: strerror(number))
  }

  /// This error as a ``KeyError`` about `subject`, for instance `key file /run/key`.
  func keyError(_ action: String, _ subject: String) -> KeyError {
    switch number {
    case ENOENT, ENOTDIR: KeyError(.missing, "\(subject): does not exist")
    case EACCES, EPERM: KeyError(.permission, "\(subject): cannot \(action): \(self)")
    default: KeyError(.io, "\(subject): cannot \(action): \(self)")
    }
  }
}
