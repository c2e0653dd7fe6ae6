internal import NIOCore

/// Where the server listens: an address of this machine and a port.
package struct ListenAddress: Sendable, Hashable {
  /// An address in its canonical form, IPv6 without brackets: `127.0.0.1`, `::1`.
  package let host: String
  /// 0 to 65535; 0 lets the system choose.
  package let port: Int

  /// Whether only this machine can reach it.
  package var isLoopback: Bool {
    // 127.0.0.0/8, ::1, and the former written as IPv6.
    host.hasPrefix("127.") || host == "::1" || host.hasPrefix("::ffff:127.")
  }

  /// Reads `HOST:PORT`, where HOST is an IPv4 address, an IPv6 address in brackets, or `localhost`, which is 127.0.0.1.
  ///
  /// Other names are refused: what they stand for is decided elsewhere, and may be all the world.
  ///
  /// - Throws: ``ListenError`` `.notAnAddress`.
  package init(parsing text: String) throws(ListenError) {
    guard let colon = text.lastIndex(of: ":") else { throw .notAnAddress }
    let digits = text[text.index(after: colon)...]
    guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(digits), port <= UInt16.max
    else { throw .notAnAddress }
    var host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    if host == "localhost", !isBracketed { host = "127.0.0.1" }
    // NIO asks inet_pton, which takes addresses in their full form only. It drops the zone of an address of one link.
    guard !host.contains("%"), let address = try? SocketAddress(ipAddress: String(host), port: port),
      let canonical = address.ipAddress,
      isBracketed == (address.protocol == .inet6)
    else { throw .notAnAddress }
    self.host = canonical
    self.port = port
  }

  /// Whether the server may listen here.
  ///
  /// - Parameters:
  ///   - verifiesTokens: there is a key file (`--auth-jwt-key-file`).
  ///   - allowsPlainHTTP: `--insecure-listen`.
  ///   - allowsEverybody: `--no-auth`.
  /// - Throws: ``ListenError``.
  package func check(verifiesTokens: Bool, allowsPlainHTTP: Bool, allowsEverybody: Bool) throws(ListenError) {
    guard !verifiesTokens || !allowsEverybody else { throw .contradiction }
    guard !isLoopback else { return }
    guard allowsPlainHTTP else { throw .plainHTTP(self) }
    guard verifiesTokens || allowsEverybody else { throw .everybody(self) }
  }
}

extension ListenAddress: CustomStringConvertible {
  /// As it is read: `127.0.0.1:8080`, `[::1]:8080`.
  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Why the server does not start to listen. All of them are mistakes of usage (exit code 64).
package enum ListenError: Error, Sendable, Hashable {
  /// Not `HOST:PORT`.
  case notAnAddress
  /// Data and tokens would cross the network unencrypted.
  case plainHTTP(ListenAddress)
  /// Everybody on the network would have access.
  case everybody(ListenAddress)
  /// Tokens are both asked for and not.
  case contradiction

  /// What is wrong, without a full stop.
  package var message: String {
    switch self {
    case .notAnAddress: "the address to listen on is not HOST:PORT with an IP address or localhost"
    case .plainHTTP(let address): "\(address) is not loopback, and data and tokens would cross the network in clear"
    case .everybody(let address): "\(address) is not loopback, and without tokens everybody would have access"
    case .contradiction: "--auth-jwt-key-file asks for tokens and --no-auth for none"
    }
  }

  /// What to do.
  package var hint: String {
    switch self {
    case .notAnAddress: "for example 127.0.0.1:8080, [::1]:8080, or localhost:0 for any free port"
    case .plainHTTP:
      "listen on 127.0.0.1 behind a proxy that speaks TLS (docs/deployment/nginx.conf); --insecure-listen if the network is safe"
    case .everybody: "give --auth-jwt-key-file FILE; --no-auth if everybody may read and write"
    case .contradiction: "drop one of them"
    }
  }
}

extension ListenAddress {
  /// The same address with the port that the system chose.
  package func with(port: Int) -> ListenAddress { ListenAddress(host: host, port: port) }

  private init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}
