import Foundation
import TestSupport
import Testing

/// The admin page, as Chromium shows it. Pictures are kept in `.build/screenshots`.
@Suite("The admin page", .serialized)
struct AdminPageTests {
  /// Runs Chromium without a window, in a profile of its own.
  private func chromium(_ arguments: [String]) throws -> Subprocess {
    let work = try TemporaryDirectory(named: "albergue-chromium")
    let line = [
      "-s", "KILL", "600", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--disable-background-networking", "--no-first-run", "--user-data-dir=\(work.path)", "--window-size=1000,1100",
      "--virtual-time-budget=5000",
    ]
    return try Subprocess.run("timeout", line + arguments, directory: work.path)
  }

  @Test(arguments: Mode.allCases) func showsHowFullAndHowFreshAndHowEncrypted(_ mode: Mode) async throws {
    let house = try await House(mode)
    let client = try await house.open()
    for number in 1...4 { #expect(try await client.post("/v1/beds", Guest.bed(number)).status == 201) }
    let guest = try #require(try await client.post("/v1/pilgrims", Guest.json())["id"])
    let booking = Guest.booking(pilgrim: guest, bed: "2", from: 0, nights: 1)
    #expect(try await client.post("/v1/bookings", booking).status == 201)
    // The browser asks for a password: the token.
    let url = client.url.replacing("http://", with: "http://desk:\(try #require(client.token))@") + "/admin"

    let shown = try chromium(["--dump-dom", url])
    try #require(shown.status == 0, "\(shown.errors.suffix(2000))")
    #expect(shown.output.contains("<strong>1</strong> of 4 beds taken"), "\(shown.output.prefix(3000))")
    #expect(shown.output.contains("encrypted (SQLCipher, profile sqlcipher4)"))
    #expect(shown.output.contains(mode == .replica ? " s ago" : "this file is the original"))
    #expect(!shown.output.contains("<script") && !shown.output.contains("src="))
    for canary in Guest.canaries { #expect(!shown.output.contains(canary)) }

    let folder = Judges.root + "/.build/screenshots"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let picture = folder + "/admin-\(mode.rawValue).png"
    try? FileManager.default.removeItem(atPath: picture)
    let drawn = try chromium(["--screenshot=\(picture)", url])
    #expect(drawn.status == 0 && Bytes.size(picture) > 10_000, "\(drawn.errors.suffix(2000))")
    house.stopServices()
    try house.expectNoPlaintext()
  }

  /// What a browser is told that may not be let in, and how it may use the page.
  @Test func asksForThePasswordAndAllowsNothingButItself() async throws {
    let house = try await House(.file)
    let client = try await house.open()
    let script = """
      import http.client, sys
      host, token = sys.argv[1], sys.stdin.read()
      for headers in ({}, {"Authorization": "Basic bm9ib2R5Og=="}, {"Authorization": "Bearer " + token}):
          connection = http.client.HTTPConnection(host)
          connection.request("GET", "/admin", headers=headers)
          answer = connection.getresponse()
          print(answer.status, answer.getheader("www-authenticate"), answer.getheader("content-security-policy"))
      """
    let host = String(client.url.dropFirst("http://".count))
    let result = try Judges.python(["-c", script, host], input: try #require(client.token))
    let lines = result.output.split(separator: "\n").map(String.init)
    try #require(lines.count == 3, "\(result.errors)")
    for line in lines[..<2] { #expect(line == #"401 Basic realm="albergue", charset="UTF-8" None"#) }
    #expect(lines[2].hasPrefix("200 None default-src 'none'; style-src 'unsafe-inline'"))
    house.stopServices()
  }
}
