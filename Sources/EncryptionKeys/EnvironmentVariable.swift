// The C global `environ` is a mutable variable; only this file reads it, under the rule stated below.
@unsafe @preconcurrency internal import Glibc

/// A variable of this process's environment.
///
/// The C environment has no lock: reading a secret removes it, so keys are loaded at the start of a program, before
/// other threads call `getenv` or `setenv`.
struct EnvironmentVariable: Sendable {
  let name: String

  /// The value, or nil if it is unset or empty. For values that are no secrets.
  var value: String? {
    guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
    return unsafe String(cString: value)
  }

  /// True if it is set and not empty.
  var isSet: Bool {
    guard let value = unsafe getenv(name) else { return false }
    return unsafe value.pointee != 0
  }

  /// Moves the value into secret memory: overwrites it where it lies, so that `/proc/self/environ` no longer shows it,
  /// and removes the variable, so that children do not inherit it.
  ///
  /// - Returns: nil if it is unset or empty.
  func take() -> SecretBytes? {
    guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
    let bytes = unsafe SecretBytes(copying: UnsafeRawBufferPointer(start: value, count: strlen(value)))
    wipeAll()
    unsafe unsetenv(name)
    return bytes
  }

  /// An environment may hold a name twice; `getenv` sees only the first, a child's `/proc` shows both.
  private func wipeAll() {
    let prefix = Array("\(name)=".utf8CString.dropLast())
    unsafe Self.entries.forEach { entry in
      guard unsafe strncmp(entry, prefix, prefix.count) == 0 else { return }
      let value = unsafe entry + prefix.count
      unsafe LibCrypto.cleanse(UnsafeMutableRawBufferPointer(start: value, count: strlen(value)))
    }
  }

  /// Every `NAME=value` of the environment, valid until the environment changes.
  private static var entries: [UnsafeMutablePointer<CChar>] {
    var entries: [UnsafeMutablePointer<CChar>] = unsafe []
    // Null after clearenv, although it is imported as never null.
    let first: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe environ
    guard var next = unsafe first else { return unsafe entries }
    while let entry = unsafe next.pointee {
      unsafe entries.append(entry)
      unsafe next += 1
    }
    return unsafe entries
  }

  /// The environment for a child process, without the variables whose name `isWithheld` says; valid until the
  /// environment changes.
  static func entriesForChild(
    withholding isWithheld: (String) -> Bool
  ) -> [UnsafeMutablePointer<CChar>] {
    unsafe entries.filter { entry in
      let nameLength = unsafe strcspn(entry, "=")
      let name = unsafe String(
        decoding: UnsafeRawBufferPointer(start: entry, count: nameLength), as: UTF8.self)
      return !isWithheld(name)
    }
  }
}
