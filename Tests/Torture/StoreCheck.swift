import EncryptedStorage
import Verification

/// Judges a file as a whole: every MAC, the structure of container and image.
enum StoreCheck {
  /// What is wrong with it. Whether rows refer to rows that are there is the writer's affair.
  static func findings(_ path: String, _ factory: ConnectionFactory) async throws -> [String] {
    let report = try await Verifier(factory: factory).run(path)
    var findings = report.findings.filter { ![.foreignKey, .imageForeignKey].contains($0.kind) }
      .map { "\($0.kind.rawValue): \($0.detail)" }
    if !report.checkedStructure { findings.append("the structure could not be checked") }
    return findings
  }

  /// What looks like manipulation before anything is put right. A power cut may break the log.
  static func findingsAfterPowerCut(_ path: String, _ factory: ConnectionFactory) async throws -> [String] {
    try await Verifier(factory: factory, isQuick: true).run(path).findings.filter { $0.kind != .logBroken }
      .map { "\($0.kind.rawValue): \($0.detail)" }
  }
}
