import HostelMigrations
import Migrations
import TestSupport
import Testing

@Suite("The hostel's migrations")
struct GoldenSchemaTests {
  @Test func makeTheSchemaOfSeaORMByteForByte() throws {
    let work = try Workshop()
    try work.succeed("up")
    #expect(try work.schema() == [SeaORMDatabase.tracker] + SeaORMDatabase.definitions(9))
    #expect(try work.versions() == SeaORMDatabase.versions)
    try work.expectSound()
  }

  /// Counts that were taken from a database that SeaORM made.
  @Test func makeAsManyObjectsAsSeaORM() throws {
    let work = try Workshop()
    try work.succeed("up")
    let count = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '%\\_albergue%' ESCAPE '\\' AND"
    #expect(try work.lines("\(count) type = 'table';") == ["11"])
    #expect(try work.lines("\(count) type = 'index' AND sql IS NOT NULL;") == ["8"])
    #expect(try work.lines("\(count) type = 'index' AND sql IS NULL;") == ["3"])
    let columns = try work.lines(
      """
      SELECT m.name || ' ' || count(*) FROM sqlite_schema AS m, pragma_table_info(m.name)
      WHERE m.type = 'table' AND m.name NOT LIKE 's%' AND m.name NOT LIKE '\\_%' ESCAPE '\\' GROUP BY m.name ORDER BY 1;
      """)
    #expect(
      columns == [
        "audit_log 10", "beds 14", "bookings 19", "government_submissions 8", "notifications 12", "payments 13",
        "pilgrims 27", "pricing 8", "users 4",
      ])
  }

  @Test func seedOneUserOnceWhateverWasThere() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "9")
    try work.change("INSERT INTO users (username, password) VALUES ('synthetic_admin', 'own');")
    try work.succeed("up")
    #expect(try work.lines("SELECT password FROM users;") == ["own"])
    try work.succeed("down")
    #expect(try work.lines("SELECT count(*) FROM users;") == ["0"])
    try work.succeed("up")
    #expect(
      try work.lines("SELECT username, password, created_at IS NULL FROM users;")
        == ["synthetic_admin|synthetic_password|1"])
  }

  @Test func haveTheNamesOfTheProgramsThatTheyTakeTurnsWith() throws {
    #expect(try HostelMigrations.all().map(\.version) == SeaORMDatabase.versions)
    #expect(try HostelMigrations.all().allSatisfy { $0.down != nil })
  }

  /// Databases hold these: a script that changes, in whatever way, would be taken for one that was edited.
  @Test func haveTheChecksumsThatWereRecorded() throws {
    #expect(
      try HostelMigrations.all().map { String($0.up.checksum.prefix(16)) } == [
        "d9c0cdf8b590e33a", "4bde5c25fe711347", "2e0f6c4b6eca0dde", "bb6fc9f3704947a1", "01d9f0f0c66f5289",
        "1ba31fa3d212f9b2", "cdd91b00dc501d96", "7daef7bc751ab4cf", "2d628fc5fdf0684a", "70dd238fca5c255e",
      ])
  }
}
