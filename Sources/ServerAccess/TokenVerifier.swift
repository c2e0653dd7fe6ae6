internal import FoundationEssentials
internal import LibSQLProtocol

/// Tells what a token allows with the one database that is served.
///
/// A token follows sqld: `p` names rights by database and replaces the others; else `a` is the right, and `id`, where it
/// is there, the only database; a token with neither is for everything. Stricter than sqld are: `nbf` is looked at; a
/// `null` claim is refused instead of taken for an absent one, which would widen the right; the leeway is seconds, not a
/// minute; a header with `crit` or another `typ` is refused. Like sqld it refuses a token with `aud`.
///
/// - Source: tursodatabase/libsql, libsql-server/src/auth/user_auth_strategies/jwt.rs; RFC 7519.
package struct TokenVerifier: Sendable {
  /// The name under which sqld serves a database that has none.
  package static let defaultDatabase = "default"
  /// How far the clocks of this server and of who signs tokens may be apart, in seconds.
  package static let leeway = 5.0

  private let keys: VerificationKeys
  private let database: String
  private let clock: @Sendable () -> Double

  /// - Parameters:
  ///   - database: what `id` and `p` have to name.
  ///   - clock: seconds since 1970; replaced by tests.
  package init(
    keys: VerificationKeys, database: String = defaultDatabase,
    clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
  ) {
    self.keys = keys
    self.database = database
    self.clock = clock
  }

  /// What `token`, in compact form, allows. Takes about a tenth of a millisecond for each key.
  ///
  /// Nothing of what the token says is looked at before its signature was found right.
  ///
  /// - Throws: ``AccessError``, without any part of the token.
  package func verify(_ token: String) throws(AccessError) -> AccessGrant {
    let signed: SignedToken
    do throws(TokenError) { signed = try SignedToken(parsing: token) } catch { throw .invalidToken(error) }
    guard keys.verify(signed) else { throw .badSignature }
    let claims: TokenClaims
    do throws(TokenError) { claims = try signed.claims() } catch { throw .invalidToken(error) }
    if hasPassed(claims.expiry) { throw .expired }
    if let notBefore = claims.notBefore, clock() + Self.leeway < notBefore { throw .notYetValid }
    guard !claims.hasAudience else { throw .foreignAudience }
    return AccessGrant(right: try right(of: claims), expiry: claims.expiry, subject: claims.subject)
  }

  /// Whether what a token allowed still holds.
  ///
  /// - Throws: ``AccessError/expired``.
  package func confirm(_ grant: AccessGrant) throws(AccessError) {
    if hasPassed(grant.expiry) { throw .expired }
  }

  private func hasPassed(_ expiry: Double?) -> Bool { expiry.map { clock() >= $0 + Self.leeway } ?? false }

  private func right(of claims: TokenClaims) throws(AccessError) -> AccessRight {
    guard let rights = claims.rights else {
      guard claims.database == nil || claims.database == database else { throw .forbidden }
      return claims.right?.allowsWriting ?? true ? .readWrite : .readOnly
    }
    let granted = rights.filter { $0.value.contains(database) }.keys
    guard !granted.isEmpty else { throw .forbidden }
    return granted.contains { $0.allowsWriting } ? .readWrite : .readOnly
  }
}
