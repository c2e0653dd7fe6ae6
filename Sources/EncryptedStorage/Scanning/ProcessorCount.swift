internal import Glibc

enum ProcessorCount {
  /// Cores this process may use now, which a container can limit. Source: sched_getaffinity(2) through nproc's sysconf.
  static var online: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
}
