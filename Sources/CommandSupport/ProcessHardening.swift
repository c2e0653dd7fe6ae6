internal import CLinux
internal import Glibc

/// What a process that holds keys does first.
enum ProcessHardening {
  static func apply() {
    // No core file, and no other process of this user may look into this one's memory.
    var noCore = rlimit(rlim_cur: 0, rlim_max: 0)
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &noCore)
    _ = CLinux_forbid_dumps()
    // Files are private unless a command says otherwise.
    umask(0o077)
    // Both arrive as error codes of the call instead: a full file size limit, a reader that went away.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
  }
}
