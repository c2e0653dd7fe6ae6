import Foundation
import TestSupport
import Testing

/// Where the key of the personal columns comes from, and what happens when it is another one.
@Suite("The key of the personal columns", .serialized)
struct ColumnKeyTests {
  /// A key that is not the one of the house.
  private static let newerHex = String(repeating: "5c", count: 32)

  private func write(_ text: String, _ name: String, _ folder: TemporaryDirectory) throws -> String {
    try Bytes.write(Data(text.utf8), to: folder.file(name))
    try Bytes.setMode(folder.file(name), 0o600)
    return folder.file(name)
  }

  @Test func comesFromAFileAVariableAProgramOrAKeyring() async throws {
    let house = try await House(.file)
    let keys = try TemporaryDirectory(named: "albergue-column-keys")
    let file = try write(TestKeys.thirdHex, "key", keys)
    let keyring = try write("only 2026-01-01 active sqlcipher4 raw:hex:\(TestKeys.thirdHex)", "keyring", keys)
    let none = ["PILGRIM_ENCRYPTION_KEY_FILE": ""]
    let ways = [
      ["PILGRIM_ENCRYPTION_KEY_FILE": file], none.merging(["PILGRIM_ENCRYPTION_KEY": TestKeys.thirdHex]) { $1 },
      none.merging(["PILGRIM_ENCRYPTION_KEY_COMMAND": "cat \(file)"]) { $1 },
      none.merging(["PILGRIM_ENCRYPTION_KEYRING": keyring]) { $1 },
    ]
    var id: String?
    for way in ways {
      let service = try await house.start(changing: way)
      let client = try await house.client(of: service)
      if let id {
        #expect(try await client.get("/v1/pilgrims/\(id)")["first_name"] == "Canaria-7f3a")
      } else {
        let made: String = try #require(try await client.post("/v1/pilgrims", Guest.json())["id"])
        id = made
      }
      #expect(service.stop() == 0)
    }
    try house.expectNoPlaintext()
  }

  @Test(arguments: Mode.allCases) func aNewKeyTakesOverWhileTheHouseIsOpen(_ mode: Mode) async throws {
    let house = try await House(mode)
    let keys = try TemporaryDirectory(named: "albergue-column-keys")
    let former = try await house.start()
    let client = try await house.client(of: former)
    let id = try #require(try await client.post("/v1/pilgrims", Guest.json())["id"])
    #expect(former.stop() == 0)
    let both = try write(
      "former 2026-01-01 retiring sqlcipher4 raw:hex:\(TestKeys.thirdHex)\n"
        + "newer 2026-02-01 active sqlcipher4 raw:hex:\(Self.newerHex)\n", "both", keys)
    let newer = try write("newer 2026-02-01 active sqlcipher4 raw:hex:\(Self.newerHex)\n", "newer", keys)
    let withBoth = ["PILGRIM_ENCRYPTION_KEY_FILE": "", "PILGRIM_ENCRYPTION_KEYRING": both]
    for count in ["1 rows", "0 rows"] {
      let run = try Subprocess.run(
        Executables.path("albergue-service"), ["reencrypt"],
        environment: house.environment("one", interval: "0", changing: withBoth))
      #expect(run.status == 0 && run.output.hasPrefix(count), "\(run.output) \(run.errors)")
    }
    let service = try await house.start(
      changing: ["PILGRIM_ENCRYPTION_KEY_FILE": "", "PILGRIM_ENCRYPTION_KEYRING": newer])
    let later = try await house.client(of: service)
    #expect(try await later.get("/v1/pilgrims/\(id)")["first_name"] == "Canaria-7f3a")
    #expect(try await later.post("/v1/pilgrims", Guest.json()).status == 409)
    house.stopServices()
    try house.expectNoPlaintext()
  }
}
