/// What a client that was let in may do, and for how long.
package struct AccessGrant: Sendable, Hashable {
  /// What it may do.
  package let right: AccessRight
  /// When its token expires, in seconds since 1970; nil for never. A connection that outlives single requests ends then.
  package let expiry: Double?
}
