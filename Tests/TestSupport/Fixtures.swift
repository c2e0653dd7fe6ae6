import EncryptedStorage
package import EncryptionKeys
import Foundation

/// Keys that are visibly not real.
package enum TestKeys {
  package static let firstHex = String(repeating: "a1", count: 32)
  package static let secondHex = String(repeating: "b2", count: 32)
  package static let thirdHex = String(repeating: "c3", count: 32)
  package static let passphrase = "camino de santiago ñ"

  package static func raw(_ id: String, _ hex: String) throws -> KeyMaterial {
    try KeyMaterial(id: KeyID(id), rawKey: EncryptionKey(SecretBytes(copying: bytes(hex))))
  }

  package static func first() throws -> KeyMaterial { try raw("first", firstHex) }
  package static func second() throws -> KeyMaterial { try raw("second", secondHex) }

  package static func passphraseKey(_ id: String = "passphrase", _ text: String = passphrase) throws -> KeyMaterial {
    try KeyMaterial(id: KeyID(id), passphrase: SecretBytes(copying: Array(text.utf8)))
  }

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
  }
}

/// Strings that must never be found outside an encrypted file.
package enum Canary {
  package static let text = "CANARY-peregrina-7f3a-CANARY"
}

/// A generator whose seed reproduces a run.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Databases for tests.
package enum Sample {
  /// 400 rows with overflow pages, an index, and the canary in every row.
  package static let sql = """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
      INSERT INTO pilgrim SELECT i, '\(Canary.text)-' || i, randomblob(100 + (i * 37) % 9000) FROM n;
    PRAGMA user_version = 42;
    PRAGMA application_id = 1234;
    """

  /// Made through the factory, checkpointed, in one file.
  package static func make(
    _ path: String, key: KeyMaterial, profile: CipherProfile = .sqlcipher4, sql: String = sql
  ) async throws {
    let connection = try await ConnectionFactory(key: key, profile: profile).create(path)
    try await connection.run { try $0.executeScript(sql) }
    await connection.close()
  }

  /// One line that changes with any change of the rows.
  package static let digestSQL = """
    SELECT count(*) || '|' || sum(id) || '|' || sum(length(note)) || '|' || group_concat(hex(substr(note, 1, 3)), '')
    FROM (SELECT * FROM pilgrim ORDER BY id)
    """

  package static func digest(_ path: String, key: KeyMaterial) async throws -> String? {
    let connection = try await ConnectionFactory(key: key).open(path)
    let value = try await connection.run { try $0.value(digestSQL) }
    await connection.close()
    return value.text
  }
}
