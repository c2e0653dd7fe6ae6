internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOWebSocket

/// One connection of a client: HTTP/1.1, or a WebSocket that speaks Hrana.
struct ServerChannel: ServerChildChannel, HTTPChannelHandler {
  typealias HTTPConnection = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
  typealias SocketConnection = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  enum Negotiated: Sendable {
    case http(HTTPConnection)
    case socket(SocketConnection, HTTPFields)
  }

  struct Value: ServerChildChannelValue {
    let negotiated: EventLoopFuture<Negotiated>
    let channel: any Channel
  }

  let responder: HTTPChannelHandler.Responder
  let serveSocket: @Sendable (SocketConnection, HTTPFields, Logger) async -> Void
  let limits: PrimaryLimits

  /// Parts that a message of Hrana may come in.
  private static let fragmentCountMax = 1024

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let upgrader = NIOTypedWebSocketServerUpgrader<Negotiated>(
        maxFrameSize: limits.requestByteCount,
        shouldUpgrade: { channel, head in
          let offered = head.headers[canonicalForm: "sec-websocket-protocol"].joined(separator: ",")
          let chosen = Hrana.Subprotocol.negotiate(offered: offered)
          return channel.eventLoop.makeSucceededFuture(
            chosen.map { ["Sec-WebSocket-Protocol": $0.rawValue] })
        },
        upgradePipelineHandler: { channel, head in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers(
              NIOWebSocketFrameAggregator(
                minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: Self.fragmentCountMax,
                maxAccumulatedFrameSize: limits.requestByteCount),
              StalledWriteHandler(limits.stalledWriteTime))
            return .socket(
              try NIOAsyncChannel(wrappingChannelSynchronously: channel),
              HTTPFields(head.headers, splitCookie: false))
          }
        })
      var upgrade = NIOUpgradableHTTPServerPipelineConfiguration(
        upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
          channel.eventLoop.makeCompletedFuture { .http(try Self.addHTTPHandlers(channel, limits, logger)) }
        })
      upgrade.enablePipelining = false
      let negotiated = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(configuration: upgrade)
      // Until there is a request, nothing else looks at the clock.
      let closing = channel.eventLoop.scheduleTask(in: TimeAmount(limits.connectionIdleTime)) {
        channel.close(promise: nil)
      }
      negotiated.whenComplete { _ in closing.cancel() }
      return Value(negotiated: negotiated, channel: channel)
    }
  }

  private static func addHTTPHandlers(
    _ channel: any Channel, _ limits: PrimaryLimits, _ logger: Logger
  ) throws -> HTTPConnection {
    try channel.pipeline.syncOperations.addHandlers(
      HTTP1ToHTTPServerCodec(secure: false), StalledWriteHandler(limits.stalledWriteTime), LingeringCloseHandler(),
      HTTPConnectionStateHandler(idleTimeout: limits.connectionIdleTime, logger: logger))
    return try NIOAsyncChannel(
      wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
  }

  func handle(value: Value, logger: Logger) async {
    do {
      switch try await value.negotiated.get() {
      case .http(let connection): await handleHTTP(asyncChannel: connection, logger: logger)
      case .socket(let connection, let headers): await serveSocket(connection, headers, logger)
      }
    } catch {
      logger.debug("a connection ended before its first request")
      value.channel.close(promise: nil)
    }
  }
}

/// Closes a connection whose client takes nothing for a time: what is being sent holds a snapshot of the database.
private final class StalledWriteHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny
  typealias OutboundIn = NIOAny

  private let time: TimeAmount
  private var closing: Scheduled<Void>?

  init(_ time: Duration) { self.time = TimeAmount(time) }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    closing?.cancel()
    closing = nil
    if !context.channel.isWritable {
      let channel = context.channel
      closing = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    closing?.cancel()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { closing?.cancel() }
}
