extension Hrana {
  /// The token of a `hello` message. It is not printed: not by `print`, `dump`, in an interpolation, nor inside of
  /// something else. It is copied with the message and not wiped.
  public struct AuthToken: Sendable, Equatable {
    /// The token itself, a JWT.
    public let text: String

    /// Wraps a token.
    public init(_ text: String) { self.text = text }
  }
}

extension Hrana.AuthToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Says only that there is one.
  public var description: String { "<redacted>" }
  /// Says only that there is one.
  public var debugDescription: String { description }
  /// Without children: `dump` would show them.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
