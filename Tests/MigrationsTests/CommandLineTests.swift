import EncryptedStorage
import Foundation
import Migrations
import PageStore
import TestSupport
import Testing

@Suite("albergue-migration")
struct CommandLineTests {
  @Test func appliesEverythingWithoutACommand() throws {
    let work = try Workshop()
    let output = try work.succeed()
    #expect(output.first == "Applying all pending migrations")
    #expect(output.count == 21)
    #expect(try work.succeed("up") == ["Applying all pending migrations", "No pending migrations"])
    try work.expectSound()
  }

  @Test func takesBackOneUnlessToldOtherwise() throws {
    let work = try Workshop()
    try work.succeed("up")
    #expect(try work.succeed("down").count == 3)
    #expect(try work.versions().count == 9)
    #expect(try work.succeed("down", "-n", "100").count == 19)
    #expect(try work.succeed("down", "--num", "1") == ["Rolling back 1 applied migrations", "No applied migrations"])
  }

  @Test func saysTheStateInThreeForms() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "9")
    let lines = try work.succeed("status")
    #expect(lines.first == "Checking migration status")
    #expect(lines[1] == "Migration 'm20260111_000001_users'... Applied")
    #expect(lines[10] == "Migration 'm20260111_000010_seed_synthetic_data'... Pending")
    #expect(
      try work.succeed("status", "--tab")
        == SeaORMDatabase.versions.enumerated().map { "\($0.element)\t\($0.offset < 9 ? "Applied" : "Pending")" })
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(try work.run("status", "--json").output.utf8)) as? [String: Any])
    #expect(object["applied"] as? Int == 9)
    #expect(object["pending"] as? Int == 1)
    #expect((object["migrations"] as? [[String: Any]])?.map { $0["status"] as? String }.last == "pending")
    #expect(try work.run("status", "--check").status == 1)
    #expect(try work.run("status", "--json", "--tab").status == 64)
  }

  @Test func printsOneObjectOnStandardOutput() throws {
    let work = try Workshop()
    #expect(try work.run("up", "-n", "1", "--json").output == "{\"applied\":[\"m20260111_000001_users\"]}\n")
    #expect(try work.run("down", "--json").output == "{\"rolledBack\":[\"m20260111_000001_users\"]}\n")
    #expect(try work.run("fresh", "--json").output.hasPrefix("{\"applied\":[\"m20260111_000001_users\","))
    #expect(try work.run("plan", "--json").output == "{\"migrations\":[]}\n")
  }

  /// What is printed does what `up` does, run by another program.
  @Test func plansTheSQLThatUpRuns() throws {
    let (work, other) = (try Workshop(), try Workshop())
    try work.succeed("up", "-n", "3")
    let plan = try work.run("plan")
    #expect(plan.status == 0)
    #expect(try work.versions().count == 3)
    try other.succeed("up", "-n", "3")
    try other.change(plan.output)
    try work.succeed("up")
    #expect(try other.schema() == work.schema())
    #expect(try other.versions() == work.versions())
    #expect(try other.run("status", "--check").errors == "")
    #expect(try other.run("status", "--json").output.matches(of: /"checksum":"matching"/).count == 10)
    let down = try work.run("plan", "--down", "-n", "2").output
    #expect(down.matches(of: /BEGIN IMMEDIATE;/).count == 2)
    #expect(down.contains("-- destroys data:\nDROP TABLE IF EXISTS \"audit_log\";"))
  }

  @Test func namesFileLineAndStatementOfBrokenSQL() throws {
    let work = try Workshop()
    try work.write("m20270101_000001_a", up: "CREATE TABLE a (x);\n\n-- here\nINSERT INTO a VALUES (1, 2);\n")
    let result = try work.run("up")
    #expect(result.status == 65)
    #expect(
      result.errors.contains(
        "error: ./migrations/m20270101_000001_a/up.sql:4: statement 2: table a has 1 columns but 2 values were supplied"
      ))
    #expect(try work.versions() == SeaORMDatabase.versions)
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema WHERE name = 'a';") == ["0"])
    try work.write("m20270101_000001_a", up: "CREATE TABLE a (x);\nINSERT INTO a VALUES ('open);\n")
    let open = try work.run("up")
    #expect(open.status == 65)
    #expect(open.errors.contains("up.sql:2: the string that begins here has no end"))
  }

  @Test func takesGlobalOptionsBeforeTheCommandToo() throws {
    let work = try Workshop()
    let none = ["DATABASE_URL": ""]
    let first = try work.run(["-v", "-u", Workshop.creatingURL, "up", "-n", "2"], environment: none)
    #expect(first.status == 0, "\(first.errors)")
    let second = try work.run(
      ["--database-url=\(Workshop.url)", "-s", "status", "status", "--tab"], environment: none)
    #expect(second.output.matches(of: /Applied/).count == 2, "\(second.errors)")
    #expect(try work.run(["-u", Workshop.url], environment: none).status == 0)
    #expect(try work.versions().count == 10)
    for wrong in [["-u", "status"], ["-x", "status"], ["--key-file", "status"], ["-u", Workshop.url, "sideways"]] {
      #expect(try work.run(wrong, environment: none).status == 64, "\(wrong)")
    }
  }

  @Test func saysOnRequestWhatMigrationsConsistOf() throws {
    let work = try Workshop()
    let result = try work.run("up", "-v", "-n", "1", "-s", "public")
    #expect(result.status == 0)
    #expect(result.errors.contains("m20260111_000001_users (up): 1 statements, checksum d9c0cdf8b590e33a"))
  }

  // MARK: - Addresses, keys, files

  @Test func needsAnAddressThatItUnderstands() throws {
    let work = try Workshop()
    let none = try work.run("up", environment: ["DATABASE_URL": ""])
    #expect(none.status == 64)
    #expect(none.errors.contains("Environment variable 'DATABASE_URL' not set"))
    for url in ["postgres://a/b", "sqlite::memory:", "sqlite://a?cache=shared", "hostel.db"] {
      #expect(try work.run("up", "-u", url).status == 64, "\(url)")
    }
    #expect(try work.run("up", "-n", "-1").status == 64)
    #expect(try work.run("sideways").status == 64)
    #expect(try work.run("up", "--migration-dir", "nowhere").status == 66)
    #expect(try work.run("up", environment: ["MIGRATION_DIR": "nowhere"]).status == 66)
    #expect(try work.run("up", environment: ["MIGRATION_DIR": "", "DATABASE_SCHEMA": "public"]).status == 0)
  }

  @Test func makesAFileOnlyWhenToldTo() throws {
    let work = try Workshop()
    for command in ["up", "status", "fresh"] {
      let result = try work.run(command, "-u", Workshop.url)
      #expect(result.status == 66)
      #expect(result.errors.contains("mode=rwc"))
    }
    #expect(!Bytes.exists(work.path))
    try work.succeed("up", "-u", Workshop.creatingURL)
    try work.succeed("status", "-u", Workshop.url + "?mode=ro")
    #expect(Bytes.mode(work.path) == 0o600)
  }

  @Test func needsTheKeyOfTheFile() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "3")
    let before = try Bytes.read(work.path)
    for command in ["up", "down", "status", "fresh", "refresh", "reset", "plan", "adopt"] {
      let other = ["TURSO_ENCRYPTION_KEY_FILE": "", "TURSO_ENCRYPTION_KEY": TestKeys.secondHex]
      #expect(try work.run(command, environment: other).status == 77, "\(command)")
      #expect(try work.run(command, environment: ["TURSO_ENCRYPTION_KEY_FILE": ""]).status == 77, "\(command)")
    }
    #expect(try Bytes.read(work.path) == before)
    try work.expectSound()
  }

  @Test func refusesWhatIsNoEncryptedDatabase() async throws {
    let work = try Workshop()
    let plain = try SQLCipherShell.run(work.path, "CREATE TABLE a (x);")
    try #require(plain.status == 0)
    let result = try work.run("up")
    #expect(result.status == 65)
    #expect(result.errors.contains("albergue-crypt import"))
    let store = work.folder.file("replica.db")
    try await PageStore.create(store, role: .replica, factory: try Workshop.factory()).close()
    let replica = try work.run("up", "-u", "sqlite://replica.db")
    #expect(replica.status == 65)
    #expect(replica.errors.contains("migrate the remote"))
  }

  @Test func readsWhatItMayNotWrite() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "3")
    try work.succeed("status", "-u", Workshop.url + "?mode=ro")
    for command in ["up", "down", "fresh", "refresh", "reset", "adopt"] {
      #expect(try work.run(command, "-u", Workshop.url + "?mode=ro").status == 64, "\(command)")
    }
    #expect(try work.versions().count == 3)
  }

  /// Root without root's rights, whom a file's mode would not stop otherwise; another user may not even reach the programs.
  @Test func saysWhenTheFileCannotBeWritten() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "3")
    let before = try Bytes.read(work.path)
    try Bytes.setMode(work.path, 0o444)
    try Bytes.setMode(work.folder.path, 0o555)
    let key = ["TURSO_ENCRYPTION_KEY_FILE": "", "TURSO_ENCRYPTION_KEY": TestKeys.firstHex]
    let wrapper = getuid() == 0 ? ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] : []
    let status = try work.run(["status", "--tab"], environment: key, wrapper: wrapper)
    #expect(status.status == 0, "\(status.errors)")
    for command in ["up", "down", "fresh"] {
      let result = try work.run([command], environment: key, wrapper: wrapper)
      #expect(result.status == 74, "\(command): \(result.status) \(result.errors)")
    }
    try Bytes.setMode(work.folder.path, 0o700)
    #expect(try Bytes.read(work.path) == before)
  }

  @Test(arguments: [0, 4096, 30_000, 80_000])
  func saysWhenTheDiskIsFullAndGoesOnLater(limit: Int) throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "2")
    // The limit is of each file, so that of the log counts.
    let rows = (1...300).map { "INSERT INTO big VALUES (\($0), randomblob(900));\n" }.joined()
    try work.write("m20270101_000001_big", up: "CREATE TABLE big (x, y);\n" + rows)
    let full = try work.run(["up"], wrapper: ["prlimit", "--fsize=\(limit)"])
    #expect(full.status == 74, "\(full.status) \(full.errors)")
    let recorded = try work.versions()
    #expect(recorded.count < 11)
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema WHERE name = 'big';") == ["0"])
    try work.expectSound()
    try work.succeed("up")
    #expect(try work.lines("SELECT count(*) FROM big;") == ["300"])
    try work.expectSound()
  }
}
