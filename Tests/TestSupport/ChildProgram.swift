internal import CLinux
package import Foundation
internal import Synchronization

/// A program that a test runs, with the members of Foundation's `Process` that tests use.
///
/// Not `Process`: its children inherit every descriptor that is open at that moment, those included by which it notices the end
/// of other children, so that waiting for one of several takes until the last of them has ended; and they inherit the signals
/// that the calling thread blocks, SIGTERM often among them. These children get three descriptors and no blocked signal.
package final class ChildProgram: Sendable {
  private struct Settings {
    var executableURL: URL?
    var arguments: [String] = []
    var environment: [String: String]?
    var currentDirectoryURL: URL?
    /// Input, output and errors; kept open until the program runs. Nil for the test's own, for input /dev/null.
    var streams: [FileHandle?] = [nil, nil, nil]
    /// Ends of pipes that only the child needs.
    var childEnds: [FileHandle] = []
  }

  private struct State {
    var identifier: pid_t = 0
    /// Of waitpid(2), once the child has been reaped.
    var status: Int32?
  }

  private let settings = Mutex(Settings())
  private let state = Mutex(State())

  package init() {}

  package var executableURL: URL? {
    get { settings.withLock { $0.executableURL } }
    set { settings.withLock { $0.executableURL = newValue } }
  }

  package var arguments: [String] {
    get { settings.withLock { $0.arguments } }
    set { settings.withLock { $0.arguments = newValue } }
  }

  /// Nil for that of the test.
  package var environment: [String: String]? {
    get { settings.withLock { $0.environment } }
    set { settings.withLock { $0.environment = newValue } }
  }

  package var currentDirectoryURL: URL? {
    get { settings.withLock { $0.currentDirectoryURL } }
    set { settings.withLock { $0.currentDirectoryURL = newValue } }
  }

  /// Where the child reads from.
  package func setInput(_ pipe: Pipe) { set(0, pipe.fileHandleForReading, isPipe: true) }

  package func setInput(_ handle: FileHandle) { set(0, handle, isPipe: false) }

  /// Where the child writes to.
  package func setOutput(_ pipe: Pipe) { set(1, pipe.fileHandleForWriting, isPipe: true) }

  package func setOutput(_ handle: FileHandle) { set(1, handle, isPipe: false) }

  package func setErrors(_ pipe: Pipe) { set(2, pipe.fileHandleForWriting, isPipe: true) }

  package func setErrors(_ handle: FileHandle) { set(2, handle, isPipe: false) }

  private func set(_ number: Int, _ handle: FileHandle, isPipe: Bool) {
    settings.withLock { settings in
      settings.streams[number] = handle
      if isPipe { settings.childEnds.append(handle) }
    }
  }

  // MARK: - Running

  package var processIdentifier: Int32 { state.withLock { $0.identifier } }

  /// Starts the program; without a slash it is looked for in PATH.
  package func run() throws {
    let identifier = try settings.withLock { settings in
      let identifier = try Self.spawn(settings)
      for end in settings.childEnds { try? end.close() }
      settings.childEnds = []
      settings.streams = [nil, nil, nil]
      return identifier
    }
    state.withLock { $0.identifier = identifier }
  }

  private static func spawn(_ settings: Settings) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    try check(posix_spawn_file_actions_init(&actions))
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, handle) in settings.streams.enumerated() {
      if handle === FileHandle.nullDevice || handle == nil && target == 0 {
        try check(posix_spawn_file_actions_addopen(&actions, Int32(target), "/dev/null", O_RDWR, 0))
      } else if let handle {
        // One below 3 would be in the way of another stream.
        try check(handle.fileDescriptor < 3 ? EBADF : 0)
        try check(posix_spawn_file_actions_adddup2(&actions, handle.fileDescriptor, Int32(target)))
      }
    }
    try check(CLinux_spawn_add_close_from(&actions, 3))
    var attributes = posix_spawnattr_t()
    try check(posix_spawnattr_init(&attributes))
    defer { posix_spawnattr_destroy(&attributes) }
    var allSignals = sigset_t()
    var noSignals = sigset_t()
    sigfillset(&allSignals)
    sigemptyset(&noSignals)
    try check(posix_spawnattr_setsigdefault(&attributes, &allSignals))
    try check(posix_spawnattr_setsigmask(&attributes, &noSignals))
    // A group of its own, so that what the program has started ends with it.
    try check(posix_spawnattr_setpgroup(&attributes, 0))
    try check(
      posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP)))

    var line = [settings.executableURL?.path ?? ""] + settings.arguments
    if let directory = settings.currentDirectoryURL { line = ["/usr/bin/env", "-C", directory.path] + line }
    var argumentPointers: [UnsafeMutablePointer<CChar>?] = line.map { strdup($0) } + [nil]
    let environment = settings.environment ?? ProcessInfo.processInfo.environment
    var environmentPointers: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
    var identifier: pid_t = 0
    try check(posix_spawnp(&identifier, line[0], &actions, &attributes, &argumentPointers, &environmentPointers))
    return identifier
  }

  private static func check(_ result: Int32) throws {
    if result != 0 { throw POSIXError(POSIXErrorCode(rawValue: result) ?? .EIO) }
  }

  // MARK: - Ending

  package var isRunning: Bool {
    state.withLock { state in
      Self.reapIfEnded(&state)
      return state.identifier != 0 && state.status == nil
    }
  }

  package func terminate() { send(SIGTERM) }

  /// Sends a signal, unless the program has ended.
  package func send(_ signal: Int32) {
    state.withLock { state in
      Self.reapIfEnded(&state)
      if state.identifier != 0, state.status == nil { kill(state.identifier, signal) }
    }
  }

  private static func reapIfEnded(_ state: inout State) {
    guard state.identifier != 0, state.status == nil else { return }
    var status: Int32 = 0
    if waitpid(state.identifier, &status, WNOHANG) == state.identifier { state.status = status }
  }

  /// Blocks until the program has ended.
  package func waitUntilExit() {
    let identifier = processIdentifier
    guard identifier != 0 else { return }
    var information = siginfo_t()
    // Leaves the child to be reaped, so that its number stays its own until that happens under the lock.
    while isRunning {
      if waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) != 0, errno != EINTR { break }
    }
  }

  package var terminationReason: Process.TerminationReason { status & 0x7f == 0 ? .exit : .uncaughtSignal }

  /// The exit code, or the number of the signal.
  package var terminationStatus: Int32 { status & 0x7f == 0 ? status >> 8 & 0xff : status & 0x7f }

  private var status: Int32 {
    state.withLock { state in
      Self.reapIfEnded(&state)
      return state.status ?? 0
    }
  }

  deinit {
    // With the program behind `timeout`, which would go on, and hold the test's output open.
    let identifier = processIdentifier
    if identifier != 0 { kill(-identifier, SIGKILL) }
    waitUntilExit()
  }
}
