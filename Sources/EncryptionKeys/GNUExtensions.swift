internal import Glibc

/// Two functions of glibc that its headers declare only under `_GNU_SOURCE`, without which Swift's Glibc module is
/// built. Looked up by name; the signatures are those of glibc 2.34 and newer, and part of its stable ABI.
enum GNUExtensions {
  /// `pipe2`(2): both ends are closed on exec from the start, so that no other thread's child inherits them.
  static func pipe2(_ ends: inout [Int32], flags: Int32) throws(SystemError) {
    precondition(ends.count == 2, "a pipe has two ends")
    typealias Function = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
    let function = unsafe unsafeBitCast(try symbol("pipe2"), to: Function.self)
    _ = try retrying { unsafe function(&ends, flags) }
  }

  /// `posix_spawn_file_actions_addclosefrom_np`(3): the child closes every descriptor from `lowest` on.
  static func addCloseFrom(
    _ actions: inout posix_spawn_file_actions_t, lowest: Int32
  ) throws(SystemError) {
    typealias Function = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    let function = unsafe unsafeBitCast(
      try symbol("posix_spawn_file_actions_addclosefrom_np"), to: Function.self)
    let result = unsafe function(&actions, lowest)
    if result != 0 { throw SystemError(result) }
  }

  /// Without the function the call fails; a child that inherits descriptors is no substitute.
  private static func symbol(_ name: String) throws(SystemError) -> UnsafeMutableRawPointer {
    // A null handle is RTLD_DEFAULT: the libraries this process has loaded.
    guard let symbol = unsafe dlsym(nil, name) else { throw SystemError(ENOSYS) }
    return unsafe symbol
  }
}
