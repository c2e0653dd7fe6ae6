/// Which request of a replication protocol this is.
public enum ReplicationRoute: Sendable, Hashable {
  /// A method of V1: `POST /SERVICE/METHOD` with gRPC-web.
  case call(ReplicationMethod)
  /// A request of V2.
  case sync(SyncRoute)
  /// Turso's `POST /pull-updates`.
  case pullUpdates

  /// Reads a request.
  ///
  /// - Parameter path: the path of the request with its query, without the part that stands for the database.
  /// - Returns: nil for anything else, to be answered with 404.
  /// - Throws: ``WireFormatError`` as ``SyncRoute/init(method:path:)``, to be answered with 400.
  public init?(method: String, path: String) throws(WireFormatError) {
    if method == "POST" {
      if path == PullUpdatesRequest.path {
        self = .pullUpdates
        return
      }
      if let call = ReplicationMethod(rawValue: path) {
        self = .call(call)
        return
      }
    }
    guard let route = try SyncRoute(method: method, path: path) else { return nil }
    self = .sync(route)
  }

  /// The method of the request.
  public var method: String {
    if case .sync(let route) = self { route.method } else { "POST" }
  }

  /// The path, to be appended to the URL of the remote.
  public var path: String {
    switch self {
    case .call(let method): method.rawValue
    case .sync(let route): route.path
    case .pullUpdates: PullUpdatesRequest.path
    }
  }
}

/// The methods of V1. The raw value is the path.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto.
public enum ReplicationMethod: String, Sendable, CaseIterable {
  /// ``HelloRequest`` to ``HelloResponse``.
  case hello = "/wal_log.ReplicationLog/Hello"
  /// ``LogOffset`` to one message of frames, ``FrameBatch``.
  case batchLogEntries = "/wal_log.ReplicationLog/BatchLogEntries"
  /// ``LogOffset`` to a stream of ``FrameMessage``. Clients of libsql 0.9 do not call it.
  case logEntries = "/wal_log.ReplicationLog/LogEntries"
  /// ``LogOffset`` to a stream of ``FrameMessage``, in descending order of frame numbers; the last one sent commits.
  case snapshot = "/wal_log.ReplicationLog/Snapshot"
  /// ``ProxyProgram`` to ``ProxyResults``.
  case execute = "/proxy.Proxy/Execute"
  /// ``ProxyDescribeRequest`` to ``ProxyDescription``.
  case describe = "/proxy.Proxy/Describe"
  /// ``ProxyDisconnect`` to an empty message. Clients of libsql 0.9 do not call it.
  case disconnect = "/proxy.Proxy/Disconnect"
}
