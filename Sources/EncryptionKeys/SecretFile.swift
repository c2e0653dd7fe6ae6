internal import Glibc
internal import Logging

/// A file with a secret: who may access it, how large it may be, and how it is read.
struct SecretFile: Sendable {
  /// Largest file that is read, in bytes. A key takes less than 100; a keyring with 500 raw keys fits.
  static let byteCountMax = 65_536

  /// What the file is, for messages: `key file`, `keyring`.
  let kind: String
  let path: String

  /// Permission bits that must not be set. systemd grants a service access to its credentials by an access control list,
  /// whose mask shows as a permission of the group (0440).
  private var refusedPermissions: mode_t { CredentialsDirectory.holds(path) ? 0o037 : 0o077 }

  /// `key file /run/key`, as messages name it.
  var subject: String { "\(kind) \(path)" }

  /// Reads the whole file into secret memory.
  ///
  /// Type and permissions are those of the descriptor that is read, so nothing can be exchanged in between. Symbolic
  /// links are followed, because Kubernetes mounts secrets as links.
  ///
  /// - Throws: ``KeyError`` `.missing`, `.permission` (denied, or open to others), `.unusable` (not a regular file, too
  ///   large), `.io`.
  func contents(options: KeyLoadingOptions) throws(KeyError) -> SecretBytes {
    do {
      // O_NONBLOCK: opening a FIFO would otherwise wait for a writer. It has no effect on a regular file.
      let file = try FileDescriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
      let status = try file.status()
      try check(status, options: options)
      // One byte more than allowed, so that a file that grew since fstat is noticed.
      let bytes = try unsafe SecretBytes(capacity: min(status.byteCount, Self.byteCountMax) + 1) {
        (buffer) throws(SystemError) in try unsafe file.readToEnd(into: buffer)
      }
      guard bytes.count == status.byteCount else { throw KeyError(.io, "\(subject): changed while it was read") }
      return bytes
    } catch let error as SystemError {
      throw error.keyError("read", subject)
    } catch let error as KeyError {
      throw error
    } catch {
      throw KeyError(.io, "\(subject): cannot read")
    }
  }

  private func check(_ status: FileStatus, options: KeyLoadingOptions) throws(KeyError) {
    guard status.isRegular else { throw KeyError(.unusable, "\(subject): is not a regular file") }
    guard status.byteCount <= Self.byteCountMax else {
      throw KeyError(.unusable, "\(subject): \(status.byteCount) bytes, at most \(Self.byteCountMax) are read")
    }
    guard status.permissions & refusedPermissions != 0 else { return }
    let finding = "\(subject): mode \(status.permissionText) lets group or others access it"
    guard options.allowInsecurePermissions else {
      throw KeyError(.permission, finding, hint: "chmod 600 \(path)")
    }
    options.logger?.warning("\(finding)")
  }
}

extension SecretBytes {
  /// Without one line break (LF or CRLF) at the end, which editors and `echo` add.
  consuming func removingTrailingLineBreak() -> SecretBytes {
    let kept = withSpan { text in
      var kept = text.count
      if kept > 0, text[kept - 1] == UInt8(ascii: "\n") {
        kept -= 1
        if kept > 0, text[kept - 1] == UInt8(ascii: "\r") { kept -= 1 }
      }
      return kept
    }
    guard kept < count else { return self }
    return withSpan { text in
      SecretBytes(count: kept) { (bytes: inout MutableSpan<UInt8>) in
        for index in 0..<kept { bytes[index] = text[index] }
      }
    }
  }
}
