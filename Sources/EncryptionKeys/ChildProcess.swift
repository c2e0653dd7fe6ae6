internal import CLinux
internal import Glibc

/// A child process in its own process group, whose standard output is a secret.
///
/// The only file that spawns. The child gets /dev/null as standard input, our standard error, no other descriptor,
/// default signal handling, and an environment without the withheld variables.
struct ChildProcess: ~Copyable {
  /// How the child came to its end; it is always reaped.
  enum Ending: Hashable {
    case exited(Int32)
    case signalled(Int32)
    case timedOut
    case tooMuchOutput
  }

  /// What the child printed before it came to its end.
  struct Outcome: ~Copyable {
    let output: SecretBytes
    let ending: Ending

    consuming func takeOutput() -> SecretBytes { output }
  }

  private let processID: pid_t
  private let output: FileDescriptor

  /// Starts `arguments[0]`, looked up in PATH.
  init(arguments: [String], withholding isWithheld: (String) -> Bool) throws(SystemError) {
    let pipe = try Pipe.open()
    processID = try Self.spawn(arguments, output: pipe.writeEnd.rawValue, withholding: isWithheld)
    output = pipe.takeReadEnd()
  }

  /// Collects standard output up to its end, then waits for the exit; past the limits it kills the process group.
  consuming func run(
    until deadline: ContinuousClock.Instant, outputByteCountMax: Int
  ) throws(SystemError) -> Outcome {
    var limit: Ending?
    let bytes: SecretBytes
    do {
      bytes = try unsafe SecretBytes(capacity: outputByteCountMax + 1) { (buffer) throws(SystemError) in
        var filled = 0
        while filled < buffer.count {
          guard try waitForOutput(until: deadline) else {
            limit = .timedOut
            break
          }
          let count = try unsafe output.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
          if count == 0 { return filled }
          filled += count
        }
        limit = limit ?? .tooMuchOutput
        return filled
      }
    } catch {
      _ = try killAndReap()
      throw error
    }
    if let limit {
      _ = try killAndReap()
      return Outcome(output: bytes, ending: limit)
    }
    return Outcome(output: bytes, ending: try reap(until: deadline))
  }

  // MARK: Waiting

  private borrowing func waitForOutput(until deadline: ContinuousClock.Instant) throws(SystemError) -> Bool {
    while true {
      let remaining = ContinuousClock.now.duration(to: deadline)
      guard remaining > .zero else { return false }
      // Rounded up, so that the last poll does not spin; a long limit is polled in steps of a minute.
      let milliseconds = Int32(min(remaining / .milliseconds(1) + 1, 60_000))
      var request = pollfd(fd: output.rawValue, events: Int16(POLLIN), revents: 0)
      let ready = try retrying { unsafe poll(&request, 1, milliseconds) }
      if ready > 0 { return true }
    }
  }

  /// A program may close its output and go on; it gets the rest of the time.
  private borrowing func reap(until deadline: ContinuousClock.Instant) throws(SystemError) -> Ending {
    while true {
      var status: Int32 = 0
      let reaped = try retrying { unsafe waitpid(processID, &status, WNOHANG) }
      if reaped == processID { return Self.ending(status) }
      guard ContinuousClock.now < deadline else {
        _ = try killAndReap()
        return .timedOut
      }
      // Nothing tells of an exit without a signal handler of the whole process; this wait is rare and short.
      usleep(2_000)
    }
  }

  private borrowing func killAndReap() throws(SystemError) -> Ending {
    // The group's number cannot have been reused: the child that leads it has not been reaped.
    kill(-processID, SIGKILL)
    var status: Int32 = 0
    _ = try retrying { unsafe waitpid(processID, &status, 0) }
    return Self.ending(status)
  }

  /// The macros of `sys/wait.h`, which Swift does not import.
  private static func ending(_ status: Int32) -> Ending {
    let signal = status & 0x7f
    return signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
  }

  // MARK: Starting

  private static func spawn(
    _ arguments: [String], output: Int32, withholding isWithheld: (String) -> Bool
  ) throws(SystemError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    try unsafe check(posix_spawn_file_actions_init(&actions))
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    try unsafe check(posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO))
    try unsafe check(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0))
    try unsafe check(CLinux_spawn_add_close_from(&actions, STDERR_FILENO + 1))

    var attributes = posix_spawnattr_t()
    try unsafe check(posix_spawnattr_init(&attributes))
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var allSignals = sigset_t()
    var noSignals = sigset_t()
    unsafe sigfillset(&allSignals)
    unsafe sigemptyset(&noSignals)
    // A server ignores SIGPIPE and blocks others; a child that inherits that does not end when it should.
    try unsafe check(posix_spawnattr_setsigdefault(&attributes, &allSignals))
    try unsafe check(posix_spawnattr_setsigmask(&attributes, &noSignals))
    try unsafe check(posix_spawnattr_setpgroup(&attributes, 0))
    try unsafe check(
      posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)))

    var argumentPointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
    defer { unsafe argumentPointers.forEach { unsafe free($0) } }
    unsafe argumentPointers.append(nil)
    var environmentPointers: [UnsafeMutablePointer<CChar>?] =
      unsafe EnvironmentVariable.entriesForChild(withholding: isWithheld)
    unsafe environmentPointers.append(nil)

    var processID: pid_t = 0
    try unsafe check(
      posix_spawnp(&processID, arguments[0], &actions, &attributes, argumentPointers, environmentPointers))
    return processID
  }

  /// The posix_spawn family returns its error instead of setting errno.
  private static func check(_ result: Int32) throws(SystemError) {
    if result != 0 { throw SystemError(result) }
  }
}

/// Both ends of a pipe, closed on exec.
private struct Pipe: ~Copyable {
  let readEnd: FileDescriptor
  let writeEnd: FileDescriptor

  static func open() throws(SystemError) -> Pipe {
    var ends: [Int32] = [-1, -1]
    _ = try retrying { unsafe CLinux_pipe_close_on_exec(&ends) }
    let lowReadEnd = FileDescriptor(owning: ends[0])
    let lowWriteEnd = FileDescriptor(owning: ends[1])
    // Above the standard streams: in a process without them, an end numbered 0 to 2 would collide in the child.
    let readEnd = try aboveStandardStreams(lowReadEnd)
    let writeEnd = try aboveStandardStreams(lowWriteEnd)
    return Pipe(readEnd: readEnd, writeEnd: writeEnd)
  }

  /// Gives the read end away and closes the write end, without which the reader would never see the end.
  consuming func takeReadEnd() -> FileDescriptor { readEnd }

  private static func aboveStandardStreams(_ end: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor {
    let number = end.rawValue
    return FileDescriptor(owning: try retrying { fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) })
  }
}
