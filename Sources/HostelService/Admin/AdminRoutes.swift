internal import FoundationEssentials
internal import HTTPTypes
internal import HostelStore
internal import Hummingbird
internal import NIOCore
internal import ServerAccess

/// The page for the person at the desk: how full the house is, how fresh the data, how it is encrypted.
struct AdminRoutes: Sendable {
  let hostel: Hostel
  let authenticator: Authenticator

  func add(to router: Router<ServiceContext>) {
    router.get("/admin") { request, _ in
      try admit(request.headers)
      let page = AdminPage(
        health: try await hostel.health(), occupancy: try await hostel.store.occupancy(),
        overdueCount: try await hostel.store.reportCounts().overdue,
        overdue: try await hostel.store.overdueReports(limit: AdminPage.overdueCountMax).value.items,
        encryption: try await hostel.store.database.encryption(), now: hostel.store.now,
        isTokenRequired: authenticator.requiresTokens)
      var headers: HTTPFields = [.contentType: "text/html; charset=utf-8", .contentSecurityPolicy: AdminPage.policy]
      if let name = HTTPField.Name("referrer-policy") { headers[name] = "no-referrer" }
      return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: page.html)))
    }
  }

  /// A browser sends no bearer token by itself. It asks for a password, and the token is the password; it changes nothing
  /// that a page can be made to send it, since there is only this page to read.
  ///
  /// - Throws: `AccessError`; ``Problem`` 401 that makes the browser ask.
  private func admit(_ headers: HTTPFields) throws {
    var credentials = Authenticator.Credentials(
      authorization: headers[values: .authorization], origin: headers[values: .origin])
    if let token = headers[values: .authorization].first.flatMap(Self.password) {
      credentials.authorization = ["Bearer " + token]
    }
    do throws(AccessError) { _ = try authenticator.grant(credentials) } catch {
      var problem = Problem(error)
      if problem.status == .unauthorized {
        problem.headers[.wwwAuthenticate] = #"Basic realm="albergue", charset="UTF-8""#
      }
      throw problem
    }
  }

  /// The password of `Basic`. Source: RFC 7617, section 2.
  private static func password(_ header: String) -> String? {
    guard header.prefix(6).lowercased() == "basic ", let data = Data(base64Encoded: String(header.dropFirst(6))) else {
      return nil
    }
    let text = String(decoding: data, as: UTF8.self)
    return text.firstIndex(of: ":").map { String(text[text.index(after: $0)...]) }
  }
}

extension HTTPField.Name {
  fileprivate static let contentSecurityPolicy = Self("content-security-policy") ?? .contentType
}
