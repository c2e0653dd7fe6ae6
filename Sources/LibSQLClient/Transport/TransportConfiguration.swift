/// How connections are made, and what is refused of an answer.
public struct TransportConfiguration: Sendable {
  /// Time limits.
  public var timeouts = Timeouts()
  /// Trust and identity.
  public var tls = TLS()
  /// Through which proxy `https` goes. `http` never uses one: it would read the token.
  public var proxy = Proxy.environment
  /// What an answer may have.
  public var limits = Limits()
  /// Connections that are kept open for reuse. Default 8.
  public var keptConnectionCountMax = 8
  /// Speaks HTTP/1.1 only. Default false: HTTP/2 where a server offers it over TLS.
  public var usesHTTP1Only = false

  /// The defaults.
  public init() {}

  /// Time limits of a request.
  public struct Timeouts: Sendable, Hashable {
    /// Until the connection stands, TLS included. Default 10 s.
    public var connect: Duration = .seconds(10)
    /// From the last byte of the request to the last of the response's headers. Default 60 s.
    public var response: Duration = .seconds(60)
    /// In each period of this length, ``idleByteCountMin`` bytes of the body have to come. Default 30 s. The time in which
    /// the reader of the body does not read is not counted.
    public var idle: Duration = .seconds(30)
    /// Bytes that count as progress: a server that sends a byte now and then makes none. Default 64.
    public var idleByteCountMin = 64
    /// For everything. Default nil: none, since a bootstrap takes as long as it takes.
    public var total: Duration?

    /// The defaults.
    public init() {}
  }

  /// Trust and identity. The minimum is TLS 1.2, and name and certificate of the server are always checked.
  public struct TLS: Sendable, Hashable {
    /// A file of certificates in PEM that are trusted instead of the system's.
    public var authorityFile: String?
    /// What the public key of the server has to be: one or more `sha256//BASE64`, separated by semicolons.
    public var pinnedPublicKeys: String?
    /// A certificate in PEM that tells the server who we are.
    public var clientCertificateFile: String?
    /// Its key in PEM, without a passphrase.
    public var clientKeyFile: String?

    /// The system's authorities, nothing else.
    public init() {}
  }

  /// Through which proxy `https` goes.
  public enum Proxy: Sendable, Hashable {
    /// What `https_proxy`, `all_proxy` and `no_proxy` say.
    case environment
    /// None.
    case none
    /// This one, which gets no token: it is asked for a tunnel.
    case server(String)
  }

  /// What an answer may have.
  public struct Limits: Sendable, Hashable {
    /// Header lines. Default 100.
    public var headerCountMax = 100
    /// Bytes of all header lines. Default 64 KiB.
    public var headerByteCountMax = 64 << 10
    /// Bytes of a body that wait for their reader; then the connection is paused. Default 1 MiB.
    public var waitingByteCountMax = 1 << 20

    /// The defaults.
    public init() {}
  }
}
