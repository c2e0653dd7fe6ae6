package import LibSQLProtocol
package import TestSupport

/// Random values of every message, for round trips and as seeds of mutations. Texts hold ``Canary``, so that a test can see
/// that errors do not quote what they refuse.
package struct ReplicationRandom {
  package var generator: SeededGenerator

  package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  package mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
  package mutating func flag() -> Bool { Bool.random(using: &generator) }

  /// Small and large numbers alike.
  package mutating func number<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type) -> Value {
    Value(truncatingIfNeeded: generator.next() >> UInt64(int(0...63)))
  }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  /// A page, most of it one byte over and over, for speed.
  package mutating func page() -> [UInt8] {
    bytes(64) + [UInt8](repeating: UInt8(int(0...255)), count: 4032)
  }

  package mutating func text() -> String { flag() ? "" : Canary.text + String(repeating: "ñ", count: int(0...9)) }

  package mutating func uuid() -> String {
    let digits = bytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { range in
      String(digits.dropFirst(range.lowerBound).prefix(range.count))
    }
    return groups.joined(separator: "-")
  }

  package mutating func optional<Value>(_ make: (inout Self) -> Value) -> Value? { flag() ? make(&self) : nil }
  package mutating func list<Value>(upTo count: Int, _ make: (inout Self) -> Value) -> [Value] {
    (0..<int(0...count)).map { _ in make(&self) }
  }

  package mutating func frame(number: UInt64? = nil) -> FrameMessage {
    let frame = ReplicationFrame(
      frameNumber: number ?? self.number(UInt64.self), checksum: self.number(UInt64.self),
      pageNumber: max(1, self.number(UInt32.self)), sizeAfter: flag() ? 0 : self.number(UInt32.self), page: page())
    return FrameMessage(
      frame: frame, timestamp: optional { Int64(bitPattern: $0.generator.next()) },
      durableFrameNumber: optional { $0.number(UInt64.self) })
  }

  package mutating func walFrame() -> WALFrame {
    WALFrame(
      pageNumber: max(1, number(UInt32.self)), sizeAfter: flag() ? 0 : number(UInt32.self), page: page(),
      seal: bytes(16))
  }

  package mutating func hello() -> HelloResponse {
    HelloResponse(
      generationID: uuid(), generationStartIndex: number(UInt64.self), logID: uuid(), sessionToken: uuid(),
      currentReplicationIndex: optional { $0.number(UInt64.self) },
      configuration: optional {
        DatabaseConfiguration(
          blocksReads: $0.flag(), blocksWrites: $0.flag(), blockReason: $0.optional { $0.text() },
          pageCountLimit: $0.number(UInt64.self))
      })
  }

  package mutating func value() -> ProxyValue {
    switch int(0...4) {
    case 0: .null
    case 1: .integer(Int64(bitPattern: number(UInt64.self)))
    case 2: .real(Double(int(-1_000_000...1_000_000)) / 64)
    case 3: .text(text())
    default: .blob(bytes(int(0...20)))
    }
  }

  package mutating func condition(before count: Int, depth: Int = 0) -> ProxyCondition {
    switch int(count == 0 ? (depth > 3 ? 5...5 : 2...5) : depth > 3 ? 0...1 : 0...5) {
    case 0: .ok(step: Int64(int(0...(count - 1))))
    case 1: .error(step: Int64(int(0...(count - 1))))
    case 2: .not(condition(before: count, depth: depth + 1))
    case 3: .and(list(upTo: 3) { $0.condition(before: count, depth: depth + 1) })
    case 4: .or(list(upTo: 3) { $0.condition(before: count, depth: depth + 1) })
    default: .isAutocommit
    }
  }

  package mutating func program() -> ProxyProgram {
    let steps = (0..<int(0...5)).map { index in
      ProxyProgram.Step(
        condition: optional { $0.condition(before: index) },
        ProxyQuery(
          statement: text(),
          parameters: optional {
            $0.flag()
              ? .positional($0.list(upTo: 4) { $0.value() })
              : .named($0.list(upTo: 4) { ProxyQuery.Named($0.text(), $0.value()) })
          }, skipsRows: flag()))
    }
    return ProxyProgram(clientID: uuid(), steps: steps)
  }

  package mutating func error() -> ProxyError {
    ProxyError(
      ProxyError.Code.allCases[int(0...3)], message: text(),
      extendedCode: Int32(truncatingIfNeeded: generator.next()))
  }

  package mutating func column() -> ProxyColumn { ProxyColumn(name: text(), declaredType: optional { $0.text() }) }

  package mutating func results() -> ProxyResults {
    let results: [Result<ProxyRows, ProxyError>] = list(upTo: 4) { random in
      guard random.flag() else { return .failure(random.error()) }
      let columns = random.list(upTo: 4) { $0.column() }
      let rows = random.list(upTo: 4) { random in columns.map { _ in random.value() } }
      return .success(
        ProxyRows(
          columns: columns, rows: rows, affectedRowCount: random.number(UInt64.self),
          lastInsertRowID: random.optional { Int64(bitPattern: $0.generator.next()) }))
    }
    return ProxyResults(
      results: results, state: ProxyResults.State.allCases[int(0...2)],
      currentFrameNumber: optional { $0.number(UInt64.self) })
  }

  package mutating func description() -> Result<ProxyDescription, ProxyError> {
    guard flag() else { return .failure(error()) }
    return .success(
      ProxyDescription(
        columns: list(upTo: 4) { $0.column() }, parameterNames: list(upTo: 4) { $0.text() },
        parameterCount: number(UInt64.self)))
  }

  /// Runs and single pages, sparse and dense, in up to three containers.
  package mutating func pages() -> PageSet {
    var ranges = list(upTo: 6) { random in
      let start = UInt32(random.int(0...200_000))
      return start...(start + UInt32(random.flag() ? 0 : random.int(0...9000)))
    }
    ranges.append(7...7)
    return PageSet(ranges)
  }

  package mutating func pullRequest() -> PullUpdatesRequest {
    var request = PullUpdatesRequest()
    request.serverRevision = text()
    request.clientRevision = text()
    request.longPollTimeout = number(UInt32.self)
    request.pages = optional { $0.pages() }
    request.query = text()
    if flag() { request.streamKind = .logicalLog }
    if flag() { request.encoding = .zstd }
    return request
  }

  /// A whole answer of `POST /pull-updates`.
  package mutating func pullAnswer(pageCount: Int) -> [UInt8] {
    let header = PullUpdatesHeader(serverRevision: "7" + text(), pageCount: UInt64(pageCount))
    return (1...max(1, pageCount)).prefix(pageCount).reduce(into: PullUpdatesWriter.part(header)) { body, number in
      body += PullUpdatesWriter.part(PulledPage(pageNumber: UInt32(number), page: page()))
    }
  }
}
