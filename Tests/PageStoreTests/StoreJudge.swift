import EncryptedStorage
import PageStore
import TestSupport
import Verification

/// Judges a store as a whole: every page and log frame of the container, and the structure of container and image.
enum StoreJudge {
  /// What is wrong with the store.
  static func findings(_ path: String, _ factory: ConnectionFactory) async throws -> [String] {
    // Whether rows refer to rows that are there is the writer's affair.
    var findings = try await Verifier(factory: factory).run(path).findings.filter {
      ![.foreignKey, .imageForeignKey].contains($0.kind)
    }
    .map { "\($0)" }
    findings += try await containerFindings(path, factory)
    return findings
  }

  /// The same without the structure of the image, for images that have none.
  static func containerFindings(_ path: String, _ factory: ConnectionFactory) async throws -> [String] {
    let container = try await factory.openContainer(path, .reader)
    var findings = try await container.run { try $0.query("PRAGMA integrity_check") { $0[0].text ?? "" } }
      .filter { $0 != "ok" }.map { "container: \($0)" }
    // Every page of the image has a head and a tail, and nothing lies beyond its end.
    findings += try await container.run { container in
      try container.query(
        """
        SELECT 'pages ' || min(page) || ' to ' || max(page) || ', ' || count(*) || ' in all, of an image of ' || last
        FROM (SELECT page, (SELECT page_count FROM change ORDER BY position DESC LIMIT 1) AS last FROM head
          WHERE page IN (SELECT page FROM tail)), (SELECT complete FROM meta) WHERE complete
        HAVING max(page) > last OR count(*) < last - (last >= 262145)
          OR (SELECT count(*) FROM head) <> (SELECT count(*) FROM tail)
        """
      ) { $0[0].text ?? "no text" }
    }
    await container.close()
    return findings
  }
}
