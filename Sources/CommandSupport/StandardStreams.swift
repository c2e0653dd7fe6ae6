internal import Glibc
internal import Synchronization

/// Standard error, unbuffered.
enum StandardError {
  static func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      // There is nowhere to report that stderr cannot be written.
      _ = unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
    }
  }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Standard output, in whole lines.
public enum StandardOutput {
  private static let hasReader = Atomic<Bool>(true)

  /// Writes `text` and a newline.
  ///
  /// - Throws: ``CommandError`` with 74 when it cannot be written, for example on a full disk; what nobody
  ///   reads any more is dropped, and the command goes on to its own exit code.
  public static func line(_ text: String) throws {
    guard hasReader.load(ordering: .relaxed) else { return }
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { return hasReader.store(false, ordering: .relaxed) }
        throw CommandError(.inputOutput, "cannot write to standard output", hint: "check the disk it is redirected to")
      }
      rest = rest.dropFirst(written)
    }
  }
}
