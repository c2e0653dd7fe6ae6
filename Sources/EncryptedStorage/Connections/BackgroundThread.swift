internal import Dispatch
internal import Glibc
internal import Synchronization

/// Runs jobs one after another on a thread of its own that gives way to others: for work that takes long and that nobody
/// waits for, beside work that somebody does.
///
/// A thread of its own, since the threads of queues are used again by others, and the system lets only a privileged process
/// take back what it has given away.
///
/// Unsafe code: the new thread gets one retained reference to the jobs, and releases it when it ends.
/// Source: setpriority(2), "C library/kernel differences": on Linux it is a thread's own.
final class BackgroundThread: Sendable {
  /// A third of what a thread of ordinary priority gets of a processor that both want: others wait less, and a sync under full
  /// load still gets on. Source: sched(7), "The nice value"; a step is a factor of 1.25.
  private static let niceness: Int32 = 5

  private let jobs = Jobs()

  init() {
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(jobs).toOpaque()
    guard unsafe pthread_create(&thread, nil, runBackgroundThread, context) == 0 else {
      unsafe Unmanaged<Jobs>.fromOpaque(context).release()
      // Without a thread of its own the work is done all the same.
      jobs.useQueue()
      return
    }
    pthread_detach(thread)
  }

  deinit { jobs.end() }

  func async(_ job: @escaping @Sendable () -> Void) { jobs.add(job) }

  /// What waits for the thread.
  fileprivate final class Jobs: Sendable {
    private struct State {
      var waiting: [@Sendable () -> Void] = []
      var isEnding = false
      var queue: DispatchQueue?
    }

    private let state = Mutex(State())
    private let arrival = DispatchSemaphore(value: 0)

    func useQueue() { state.withLock { $0.queue = DispatchQueue(label: "albergue.background") } }

    func add(_ job: @escaping @Sendable () -> Void) {
      let queue = state.withLock { state in
        if state.queue == nil { state.waiting.append(job) }
        return state.queue
      }
      if let queue { queue.async(execute: job) } else { arrival.signal() }
    }

    func end() {
      state.withLock { $0.isEnding = true }
      arrival.signal()
    }

    /// Until the owner is gone, and what it left is done.
    func run() {
      while true {
        arrival.wait()
        let (jobs, isEnding) = state.withLock { state in
          defer { state.waiting = [] }
          return (state.waiting, state.isEnding)
        }
        for job in jobs { job() }
        if isEnding, jobs.isEmpty { return }
        if isEnding { arrival.signal() }
      }
    }
  }

  fileprivate static func giveWay() { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness) }
}

private func runBackgroundThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // Signals are for the threads that expect them.
  var signals = sigset_t()
  unsafe sigfillset(&signals)
  unsafe pthread_sigmask(SIG_SETMASK, &signals, nil)
  BackgroundThread.giveWay()
  if let context = unsafe context {
    unsafe Unmanaged<BackgroundThread.Jobs>.fromOpaque(context).takeRetainedValue().run()
  }
  return nil
}

/// Runs tasks on a thread that gives way to others: what belongs to no actor with an executor of its own.
package final class BackgroundTasks: TaskExecutor {
  private let thread = BackgroundThread()

  package init() {}

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    thread.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
