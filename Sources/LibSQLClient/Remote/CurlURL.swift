internal import CCurl

/// The parts of a URL as curl understands them. Addresses are checked by the parser that connects later, so that a host
/// cannot look one way here and another way there.
///
/// The only file that uses curl's URL handles. Each is freed in the function that makes it; texts are copied out.
struct CurlURL: Sendable, Hashable {
  let scheme: String?
  /// In lower case, IPv4 in four numbers, IPv6 in brackets.
  let host: String
  let port: UInt16?
  /// Begins with a slash.
  let path: String
  let query: String?
  let hasUser: Bool
  let hasFragment: Bool

  /// Reads a URL with a scheme that curl speaks.
  ///
  /// - Throws: ``RemoteError`` `.configuration`.
  static func parse(_ text: String) throws(RemoteError) -> CurlURL {
    guard let parts = parts(of: [text]) else {
      throw RemoteError(.configuration, "read address", detail: "the address is not a URL")
    }
    return parts
  }

  /// What `reference` means on the page `base`; nil if it is no URL.
  static func resolve(_ reference: String, against base: String) -> CurlURL? { parts(of: [base, reference]) }

  /// Each text is resolved against the ones before it.
  private static func parts(of texts: [String]) -> CurlURL? {
    guard let handle = unsafe curl_url() else { return nil }
    defer { unsafe curl_url_cleanup(handle) }
    for text in texts {
      guard unsafe curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK else { return nil }
    }
    func part(_ kind: CURLUPart) -> String? {
      var text: UnsafeMutablePointer<CChar>?
      guard unsafe curl_url_get(handle, kind, &text, 0) == CURLUE_OK, let text = unsafe text else { return nil }
      defer { unsafe curl_free(text) }
      return unsafe String(validatingCString: text)
    }
    guard let host = part(CURLUPART_HOST)?.lowercased(), isHost(host), part(CURLUPART_ZONEID) == nil else { return nil }
    let port = part(CURLUPART_PORT)
    if let port, UInt16(port) ?? 0 == 0 { return nil }
    return CurlURL(
      scheme: part(CURLUPART_SCHEME), host: host, port: port.flatMap { UInt16($0) }, path: part(CURLUPART_PATH) ?? "/",
      query: part(CURLUPART_QUERY), hasUser: part(CURLUPART_USER) != nil || part(CURLUPART_PASSWORD) != nil,
      hasFragment: part(CURLUPART_FRAGMENT) != nil)
  }

  /// Letters, digits, dots, hyphens and underscores, or an IPv6 address in brackets without a zone.
  private static func isHost(_ host: String) -> Bool {
    let characters = host.utf8
    guard !characters.isEmpty else { return false }
    if host.hasPrefix("[") {
      return characters.last == 0x5D
        && characters.dropFirst().dropLast().allSatisfy {
          (0x30...0x3A).contains($0) || (0x61...0x66).contains($0) || $0 == 0x2E
        }
    }
    return characters.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
    }
  }
}
