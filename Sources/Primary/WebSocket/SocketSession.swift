internal import HTTPTypes
internal import LibSQLProtocol
internal import Logging
internal import NIOCore
internal import NIOWebSocket
internal import ServerAccess

/// Hrana over one WebSocket: streams with numbers that the client chose, whose requests run in order, and side by side with
/// those of other streams.
///
/// Source: the Hrana 3 specification, "Hrana over WebSocket".
struct SocketSession: Sendable {
  let gate: Gate
  let metrics: PrimaryMetrics

  /// Serves the socket to its end.
  ///
  /// - Parameter headers: of the request that opened it.
  func serve(_ connection: ServerChannel.SocketConnection, _ headers: HTTPFields, _ logger: Logger) async {
    metrics.openedSocket()
    defer { metrics.closedSocket() }
    do {
      try await connection.executeThenClose { inbound, outbound in
        let state = SocketState(gate)
        do {
          try await withThrowingDiscardingTaskGroup { group in
            for try await frame in inbound {
              let goesOn = try await receive(frame, headers, state, outbound, &group)
              if !goesOn { break }
            }
            await state.finish()
          }
        } catch {
          await state.finish()
          throw error
        }
        await state.closeStreams()
      }
    } catch {
      logger.debug("a WebSocket ended", metadata: ["reason": "\(type(of: error))"])
    }
  }

  private typealias Outbound = NIOAsyncChannelOutboundWriter<WebSocketFrame>

  /// - Returns: false when the socket is to be closed.
  private func receive(
    _ frame: WebSocketFrame, _ headers: HTTPFields, _ state: SocketState, _ outbound: Outbound,
    _ group: inout ThrowingDiscardingTaskGroup<any Error>
  ) async throws -> Bool {
    switch frame.opcode {
    case .ping:
      try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
      return true
    case .text: break
    case .connectionClose:
      try await close(outbound, .normalClosure)
      return false
    case .pong: return true
    default:
      try await close(outbound, .unacceptableData)
      return false
    }
    let message: Hrana.ClientMessage
    do throws(JSONMessageError) {
      message = try Hrana.ClientMessage(decoding: Array(frame.unmaskedData.readableBytesView))
    } catch {
      try await close(outbound, .protocolError)
      return false
    }
    switch message {
    case .hello(let token):
      do {
        await state.admit(try await gate.admit(hello: token, headers))
      } catch {
        let refusal =
          (error as? AccessError)?.protocolError
          ?? Hrana.ProtocolError(message: HTTPFailure(error).message, code: "AUTH_FAILED")
        try await send(.helloError(refusal), outbound)
        try await close(outbound, .policyViolation)
        return false
      }
      try await send(.helloOK, outbound)
    case .request(let id, let request):
      // A client may send requests before it has read the answer to its hello, not before its hello.
      switch await state.receive(request, id: id) {
      case .answered(let answer): try await send(answer, outbound)
      case .queued(newQueue: nil): break
      case .queued(newQueue: let jobs?):
        group.addTask {
          for await job in jobs { try await send(await state.answer(job), outbound) }
        }
      case .refused:
        try await close(outbound, .policyViolation)
        return false
      }
    }
    return true
  }

  private func send(_ message: Hrana.ServerMessage, _ outbound: Outbound) async throws {
    try await outbound.write(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(bytes: message.encoded())))
  }

  private func close(_ outbound: Outbound, _ code: WebSocketErrorCode) async throws {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: code)
    try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
  }
}
