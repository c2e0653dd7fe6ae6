internal import CCurl

/// What a result of curl means.
struct CurlFailure {
  let code: RemoteError.Code
  let hint: String?
  /// Whether curl's own sentence names nothing but hosts, ports, certificates and what libraries say.
  let hasSafeDetail: Bool

  init(_ result: CURLcode) {
    switch result {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
      self.init(.unreachable, "check the address and the network", true)
    case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED, CURLE_PROXY:
      self.init(.unreachable, "check that the server runs and can be reached", true)
    case CURLE_SSL_CONNECT_ERROR:
      self.init(.unreachable, "check that the server speaks TLS at this port", true)
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
      self.init(
        .untrusted, "check the name in the address, or name the authority that the server's certificate is from", true)
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      self.init(.untrusted, "if the server has a new key, pin that; if not, somebody is in between", true)
    case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_CIPHER,
      CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED:
      self.init(.configuration, "check the files with certificates and keys", true)
    case CURLE_OPERATION_TIMEDOUT: self.init(.timedOut, nil, false)
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
      self.init(.malformedResponse, "check that the address is that of an HTTP server", false)
    case CURLE_URL_MALFORMAT, CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_NOT_BUILT_IN:
      self.init(.configuration, nil, false)
    // CURLE_PARTIAL_FILE, _GOT_NOTHING, _SEND_ERROR, _RECV_ERROR, _HTTP2, _HTTP2_STREAM, _SEND_FAIL_REWIND and others:
    // the connection did not carry the answer to its end.
    default: self.init(.connectionLost, nil, false)
    }
  }

  private init(_ code: RemoteError.Code, _ hint: String?, _ hasSafeDetail: Bool) {
    (self.code, self.hint, self.hasSafeDetail) = (code, hint, hasSafeDetail)
  }
}
