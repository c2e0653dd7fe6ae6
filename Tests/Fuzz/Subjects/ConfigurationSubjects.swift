#if DEBUG
  @testable import CommandSupport
  import EncryptionKeys
  @testable import LibSQLClient
  import Mutation
  @testable import ReplicaSync
  @testable import ServerAccess
  import TestSupport

  extension Subject {
    /// Variables of the environment, addresses, and heads of answers.
    static let configuration: [Subject] = [
      Subject("environment", configurationText) {
        Examination(
          Corpus.texts(
            "DB_MODE=libsql_embedded_replica\nTURSO_DATABASE_URL=libsql://db.turso.io\nTURSO_REPLICA_PATH=r.db\nTURSO_SYNC_INTERVAL_SECS=5",
            "DATABASE_URL=http://127.0.0.1:8080\nTURSO_REPLICA_PATH=\(Rule.canary)\nTURSO_READ_YOUR_WRITES=false\nDB_MODE=",
            "DB_MODE=seaorm_sqlite\nTURSO_DATABASE_URL=libsql://u:\(Rule.canary)@h/?authToken=\(Rule.canary)\nTURSO_REPLICA_PATH=x"
          ),
          examineEnvironment)
      },
      Subject("log-settings", configurationText) {
        Examination(Corpus.texts("info,sync=debug,storage=warn", "off", "trace, http = error")) { input, _ in
          try Rule.attempt(CommandError.self) { try LogSettings(input.text) } == nil ? .refused : .accepted
        }
      },
      Subject("remote-url", configurationText, cost: 2) {
        Examination(
          Corpus.texts(
            "libsql://name-org.turso.io", "libsql://127.0.0.1:8080?tls=0", "https://db.example:8443/path/",
            "http://[::1]:80",
            "wss://host", "http://localhost:9", "https://\(Rule.canary)@host", "turso://h?authToken=\(Rule.canary)")
        ) { input, _ in
          guard let url = try Rule.attempt(RemoteError.self, { try RemoteURL(input.text) }) else { return .refused }
          try Rule.require(url.scheme == .https || url.isLoopback, "http to another machine")
          let again = try Rule.attempt(RemoteError.self) { try RemoteURL(url.description) }
          try Rule.require(again == url, "an address is another one after it was written and read")
          return .accepted
        }
      },
      Subject("redirect", configurationText, cost: 2) {
        let home = try RemoteURL("https://db.example:8443/base")
        return Examination(
          Corpus.texts(
            "/v2/pipeline?x=1", "https://db.example:8443/other", "//evil.example/", "../..", "https://db.example@evil/")
        ) { input, _ in
          guard let target = home.sameOriginTarget(input.text, from: "https://db.example:8443/base/v2/pipeline") else {
            return .refused
          }
          try Rule.require(target.hasPrefix("/") && !target.contains("\n"), "a target that is no path")
          let whole = try Rule.attempt(RemoteError.self) { try CurlURL.parse(home.origin + target) }
          try Rule.require(
            whole?.host == "db.example" && whole?.port == 8443 && whole?.hasUser == false, "a target leads elsewhere")
          return .accepted
        }
      },
      Subject("response-head", configurationText) {
        Examination(
          Corpus.texts(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 3\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 404 \r\ngrpc-status: 16\r\nx: \(Rule.canary)\r\n\r\ntrailer: 1\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), examineHead)
      },
      Subject("listen-address", configurationText) {
        Examination(Corpus.texts("127.0.0.1:8080", "[::1]:0", "localhost:65535", "0.0.0.0:80", "[::ffff:127.0.0.1]:1"))
        {
          input, _ in
          guard let address = try Rule.attempt(ListenError.self, { try ListenAddress(parsing: input.text) }) else {
            return .refused
          }
          let again = try Rule.attempt(ListenError.self) { try ListenAddress(parsing: address.description) }
          try Rule.require(again == address, "an address is another one after it was written and read")
          if (try? address.check(verifiesTokens: false, allowsPlainHTTP: false, allowsEverybody: false)) != nil {
            let isHere =
              address.host.hasPrefix("127.") || address.host == "::1" || address.host.hasPrefix("::ffff:127.")
            try Rule.require(isHere, "a server that everybody reaches")
          }
          return .accepted
        }
      },
      Subject("token-text", configurationText) {
        Examination(Corpus.texts("eyJhbGciOiJFZERTQSJ9.\(Rule.canary).x")) { input, _ in
          let source = try Rule.attempt(RemoteError.self) { try TokenSource(SecretBytes(copying: input.bytes)) }
          guard source != nil else { return .refused }
          // It becomes a line of a header.
          try Rule.require(input.bytes.allSatisfy { (0x21...0x7E).contains($0) }, "a token that ends its line")
          return .accepted
        }
      },
    ]

    private static let configurationText = Mutator(
      tokens: [
        "://", "libsql://", "https://", "http://", "@", ":", "/", "?", "#", "tls=0", "&", "%00", "%0a", "\r\n", "\n",
        "\n\n",
        "[::1]", "127.0.0.1", "0x7f.1", "localhost", "..", "\\", "=", ",", "1e9", "-1", "nan", "inf", "65536", "\u{0}",
        "ñ",
        "HTTP/1.1 ", "200", "Content-Length: 99999999999999999999", "chunked", "0.0.0.0",
      ], separators: "\n=:/,.")

    private static func examineEnvironment(_ input: Input, _: inout SeededGenerator) throws -> Verdict {
      var variables: [String: String] = [:]
      for line in input.text.split(separator: "\n") {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        variables[parts[0]] = parts.count == 2 ? parts[1] : ""
      }
      let settings: ReplicaSettings?
      do { settings = try Rule.attempt(SyncError.self) { try ReplicaSettings(environment: { variables[$0] }) } } catch {
        // Of the address.
        settings = try Rule.attempt(RemoteError.self) { try ReplicaSettings(environment: { variables[$0] }) }
      }
      guard let settings else { return .refused }
      try Rule.require((0...86_400).contains(settings.interval / .seconds(1)), "an interval out of range")
      try Rule.require(!settings.path.isEmpty, "an empty path")
      return .accepted
    }

    private static func examineHead(_ input: Input, _: inout SeededGenerator) throws -> Verdict {
      let limits = TransportConfiguration().limits
      var reader = ResponseHeadReader(limits: limits)
      var hasHead = false
      for line in input.bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
        switch reader.receive(Array(line) + [0x0A]) {
        case .more: continue
        case .refused(_, let detail):
          try Rule.require(!detail.contains(Rule.canary), "an error quotes a header")
          return .refused
        case .head(let head):
          try Rule.require(!hasHead && (200...599).contains(head.status), "two heads, or one that is none")
          try Rule.require(head.headers.count <= limits.headerCountMax, "more headers than are allowed")
          _ = (head.contentLength, head.retryAfter, head.isDelimited, head.isUnauthorized)
          hasHead = true
        }
      }
      return hasHead ? .accepted : .refused
    }
  }
#endif
