internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Closes a connection a short time after an answer that says `connection: close` while its request is still arriving.
///
/// What the client goes on sending is read and thrown away meanwhile: closing at once would reset the connection, and the
/// client might never see why it was refused.
/// Source: RFC 9112, section 9.6.
final class LingeringCloseHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private static let time: TimeAmount = .seconds(2)

  private var isRequestArriving = false
  private var isLastAnswer = false
  private var closing: Scheduled<Void>?

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head: isRequestArriving = true
    case .body: break
    case .end: isRequestArriving = false
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head): isLastAnswer = head.headerFields[.connection] == "close"
    case .body: break
    case .end:
      if isLastAnswer, isRequestArriving, closing == nil {
        let channel = context.channel
        closing = context.eventLoop.scheduleTask(in: Self.time) { channel.close(promise: nil) }
      }
    }
    context.write(data, promise: promise)
  }

  func channelInactive(context: ChannelHandlerContext) {
    closing?.cancel()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { closing?.cancel() }
}
