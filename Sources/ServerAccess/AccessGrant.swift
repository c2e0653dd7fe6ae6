/// What a client that was let in may do, and for how long.
package struct AccessGrant: Sendable, Hashable {
  /// What it may do.
  package let right: AccessRight
  /// When its token expires, in seconds since 1970; nil for never. A connection that outlives single requests ends then.
  package let expiry: Double?
  /// Who it says that it is (`sub`); nil where nobody asked.
  package let subject: String?

  init(right: AccessRight, expiry: Double?, subject: String? = nil) {
    self.right = right
    self.expiry = expiry
    self.subject = subject
  }
}
