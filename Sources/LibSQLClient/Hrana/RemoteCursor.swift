public import LibSQLProtocol

/// What a batch produces, entry by entry, in bounded memory however many rows there are. Each iteration runs the batch.
///
/// Entries come in order: a step begins, has rows, and ends. A body that is cut, or ends inside a step, is an error. Where
/// the server speaks version 2, which has no cursors, the whole answer is read first.
public struct RemoteCursor: AsyncSequence, Sendable {
  /// An entry.
  public typealias Element = Hrana.CursorEntry
  /// Why it stopped.
  public typealias Failure = RemoteError

  fileprivate let client: HranaClient
  fileprivate let batch: Hrana.Batch
  fileprivate let isRepeatable: Bool

  /// Runs the batch with the first entry.
  public func makeAsyncIterator() -> Iterator { Iterator(self) }

  /// One run.
  public struct Iterator: AsyncIteratorProtocol, Sendable {
    private let cursor: RemoteCursor
    private var lines: Hrana.CursorLines
    private var body: ResponseBody?
    private var entries: ArraySlice<Hrana.CursorEntry> = []
    private var baton: String?
    private var openStep: UInt32?
    private var state = State.new

    private enum State { case new, running, ended }

    fileprivate init(_ cursor: RemoteCursor) {
      self.cursor = cursor
      lines = cursor.client.cursorLines()
    }

    /// The next entry, nil at the end.
    ///
    /// - Throws: ``RemoteError``: `.statement` when the batch failed as a whole; failures on the way.
    public mutating func next() async throws(RemoteError) -> Hrana.CursorEntry? {
      if case .new = state { try await start() }
      while entries.isEmpty {
        guard case .running = state, let body else { return nil }
        let chunk = try await body.next()
        try receive(chunk)
        if chunk == nil {
          state = .ended
          self.body = nil
          await close()
        }
      }
      guard let entry = entries.popFirst() else { return nil }
      try check(entry)
      return entry
    }

    /// As ``next()``.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(RemoteError) -> Hrana.CursorEntry? {
      try await next()
    }

    private mutating func start() async throws(RemoteError) {
      let client = cursor.client
      guard try await client.version() == .three else {
        let result = try await client.batch(cursor.batch, isRepeatable: cursor.isRepeatable)
        (entries, state) = (Self.entries(of: result)[...], .ended)
        return
      }
      let request = Hrana.CursorRequest(baton: nil, batch: cursor.batch)
      let response = try await client.post(
        request, to: .cursor, base: nil, baton: nil, "cursor", isRepeatable: cursor.isRepeatable)
      (body, state) = (response.body, .running)
    }

    /// The lines that a chunk completes; nil is the end of the body.
    private mutating func receive(_ chunk: [UInt8]?) throws(RemoteError) {
      do throws(JSONMessageError) {
        let new = if let chunk { try lines.receive(chunk) } else { try lines.finish().map { [$0] } ?? [] }
        for line in new {
          switch line {
          case .response(let response): baton = response.baton
          case .entry(let entry): entries.append(entry)
          }
        }
      } catch {
        throw cursor.client.remote.malformed("cursor", "", error, mayHaveRun: true)
      }
      guard chunk == nil, openStepAfter(entries) != nil else { return }
      throw malformed("the answer ends inside a step")
    }

    /// The step that is open when these entries are through.
    private func openStepAfter(_ entries: ArraySlice<Hrana.CursorEntry>) -> UInt32? {
      entries.reduce(openStep) { open, entry in
        switch entry {
        case .stepBegin(let step, _): step
        case .stepEnd, .stepError, .error: nil
        case .row, .replicationIndex: open
        }
      }
    }

    private mutating func check(_ entry: Hrana.CursorEntry) throws(RemoteError) {
      switch entry {
      case .stepBegin(let step, _):
        guard openStep == nil else { throw malformed("a step begins inside another") }
        openStep = step
      case .row: guard openStep != nil else { throw malformed("a row outside of a step") }
      case .stepEnd:
        guard openStep != nil else { throw malformed("a step ends that has not begun") }
        openStep = nil
      case .stepError: openStep = nil
      case .error(let error): throw cursor.client.failure(error, "cursor")
      case .replicationIndex: break
      }
    }

    private func malformed(_ detail: String) -> RemoteError {
      RemoteError(
        .malformedResponse, "cursor", url: cursor.client.remote.url.description, detail: detail, mayHaveRun: true)
    }

    /// Lets the stream go that the server has opened for the cursor. If that fails, it expires by itself.
    private mutating func close() async {
      guard let baton else { return }
      let request = Hrana.PipelineRequest(baton: baton, requests: [.close])
      _ = try? await cursor.client.pipeline(request, base: nil, "close", isRepeatable: false)
    }

    private static func entries(of result: Hrana.BatchResult) -> [Hrana.CursorEntry] {
      var entries: [Hrana.CursorEntry] = []
      for (index, (outcome, error)) in zip(result.stepResults, result.stepErrors).enumerated() {
        if let error { entries.append(.stepError(step: UInt32(index), error: error)) }
        guard let outcome else { continue }
        entries.append(.stepBegin(step: UInt32(index), columns: outcome.columns))
        entries += outcome.rows.map { .row($0) }
        entries.append(
          .stepEnd(affectedRowCount: outcome.affectedRowCount, lastInsertRowID: outcome.lastInsertRowID))
      }
      return entries
    }
  }
}

extension HranaClient {
  /// Runs a batch and gives what it produces as it comes.
  ///
  /// - Parameter isRepeatable: whether running it twice does no harm. It is then sent again until the answer begins.
  public func cursor(_ batch: Hrana.Batch, isRepeatable: Bool = false) -> RemoteCursor {
    RemoteCursor(client: self, batch: batch, isRepeatable: isRepeatable)
  }
}
