/// Frames of one generation of a V2 log: `first` up to, not including, `end`.
///
/// Frames are numbered from 1 in each generation, without gaps.
public struct SyncRange: Sendable, Hashable {
  /// Frames that clients of libsql ask for at a time. Source: recorded clients.
  public static let defaultWindow: UInt32 = 128

  /// From 1.
  public let generation: UInt32
  /// From 1.
  public let first: UInt32
  /// Above `first`.
  public let end: UInt32

  /// A range; nil if it is empty, or a number is 0.
  public init?(generation: UInt32, first: UInt32, end: UInt32) {
    guard generation > 0, first > 0, end > first else { return nil }
    self.generation = generation
    self.first = first
    self.end = end
  }

  /// How many frames.
  public var count: UInt32 { end - first }
  /// The last frame of the range.
  public var last: UInt32 { end - 1 }
}
