package import EncryptionKeys
import Foundation

/// Programs that are not ours, installed by `./taskw test` into `.tools/judges`. One that is missing fails the test.
package enum Judges {
  /// Runs Python with the judges' packages.
  package static func python(_ arguments: [String], input: String = "") throws -> Subprocess {
    try Subprocess.run(root + "/.tools/judges/bin/python3", arguments, input: input)
  }

  /// The independent checker of SQLCipher files, which shares no code with us.
  package static func check(_ path: String, key: String, _ profile: CipherProfile) throws -> Subprocess {
    try python([
      root + "/../shared/tools/sqlcipher_check.py", "check", path, "--key", key, "--hmac", profile.format.mac.rawValue,
    ])
  }

  /// The repository, from the place of this file.
  package static var root: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
  }
}
