import Foundation
import Migrations
import TestSupport
import Testing

@Suite("Folders of migrations")
struct CatalogTests {
  @Test func areReadInTheOrderOfTheirVersions() throws {
    let work = try Workshop()
    try work.write("m20270101_000002_b", up: "SELECT 2;")
    try work.write("m20270101_000001_a", up: "SELECT 1;", down: "SELECT -1;")
    try work.write("notes", up: "x")
    try FileManager.default.removeItem(atPath: work.folder.file("migrations/notes/up.sql"))
    try Bytes.write(Data("read me".utf8), to: work.folder.file("migrations/README.md"))
    let migrations = try MigrationFolder(work.folder.file("migrations")).migrations()
    #expect(migrations.map(\.version) == ["m20270101_000001_a", "m20270101_000002_b"])
    #expect(migrations.map { $0.down?.statements.map(\.sql) } == [["SELECT -1"], nil])
    #expect(migrations[0].up.source == work.folder.file("migrations/m20270101_000001_a/up.sql"))
  }

  @Test(arguments: ["20270101_000001_a", "m20270101_000001", "m2027_1_a", "m20270101_000001_a-b", "mañana"])
  func withScriptsUnderAnotherNameAreErrors(name: String) async throws {
    let work = try Workshop()
    try work.write(name, up: "SELECT 1;")
    await expect(.invalidScript) { try MigrationFolder(work.folder.file("migrations")).migrations() }
    #expect(try work.run("status").status == 65)
  }

  @Test func withoutAnUpScriptOrInAnotherEncodingAreErrors() async throws {
    let work = try Workshop()
    let folder = MigrationFolder(work.folder.file("migrations"))
    await expect(.missingFile) { try folder.migrations() }
    try work.write("m20270101_000001_a", up: "", down: "SELECT 1;")
    let file = work.folder.file("migrations/m20270101_000001_a/up.sql")
    try Bytes.write(Data([0x53, 0xE9, 0x4C]), to: file)
    await expect(.invalidScript) { try folder.migrations() }
    try FileManager.default.removeItem(atPath: file)
    await expect(.missingFile) { try folder.migrations() }
  }

  @Test func mayNotRepeatAVersion() async throws {
    let migration = try Migration(version: "m1", up: "SELECT 1", down: nil)
    await expect(.invalidScript) { try MigrationCatalog([migration, migration]) }
    let work = try Workshop()
    try work.write("m20260111_000004_bookings", up: "SELECT 1;")
    let result = try work.run("up")
    #expect(result.status == 65)
    #expect(result.errors.contains("two migrations have the version m20260111_000004_bookings"))
    #expect(!Bytes.exists(work.path))
  }

  @Test func areFilledByGenerate() throws {
    let work = try Workshop()
    let output = try work.succeed("generate", "add rooms")
    let name = try #require(
      output.first?.firstMatch(of: /Generating migration file `\.\/migrations\/(m\d{8}_\d{6}_add_rooms)`/)?.output.1)
    #expect(try work.run("up").status == 65)
    try work.write(String(name), up: "CREATE TABLE rooms (x);", down: "DROP TABLE rooms;")
    try work.succeed("up")
    #expect(try work.versions().last == String(name))
    let hyphen = try work.run("generate", "add-rooms")
    #expect(hyphen.status == 64)
    #expect(hyphen.errors.contains("Hyphen `-` cannot be used in migration name"))
    #expect(try work.run("generate", "../out").status == 64)
    try work.succeed("generate", "other", "--migration-dir", "elsewhere", "--local-time")
    #expect(try FileManager.default.contentsOfDirectory(atPath: work.folder.file("elsewhere")).count == 1)
  }
}

@Suite("Addresses of local files")
struct DatabaseFileTests {
  @Test(arguments: [
    ("sqlite:a.db", "a.db", DatabaseFile.Mode.readWrite), ("sqlite://a.db", "a.db", .readWrite),
    ("sqlite:///a/b.db?mode=ro", "/a/b.db", .readOnly), ("sqlite://a%20b.db?mode=rwc", "a b.db", .readWriteCreate),
    ("SQLite://a.db?mode=rw&mode=ro", "a.db", .readOnly), ("sqlite:./a?", "./a", .readWrite),
  ])
  func areThoseOfSeaORM(url: String, path: String, mode: DatabaseFile.Mode) throws {
    #expect(try DatabaseFile(url: url) == DatabaseFile(path: path, mode: mode))
  }

  @Test(arguments: [
    "", "a.db", "postgres://a", "sqlite:", "sqlite://", "sqlite::memory:", "sqlite://a?mode=memory",
    "sqlite://a?mode=x",
    "sqlite://a?cache=shared", "sqlite://a?immutable=true", "sqlite://a?vfs=unix", "sqlite://a%2", "sqlite://a%zz",
    "sqlite://a%00b", "sqlite://a%ff", "sqlite://a?mode",
  ])
  func ofAnyOtherKindAreErrors(url: String) async {
    await expect(.usage) { try DatabaseFile(url: url) }
  }
}
