package import LibSQLProtocol

/// A stream of Hrana over HTTP: a connection of the remote to its database, which batons name from request to request.
///
/// One request at a time, since each answer brings the next baton. After a failure the baton is dead, and so is the stream.
package actor RemoteStream {
  private enum State {
    case fresh
    case open(baton: String)
    case ended
  }

  private let client: HranaClient
  private var state = State.fresh
  /// Where the server wants the next requests, within the origin.
  private var base: String?
  private var isBusy = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  package init(_ client: HranaClient) { self.client = client }

  /// Whether the server holds something for this stream.
  package var isOpen: Bool { if case .open = state { true } else { false } }

  /// Sends requests and gives one result for each.
  ///
  /// - Throws: ``RemoteError``; `.streamExpired` after the end of the stream.
  package func pipeline(
    _ requests: [Hrana.StreamRequest], _ operation: String, isRepeatable: Bool = false
  ) async throws(RemoteError) -> [Hrana.StreamResult] {
    await enter()
    defer { leave() }
    let baton: String?
    switch state {
    case .fresh: baton = nil
    case .open(let current): baton = current
    case .ended: throw client.expired(operation, nil, nil)
    }
    state = .ended
    let request = Hrana.PipelineRequest(baton: baton, requests: requests)
    let response = try await client.pipeline(request, base: base, operation, isRepeatable: isRepeatable)
    try continueWith(response.baton, response.baseURL, operation)
    return response.results
  }

  private func continueWith(_ baton: String?, _ baseURL: String?, _ operation: String) throws(RemoteError) {
    if let baseURL { base = try checked(baseURL, operation) }
    if let baton { state = .open(baton: baton) }
  }

  private func checked(_ address: String, _ operation: String) throws(RemoteError) -> String {
    try client.remote.base(address, operation)
  }

  private func enter() async {
    guard isBusy else {
      isBusy = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  private func leave() {
    if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() }
  }
}

extension Remote {
  /// A base that the server names for the next requests.
  ///
  /// - Throws: ``RemoteError`` `.foreignOrigin`.
  func base(_ address: String, _ operation: String) throws(RemoteError) -> String {
    guard let path = url.sameOriginTarget(address, from: url.origin + "/") else {
      throw RemoteError(
        .foreignOrigin, operation, url: url.description,
        detail: "the server wants the next requests at another origin, which would get token and key",
        hint: "if the database has moved, set TURSO_DATABASE_URL to where it is", mayHaveRun: true)
    }
    let end = path.lastIndex { $0 != "/" }
    return url.origin + (end.map { path[...$0] } ?? "")
  }
}
