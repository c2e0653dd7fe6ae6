internal import Hummingbird
internal import Logging

/// What belongs to one request.
struct PrimaryContext: RequestContext {
  var coreContext: CoreRequestContextStorage

  init(source: Source) { coreContext = .init(source: source) }
}
