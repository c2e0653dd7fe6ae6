internal import CCurl
internal import Glibc
internal import Synchronization

/// The thread that talks to curl: one multi handle, with the connections of a ``Transport`` and the requests on them.
///
/// The handle is made in `init` and from then on used by the thread alone, except for `curl_multi_wakeup`, which is for
/// other threads. That is called under the lock of the mail, and the thread says under the same lock that it has ended,
/// before it destroys the handle.
@safe
final class CurlThread: @unchecked Sendable {
  // Safe because the mail is behind a mutex, and the handle follows the rule above.
  private let multi: UnsafeMutableRawPointer
  private let configuration: TransportConfiguration
  private let mail = Mutex(Mail())

  private enum Letter {
    case start(Exchange)
    case resume(Exchange)
    case giveUp(Exchange)
  }

  private struct Mail {
    var letters: [Letter] = []
    var isClosing = false
    var hasEnded = false
  }

  /// Starts the thread.
  ///
  /// - Throws: ``RemoteError`` `.configuration` when the library does not fit, or there is no thread.
  init(_ configuration: TransportConfiguration) throws(RemoteError) {
    try CurlLibrary.check()
    self.configuration = configuration
    guard let multi = unsafe curl_multi_init() else { throw Self.failed("curl cannot be set up") }
    unsafe self.multi = unsafe multi
    _ = unsafe CCurl_multi_set_connections_max(multi, configuration.keptConnectionCountMax)
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    var thread = pthread_t()
    let result = unsafe pthread_create(&thread, nil, runCurlThread, context)
    guard result == 0 else {
      unsafe Unmanaged<CurlThread>.fromOpaque(context).release()
      unsafe curl_multi_cleanup(multi)
      throw Self.failed("no thread for connections: error \(result)")
    }
    pthread_detach(thread)
  }

  private static func failed(_ detail: String) -> RemoteError {
    RemoteError(.configuration, "set up transport", detail: detail)
  }

  // MARK: From any thread

  func start(_ exchange: Exchange) { post(.start(exchange)) }
  func resume(_ exchange: Exchange) { post(.resume(exchange)) }

  /// Gives a request up; it ends with `.cancelled` unless it has ended already.
  func giveUp(_ exchange: Exchange) { post(.giveUp(exchange)) }

  /// Ends the thread. Requests that are under way end with `.cancelled`.
  func close() {
    mail.withLock { mail in
      mail.isClosing = true
      if !mail.hasEnded { _ = unsafe curl_multi_wakeup(multi) }
    }
  }

  private func post(_ letter: Letter) {
    let isClosed = mail.withLock { mail in
      guard !mail.hasEnded else { return true }
      mail.letters.append(letter)
      _ = unsafe curl_multi_wakeup(multi)
      return false
    }
    if isClosed, case .start(let exchange) = letter { exchange.finish(.failure(Self.closed(exchange))) }
  }

  private static func closed(_ exchange: Exchange) -> RemoteError {
    RemoteError(
      .cancelled, exchange.request.operation, url: exchange.request.shownURL, detail: "the transport is closed")
  }

  // MARK: On the thread

  /// Requests that are under way, by their easy handles.
  private typealias Transfers = [UnsafeMutableRawPointer: Transfer]

  fileprivate func run() {
    var transfers: Transfers = unsafe [:]
    while true {
      let (letters, isClosing) = mail.withLock { mail in
        defer { mail.letters = [] }
        if mail.isClosing { mail.hasEnded = true }
        return (mail.letters, mail.isClosing)
      }
      for letter in letters { unsafe handle(letter, &transfers) }
      if isClosing { break }
      var runningCount: Int32 = 0
      _ = unsafe curl_multi_perform(multi, &runningCount)
      unsafe finishDone(&transfers)
      unsafe finishLate(&transfers)
      _ = unsafe curl_multi_poll(multi, nil, 0, waitMilliseconds(transfers), nil)
    }
    unsafe transfers.values.forEach { transfer in
      end(transfer, .failure(transfer.error(.cancelled, "the transport is closed")))
    }
    unsafe transfers.removeAll()
    unsafe curl_multi_cleanup(multi)
  }

  private func handle(_ letter: Letter, _ transfers: inout Transfers) {
    switch letter {
    case .start(let exchange):
      do throws(RemoteError) {
        let transfer = try Transfer(exchange, configuration)
        guard unsafe curl_multi_add_handle(multi, transfer.handle) == CURLM_OK else {
          throw transfer.error(.configuration, "libcurl does not accept the request")
        }
        unsafe transfers[transfer.handle] = transfer
      } catch {
        exchange.finish(.failure(error))
      }
    case .resume(let exchange): unsafe find(exchange, transfers)?.resume()
    case .giveUp(let exchange):
      guard let transfer = unsafe find(exchange, transfers) else { return }
      end(transfer, .failure(transfer.error(.cancelled, "the request was given up")))
      unsafe transfers[transfer.handle] = nil
    }
  }

  private func find(_ exchange: Exchange, _ transfers: Transfers) -> Transfer? {
    unsafe transfers.values.first { $0.exchange === exchange }
  }

  private func finishDone(_ transfers: inout Transfers) {
    var left: Int32 = 0
    while let message = unsafe curl_multi_info_read(multi, &left) {
      guard unsafe CCurl_message_is_done(message) != 0, let handle = unsafe message.pointee.easy_handle,
        let transfer = unsafe transfers.removeValue(forKey: handle)
      else { continue }
      // The message dies with the handle's removal.
      let result = unsafe CCurl_message_result(message)
      end(transfer, transfer.end(result))
    }
  }

  private func finishLate(_ transfers: inout Transfers) {
    let now = ContinuousClock.now
    let late = unsafe transfers.values.filter { $0.deadline.map { $0 <= now } ?? false }
    for transfer in late {
      end(transfer, .failure(transfer.lateness))
      unsafe transfers[transfer.handle] = nil
    }
  }

  private func end(_ transfer: Transfer, _ end: Result<Void, RemoteError>) {
    _ = unsafe curl_multi_remove_handle(multi, transfer.handle)
    transfer.exchange.finish(end)
  }

  /// Until the next deadline; curl wakes up earlier for its own. Rounded up, so that the last wait does not spin.
  private func waitMilliseconds(_ transfers: Transfers) -> Int32 {
    let next = unsafe transfers.values.compactMap(\.deadline).min()
    guard let next else { return 60_000 }
    return Int32(max(0, min(ContinuousClock.now.duration(to: next) / .milliseconds(1) + 1, 60_000)))
  }
}

private func runCurlThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // Signals are for the threads that expect them.
  var signals = sigset_t()
  unsafe sigfillset(&signals)
  unsafe pthread_sigmask(SIG_SETMASK, &signals, nil)
  if let context = unsafe context { unsafe Unmanaged<CurlThread>.fromOpaque(context).takeRetainedValue().run() }
  return nil
}

/// The library as a whole.
enum CurlLibrary {
  /// Sets the library up, once, and looks whether it is one that this code can use.
  ///
  /// - Throws: ``RemoteError`` `.configuration`.
  static func check() throws(RemoteError) {
    if let problem { throw RemoteError(.configuration, "set up transport", detail: problem) }
  }

  private static let problem: String? = {
    guard curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK else { return "libcurl cannot be set up" }
    guard let information = unsafe CCurl_version() else { return "libcurl does not say what it is" }
    guard unsafe information.pointee.version_num >= 0x075800 else { return "libcurl is older than 7.88" }
    // One crypto library on the data path.
    guard let library = unsafe information.pointee.ssl_version,
      unsafe String(cString: library).hasPrefix("OpenSSL/")
    else { return "libcurl is not built with OpenSSL" }
    return nil
  }()
}
