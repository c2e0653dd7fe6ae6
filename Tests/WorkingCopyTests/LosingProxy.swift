import Foundation
import TestSupport
import Testing

/// `Servers/losing_proxy.py` before a server, in a process of its own. It ends with the last reference.
final class LosingProxy: Sendable {
  private let process = ChildProgram()
  private let input: Pipe
  private let output: Pipe
  let port: Int

  init(before server: Int) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Judges.root + "/Tests/WorkingCopyTests/Servers/losing_proxy.py", "\(server)"]
    input = Pipe()
    output = Pipe()
    process.setInput(input)
    process.setOutput(output)
    try process.run()
    let first = try Self.number(output)
    port = try #require(first, "the proxy did not start")
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  var url: String { "http://127.0.0.1:\(port)" }

  private static func number(_ output: Pipe) throws -> Int? {
    var text = Data()
    while text.last != UInt8(ascii: "\n") {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "the proxy has ended")
      text += more
    }
    return Int(String(decoding: text.dropLast(), as: UTF8.self))
  }

  enum Loss: String { case answer, request }

  /// Loses the next `times` requests whose body holds `text`.
  func lose(_ loss: Loss, of text: String, times: Int) throws {
    let rule = try JSONSerialization.data(
      withJSONObject: ["text": text, "lose": loss.rawValue, "times": times] as [String: Any])
    input.fileHandleForWriting.write(rule + Data("\n".utf8))
    _ = try Self.number(output)
  }

  func lostCount() throws -> Int {
    input.fileHandleForWriting.write(Data("{}\n".utf8))
    let count = try Self.number(output)
    return try #require(count)
  }
}
