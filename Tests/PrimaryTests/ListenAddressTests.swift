import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Where the server may listen")
struct ListenAddressTests {
  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1:8080", true), ("localhost:0", "127.0.0.1:0", true),
    ("[::1]:65535", "[::1]:65535", true),
    ("127.8.9.10:1", "127.8.9.10:1", true), ("[0:0:0:0:0:0:0:1]:80", "[::1]:80", true),
    ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", true), ("0.0.0.0:8080", "0.0.0.0:8080", false),
    ("[::]:8080", "[::]:8080", false), ("192.168.1.2:8080", "192.168.1.2:8080", false),
    ("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80", false), ("[2001:DB8::1]:80", "[2001:db8::1]:80", false),
    ("[1::127.0.0.1]:80", "[1::7f00:1]:80", false), ("128.0.0.1:80", "128.0.0.1:80", false),
  ])
  func anAddressIsReadAndLoopbackIsKnown(text: String, canonical: String, isLoopback: Bool) throws {
    let address = try ListenAddress(parsing: text)
    #expect(address.description == canonical)
    #expect(address.isLoopback == isLoopback)
  }

  @Test(arguments: [
    "", ":", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:+1",
    "127.0.0.1:65536",
    "127.0.0.1:080000", "127.0.0.1: 80", "127.1:80", "127.0.0.256:80", "0x7f.0.0.1:80", "::1:80", "[::1]", "[::1]80",
    "[127.0.0.1]:80", "[localhost]:80", "example.org:80", "Localhost:80", "localhost.:80", "*:80",
    "http://127.0.0.1:80",
    "[fe80::1%eth0]:80", "127.0.0.1:８０",
  ])
  func whatIsNoAddressIsRefused(text: String) {
    #expect(throws: ListenError.notAnAddress) { try ListenAddress(parsing: text) }
  }

  @Test func loopbackNeedsNothing() throws {
    for text in ["127.0.0.1:0", "[::1]:0", "localhost:0"] {
      let address = try ListenAddress(parsing: text)
      for verifies in [false, true] {
        try address.check(verifiesTokens: verifies, allowsPlainHTTP: false, allowsEverybody: false)
      }
      try address.check(verifiesTokens: false, allowsPlainHTTP: true, allowsEverybody: true)
    }
  }

  @Test func theNetworkNeedsTwoDecisions() throws {
    let address = try ListenAddress(parsing: "0.0.0.0:8080")
    for (verifies, everybody) in [(true, false), (false, true), (false, false)] {
      #expect(throws: ListenError.plainHTTP(address)) {
        try address.check(verifiesTokens: verifies, allowsPlainHTTP: false, allowsEverybody: everybody)
      }
    }
    #expect(throws: ListenError.everybody(address)) {
      try address.check(verifiesTokens: false, allowsPlainHTTP: true, allowsEverybody: false)
    }
    try address.check(verifiesTokens: true, allowsPlainHTTP: true, allowsEverybody: false)
    try address.check(verifiesTokens: false, allowsPlainHTTP: true, allowsEverybody: true)
  }

  @Test func tokensAndNoTokensContradictEachOther() throws {
    for text in ["127.0.0.1:1", "0.0.0.0:1"] {
      #expect(throws: ListenError.contradiction) {
        try ListenAddress(parsing: text).check(verifiesTokens: true, allowsPlainHTTP: true, allowsEverybody: true)
      }
    }
  }
}
