import Testing

@testable import LibSQLClient

@Suite("Remote addresses")
struct RemoteURLTests {
  @Test(arguments: [
    ("libsql://db.turso.example", "https://db.turso.example"),
    ("LIBSQL://DB.Turso.example/", "https://db.turso.example"),
    ("turso://db.example:8443/a/b//", "https://db.example:8443/a/b"),
    ("https://db.example:443", "https://db.example"),
    ("wss://db.example", "https://db.example"),
    ("libsql://db.example?tls=1", "https://db.example"),
    ("libsql://127.0.0.1:8080?tls=0", "http://127.0.0.1:8080"),
    ("libsql://localhost:8080/?tls=0", "http://localhost:8080"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("http://127.1:80", "http://127.0.0.1"),
    ("ws://[::1]:8080", "http://[::1]:8080"),
    ("http://localhost", "http://localhost"),
  ])
  func anAddressMeans(_ text: String, _ meaning: String) throws {
    let url = try RemoteURL(text)
    #expect(url.description == meaning)
    // What messages show can be given back.
    #expect(try RemoteURL(url.description) == url)
  }

  @Test(arguments: [
    "", "db.example", "libsql:", "libsql://", "libsql:///path", "libsql:db.example", "sqlite://file",
    "file:///etc/passwd",
    "ftp://db.example", "https://", "https://:80", "https://db.example:0", "https://db.example:70000",
    "https://db.example:x",
    "https://db example", "https://db.example\n", "https://dö.example", "https://db.example#x",
    "https://db.example?x=1",
    "https://user@db.example", "https://user:CANARY@db.example", "https://:CANARY@db.example",
    "libsql://db.example?authToken=CANARY", "libsql://db.example?tls=1&authToken=CANARY",
    "libsql://db.example?AUTHTOKEN=CANARY",
    "libsql://db.example?jwt=CANARY", "libsql://127.0.0.1?tls=0", "https://127.0.0.1:80?tls=0",
    "http://127.0.0.1:80?tls=1",
    "libsql://db.example?tls=0x", "http://db.example", "ws://db.example", "libsql://db.example:80?tls=0",
    "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://128.0.0.1", "http://0.0.0.0",
    "http://127.0.0.1@evil.example", "https://db.example\\@evil.example", "https://[::1", "https://[::1%25eth0]",
  ])
  func anAddressIsRefused(_ text: String) {
    do throws(RemoteError) {
      let url = try RemoteURL(text)
      Issue.record("\(text) is read as \(url)")
    } catch {
      #expect(error.code == .configuration)
      #expect(error.code.exitCode == 64)
      #expect(!"\(error) \(error.hint ?? "")".contains("CANARY"))
    }
  }

  @Test func httpToOtherMachinesHasToBeAllowed() throws {
    #expect(
      try RemoteURL("http://db.internal:8080", allowsPlaintextHTTP: true).description == "http://db.internal:8080")
    #expect(try RemoteURL("libsql://db.internal:8080?tls=0", allowsPlaintextHTTP: true).scheme == .http)
  }

  @Test(arguments: [
    ("https://db-org.turso.example", "db-org"), ("http://127.0.0.1:8080", "127"), ("http://localhost:8080", "default"),
    ("http://[::1]:80", "default"),
  ])
  func theNamespaceIsTheFirstLabel(_ text: String, _ namespace: String) throws {
    #expect(try RemoteURL(text).namespace == namespace)
  }

  @Test(arguments: [
    ("/other", "/other"), ("other?x=1", "/a/other?x=1"), ("https://db.example/x", "/x"),
    ("https://DB.example:443/", "/"),
    ("//db.example/x", "/x"),
  ])
  func aTargetOfTheSameOriginIsAccepted(_ reference: String, _ path: String) throws {
    let url = try RemoteURL("https://db.example")
    #expect(url.sameOriginTarget(reference, from: "https://db.example/a/b") == path)
  }

  @Test(arguments: [
    "http://db.example/x", "https://db.example:444/x", "https://evil.example/x", "//evil.example/x",
    "https://db.example@evil.example/", "https://user@db.example/x", "ftp://db.example/",
    "https://db.example.evil.example/",
    "https:// db.example/", "", "javascript:x",
  ])
  func aTargetOfAnotherOriginIsNone(_ reference: String) throws {
    let url = try RemoteURL("https://db.example")
    #expect(url.sameOriginTarget(reference, from: "https://db.example/a/b") == nil)
  }
}
