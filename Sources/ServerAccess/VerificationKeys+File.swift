package import EncryptionKeys
internal import Glibc

/// Unsafe code: `stat` fills a value of its own type, and `read` gets a buffer together with its count.
extension VerificationKeys {
  /// Reads the key file. It is no secret, but whoever can write it decides who has access.
  ///
  /// Blocks: for the start of the program.
  ///
  /// - Throws: `KeyError` with the path: `.missing`, `.io`, `.permission` if everybody may write it, `.unusable`.
  package init(readingFrom path: String) throws(KeyError) {
    let contents = try Self.contents(of: path)
    do throws(KeyError) {
      try self.init(parsing: contents)
    } catch {
      throw KeyError(error.code, "\(path): \(error.message)", hint: error.hint)
    }
  }

  /// The bytes of the file, up to one more than are allowed.
  private static func contents(of path: String) throws(KeyError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw failure(path) }
    guard status.st_mode & S_IWOTH == 0 || status.st_mode & S_IFMT != S_IFREG else {
      throw KeyError(.permission, "\(path): everybody may write the key file for tokens", hint: "chmod o-w the file")
    }
    var contents = [UInt8](repeating: 0, count: fileByteCountMax + 1)
    var count = 0
    while count < contents.count {
      let readCount = unsafe contents.withUnsafeMutableBytes { buffer in
        unsafe read(
          descriptor, UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).baseAddress, buffer.count - count)
      }
      if readCount < 0, errno == EINTR { continue }
      guard readCount >= 0 else { throw failure(path) }
      if readCount == 0 { break }
      count += readCount
    }
    return Array(contents.prefix(count))
  }

  private static func failure(_ path: String) -> KeyError {
    let number = errno
    guard number == ENOENT else {
      let reason = unsafe String(cString: strerror(number))
      return KeyError(.io, "\(path): the key file for tokens cannot be read: \(reason)")
    }
    return KeyError(
      .missing, "\(path): the key file for tokens does not exist",
      hint: "name the file with the public key; a server without tokens is started with --no-auth instead")
  }
}
