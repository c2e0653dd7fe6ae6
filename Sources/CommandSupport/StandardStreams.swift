internal import Glibc

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
  /// Writes `text` and a newline.
  ///
  /// - Throws: ``CommandError`` with 74 when it cannot be written, for example on a full disk; a closed pipe ends the
  ///   output quietly, as for every filter.
  public static func line(_ text: String) throws {
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { exit(0) }
        throw CommandError(.inputOutput, "cannot write to standard output", hint: "check the disk it is redirected to")
      }
      rest = rest.dropFirst(written)
    }
  }
}
