/// The small file `FILE.albergue-rotation` that exists while a rotation runs, locked by the process that runs it.
///
/// Text, one `name: value` a line, no secret in it. It only names the temporary file, so that a later run can tell an
/// unfinished rotation (the temporary file is there: remove it) from a finished one (it is not: it was renamed). In both
/// cases `FILE` itself is complete: rename(2) replaces it in one step.
package struct RotationJournal: Sendable, Equatable {
  package static let suffix = ".albergue-rotation"
  private static let firstLine = "albergue-rotation: 1"

  /// Name, without folder, of the file that is being written.
  package let temporaryName: String
  /// Ids of the keys, for people.
  package let fromKeyID: String
  package let toKeyID: String

  package static func path(for file: String) -> String { file + suffix }

  var bytes: [UInt8] {
    Array("\(Self.firstLine)\ntemporary: \(temporaryName)\nfrom: \(fromKeyID)\nto: \(toKeyID)\n".utf8)
  }

  init(temporaryName: String, fromKeyID: String, toKeyID: String) {
    self.temporaryName = temporaryName
    self.fromKeyID = fromKeyID
    self.toKeyID = toKeyID
  }

  /// Nil for an empty or torn journal: the rotation died before it wrote anything else.
  ///
  /// The name must be one that a rotation of `file` can have made: nobody who can write the journal gets another file
  /// removed.
  init?(_ bytes: [UInt8], of file: String) {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    guard lines.count >= 4, lines[0] == Self.firstLine, let temporary = Self.value("temporary", lines[1]),
      let from = Self.value("from", lines[2]), let to = Self.value("to", lines[3])
    else { return nil }
    let fileName = file.split(separator: "/").last.map(String.init) ?? ""
    guard !temporary.contains("/"), temporary.hasPrefix(fileName + "."), temporary.hasSuffix(TemporaryFile.suffix)
    else {
      return nil
    }
    self.init(temporaryName: temporary, fromKeyID: from, toKeyID: to)
  }

  private static func value(_ name: String, _ line: String) -> String? {
    line.hasPrefix(name + ": ") ? String(line.dropFirst(name.count + 2)) : nil
  }
}
