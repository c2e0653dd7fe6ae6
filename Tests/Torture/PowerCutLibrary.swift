import Foundation
import TestSupport

/// `power_cut.c`, compiled: loses power in the middle of any program, for what goes through SQLite and for what does not.
struct PowerCutLibrary: Sendable {
  struct Failure: Error { let message: String }

  private let path: String

  /// Compiles it with the toolchain's clang.
  init(in folder: TemporaryDirectory) throws {
    path = folder.file("power_cut.so")
    let source = Judges.root + "/Tests/Torture/power_cut.c"
    let result = try Subprocess.run("clang", ["-shared", "-fPIC", "-O1", "-o", path, source])
    guard result.status == 0 else { throw Failure(message: result.errors) }
  }

  /// One power cut, in the scene's folder.
  struct Cut: Sendable {
    let environment: [String: String]
    fileprivate let reportFile: String
  }

  /// - Parameters:
  ///   - operation: before which the power goes; if there are not so many, it goes at the end of the program.
  ///   - seed: what survives.
  func cut(atOperation operation: Int, seed: UInt64, in scene: Scene) -> Cut {
    let report = scene.aside.file("power-cut-report")
    return Cut(
      environment: [
        "LD_PRELOAD": path, "POWER_CUT_FOLDER": scene.root.path, "POWER_CUT_ASIDE": scene.aside.path,
        "POWER_CUT_AT": "\(operation)", "POWER_CUT_SEED": "\(seed)", "POWER_CUT_REPORT": report,
      ], reportFile: report)
  }

  /// What the power cut did: at which operation, and how many changes were not synchronized then.
  ///
  /// - Throws: ``Failure`` when the power has not gone: then nothing was proved.
  static func outcome(of cut: Cut, in scene: Scene) throws -> (operation: Int, waitingCount: Int) {
    let text = (try? Bytes.read(cut.reportFile)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let numbers = text.split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }
    guard numbers.count == 2 else { throw Failure(message: "the power was not cut, or more than once: \(text)") }
    try removeSharedMemory(in: scene)
    return (numbers[0], numbers[1])
  }

  /// Shared memory does not outlive a restart.
  private static func removeSharedMemory(in scene: Scene) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: scene.root.path) where name.hasSuffix("-shm") {
      try FileManager.default.removeItem(atPath: scene.root.file(name))
    }
  }
}
