/// The address of a remote database: scheme, host, port, and a path that requests are appended to.
///
/// | written | means |
/// |---|---|
/// | `libsql://`, `turso://`, `wss://` | `https://` |
/// | `libsql://HOST:PORT?tls=0`, `ws://` | `http://`, on loopback only |
/// | `https://` | as it is |
/// | `http://` | as it is, on loopback only |
///
/// An address holds no secret: users and passwords in it are refused, and so is `?authToken=`, which some clients accept.
/// Addresses are stored in replicas, shown in messages and visible to other users among the arguments of a process.
public struct RemoteURL: Sendable, Hashable, CustomStringConvertible {
  /// How requests travel.
  public enum Scheme: String, Sendable, Hashable {
    /// Without encryption.
    case http
    /// Over TLS.
    case https

    var defaultPort: UInt16 { self == .http ? 80 : 443 }
  }

  /// Bytes of the longest address that is read.
  public static let byteCountMax = 2048

  /// How requests travel.
  public let scheme: Scheme
  /// In lower case; an IPv6 address in brackets.
  public let host: String
  /// From 1.
  public let port: UInt16
  /// Empty, or begins with a slash and does not end with one.
  public let path: String

  /// Reads an address.
  ///
  /// - Parameter allowsPlaintextHTTP: whether `http` is allowed to other machines too, where everyone on the way reads the
  ///   token and the pages. Default false.
  /// - Throws: ``RemoteError`` `.configuration`, which does not repeat the address.
  public init(_ text: String, allowsPlaintextHTTP: Bool = false) throws(RemoteError) {
    guard !text.isEmpty else { throw Self.refused("the address is empty", hint: "set TURSO_DATABASE_URL") }
    guard text.utf8.count <= Self.byteCountMax else {
      throw Self.refused("the address is longer than \(Self.byteCountMax) bytes")
    }
    guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw Self.refused("the address has spaces or characters outside ASCII")
    }
    guard let separator = text.firstRange(of: "://") else {
      throw Self.refused("the address has no scheme", hint: "write libsql://HOST or https://HOST")
    }
    let rest = text[separator.upperBound...]
    guard let first = rest.first, first != "/" else { throw Self.refused("the address has no host") }
    let name = text[..<separator.lowerBound].lowercased()
    guard let scheme = Self.schemes[name] else {
      throw Self.refused(
        "the address has a scheme that is not of a remote",
        hint: "write libsql://, https://, wss://, or http:// for this machine")
    }
    let parts = try CurlURL.parse("https://\(rest)")
    try self.init(parts, scheme: scheme, isLibSQL: name == "libsql", allowsPlaintextHTTP: allowsPlaintextHTTP)
  }

  /// Whether an address has the scheme of a remote, sound or not; else it is for somebody else, such as `sqlite://`.
  package static func hasRemoteScheme(_ text: String) -> Bool { schemes[text.prefix { $0 != ":" }.lowercased()] != nil }

  private static let schemes: [String: Scheme] = [
    "libsql": .https, "turso": .https, "https": .https, "wss": .https, "http": .http, "ws": .http,
  ]

  private init(
    _ parts: CurlURL, scheme: Scheme, isLibSQL: Bool, allowsPlaintextHTTP: Bool
  ) throws(RemoteError) {
    guard !parts.hasUser else {
      throw Self.refused(
        "the address holds a user or a password",
        hint: "take them out, and set TURSO_AUTH_TOKEN or TURSO_AUTH_TOKEN_FILE")
    }
    guard !parts.hasFragment else { throw Self.refused("the address has a fragment") }
    let usesTLS = try Self.usesTLS(parts, scheme: scheme, isLibSQL: isLibSQL)
    self.scheme = usesTLS ? .https : .http
    host = parts.host
    port = parts.port ?? self.scheme.defaultPort
    path = Self.withoutTrailingSlashes(parts.path)
    guard usesTLS || allowsPlaintextHTTP || Self.isLoopback(host) else {
      throw Self.refused(
        "http would send the token and the pages to another machine in clear",
        hint: "use libsql:// or https://; http is for this machine only")
    }
  }

  /// What the scheme and the only known parameter, `tls`, say together.
  private static func usesTLS(_ parts: CurlURL, scheme: Scheme, isLibSQL: Bool) throws(RemoteError) -> Bool {
    guard let query = parts.query else { return scheme == .https }
    for parameter in query.split(separator: "&", omittingEmptySubsequences: false) {
      let name = parameter.prefix { $0 != "=" }
      guard name.lowercased() != "authtoken", name.lowercased() != "jwt" else {
        throw refused(
          "the address holds a token", hint: "take it out, and set TURSO_AUTH_TOKEN or TURSO_AUTH_TOKEN_FILE")
      }
    }
    switch query {
    case "tls=1" where scheme == .https: return true
    case "tls=0" where isLibSQL:
      guard parts.port != nil else {
        throw refused("tls=0 without a port", hint: "write libsql://127.0.0.1:PORT?tls=0")
      }
      return false
    case "tls=0", "tls=1": throw refused("the scheme and the parameter tls contradict each other")
    default:
      throw refused("the address has a parameter that is not known", hint: "only tls=0 and tls=1 mean something")
    }
  }

  private static func withoutTrailingSlashes(_ path: String) -> String {
    guard let last = path.lastIndex(where: { $0 != "/" }) else { return "" }
    return String(path[...last])
  }

  /// `127.0.0.0/8`, `::1` and `localhost`. The host is normalised: curl has written numbers of any form as four.
  static func isLoopback(_ host: String) -> Bool {
    if host == "localhost" || host == "[::1]" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  private static func refused(_ detail: String, hint: String? = nil) -> RemoteError {
    RemoteError(.configuration, "read address", detail: detail, hint: hint)
  }

  /// Whether the host is this machine.
  public var isLoopback: Bool { Self.isLoopback(host) }

  /// `https://host`, with the port where it is not the usual one. Two addresses with one origin are the same server.
  public var origin: String {
    "\(scheme.rawValue)://\(host)" + (port == scheme.defaultPort ? "" : ":\(port)")
  }

  /// ``origin`` and ``path``; it reads back as the same address.
  public var description: String { origin + path }

  /// The namespace that sqld derives from the host: its first label; `default` for a host of one label.
  ///
  /// - Source: recorded clients of libsql 0.9, which send it as `x-namespace-bin`.
  public var namespace: String {
    let labels = host.split(separator: ".")
    return labels.count > 1 && !host.hasPrefix("[") ? String(labels[0]) : "default"
  }

  /// An address that the server names, relative to this one, if it has the same origin.
  ///
  /// - Returns: path and query; nil for another origin, and for what is no address.
  func sameOriginTarget(_ reference: String, from requestURL: String) -> String? {
    guard (1...Self.byteCountMax).contains(reference.utf8.count),
      reference.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      let parts = CurlURL.resolve(reference, against: requestURL), !parts.hasUser,
      let scheme = parts.scheme.flatMap(Scheme.init), scheme == self.scheme, parts.host == host,
      (parts.port ?? scheme.defaultPort) == port
    else { return nil }
    return parts.path + (parts.query.map { "?\($0)" } ?? "")
  }
}
