import Foundation
import TestSupport
import Testing

@testable import fuzz

/// Every decoder is given a few changed inputs, the same every time. More of them: `./taskw fuzz`.
@Suite("Fuzzing", .serialized, .timeLimit(.minutes(20)))
struct FuzzTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private func fuzz(_ arguments: String...) throws -> Subprocess {
    try Subprocess.run(Executables.path("fuzz"), arguments + ["--cases", folder.file("cases")])
  }

  @Test func noDecoderIsUpsetByChangedInputs() throws {
    let result = try fuzz("--seed", "2026", "--inputs", "100")
    #expect(
      result.status == 0,
      "\(result.output.split(separator: "\n").filter { $0.contains("FOUND") || $0.contains("again") })")
    let decoders = try FuzzOptions([]).chosen(of: Subject.all)
    #expect(decoders.count >= 60)
    for decoder in decoders { #expect(result.output.contains("| \(decoder.name) |"), "\(decoder.name)") }
  }

  /// Decoders that are broken on purpose, and what is said about them.
  @Test(arguments: [
    ("trap", "Index out of range"), ("hang", "hangs"), ("slow", " ms for 1 bytes"), ("memory", " MiB for 1 bytes"),
    ("error", "CANARY"), ("quote", "an error quotes the input"), ("round-trip", "written in another way"),
    ("refusal", "not even a sound input is accepted"),
  ])
  func whatIsBrokenIsFound(name: String, what: String) throws {
    let result = try fuzz("--seed", "3", "--only", "self-test-\(name)", "--inputs", "4")
    #expect(result.status == 1)
    let lines = result.output.split(separator: "\n")
    let found = lines.first { $0.hasPrefix("FOUND self-test-\(name): ") }
    #expect(found?.contains(what) == true, "\(result.output)")
    let number = name == "refusal" ? 0 : 2
    #expect(result.output.contains("again: ./taskw fuzz -- --seed 3 --only self-test-\(name) --input \(number)"))
  }

  /// What is broken does not keep the inputs behind it from being tried.
  @Test func aDeathIsNotTheEnd() throws {
    let result = try fuzz("--seed", "3", "--only", "self-test-trap", "--inputs", "9")
    #expect(result.output.contains("| self-test-trap | 9 |"), "\(result.output)")
    #expect(try Bytes.read(folder.file("cases/self-test-trap-3-2.case")) == Data([3]))
  }

  @Test func theCommandOfAFindingRepeatsIt() throws {
    let result = try fuzz("--seed", "3", "--only", "self-test-trap", "--input", "2")
    #expect(result.status == 1 && result.output.contains("Index out of range"), "\(result.output)")
    #expect(try fuzz("--seed", "3", "--only", "self-test-trap", "--input", "1").status == 0)
  }

  @Test func whatIsSoundPasses() throws {
    #expect(try fuzz("--seed", "3", "--only", "self-test-sound", "--inputs", "50").status == 0)
  }

  @Test func anInputDependsOnSeedDecoderAndNumberOnly() throws {
    func bytes(_ seed: String, _ arguments: String...) throws -> [UInt8]? {
      let file = folder.file("case")
      let result = try Subprocess.run(
        Executables.path("fuzz"), ["--seed", seed, "--only", "v1-hello", "--worker", file] + arguments)
      #expect(result.status == 0, "\(result.errors)")
      return CaseFile(path: file).last()?.bytes
    }
    let inARow = try #require(try bytes("5", "--inputs", "90"))
    #expect(try bytes("5", "--input", "89", "--first", "89") == inARow)
    #expect(try bytes("6", "--input", "89", "--first", "89") != inARow)
  }

  @Test(arguments: [
    ["--only", "nothing"], ["--seed"], ["--seed", "x"], ["--minutes", "-1"], ["--inputs", "-1"], ["--what", "1"],
  ])
  func whatIsNotUnderstoodIsRefused(arguments: [String]) throws {
    #expect(try Subprocess.run(Executables.path("fuzz"), arguments).status == 64)
  }

  @Test func decodersHaveNamesOfTheirOwn() {
    let names = Subject.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.wholeMatch(of: /[a-z0-9-]+/) != nil })
  }
}
