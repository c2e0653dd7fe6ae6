import Foundation
import Testing

/// Rules of the design that can be read off the source text.
@Suite("Tidy")
struct TidyTests {
  /// `path:line: text` of every line of code that matches.
  private func uses(_ pattern: some RegexComponent, in texts: [String: String] = SourceText.swift) -> [String] {
    texts.sorted { $0.key < $1.key }.flatMap { path, text in
      SourceText.code(text).filter { $0.line.contains(pattern) }.map { "\(path):\($0.number): \($0.line)" }
    }
  }

  @Test func thereIsSourceTextToLookAt() {
    #expect(SourceText.swift.count > 50)
    #expect(!uses(/sqlite3_key_v2/).isEmpty)
  }

  @Test func oneFileOpensDatabases() {
    let files = Set(uses(/sqlite3_open(_v2|16)?\b/, in: SourceText.all).map { $0.prefix { $0 != ":" } })
    #expect(files == ["Sources/EncryptedStorage/Connections/Opening.swift"])
  }

  @Test func nothingRekeysInPlace() {
    let found = uses(/(?i)sqlite3_rekey|pragma\s+(hex)?rekey|sqlcipher_export\s*\(/, in: SourceText.all)
    #expect(found.isEmpty, "\(found)")
  }

  /// SeaORM's programs stop at every row of this table that they do not know.
  @Test func oneFileKnowsTheTableOfSeaORM() {
    let files = Set(uses(/seaql_migrations/, in: SourceText.all).map { $0.prefix { $0 != ":" } })
    #expect(files == ["Sources/Migrations/Tracker/Tracker.swift"])
  }

  /// Without a mount of page stores no migration can reach the image of a replica.
  @Test func migrationsMountNoPageStores() {
    let sources = SourceText.swift.filter { $0.key.contains("igration") }
    #expect(sources.count > 20)
    #expect(uses(/mountingPageStores|\.mounting\b/, in: sources).isEmpty)
  }

  @Test func nothingTrapsWhereAnErrorCouldBeThrown() {
    let found = uses(/\btry!|\bfatalError\(|\bas!|\bunowned\(unsafe\)/)
    #expect(found.isEmpty, "\(found)")
  }

  @Test func everyUncheckedSendableSaysWhy() {
    for (path, text) in SourceText.swift {
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      for (index, line) in lines.enumerated() where line.contains("@unchecked Sendable") {
        let near = lines[max(0, index - 3)...index]
        #expect(near.contains { $0.contains("//") }, "\(path):\(index + 1)")
      }
    }
  }

  @Test func noFileIsLong() {
    for (path, text) in SourceText.all {
      #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 401, "\(path)")
    }
  }

  @Test func nothingPrintsOrExitsBesideTheOneWay() {
    // print() buffers and cannot fail; exit() skips the undoing of what was begun.
    let outside = SourceText.swift.filter { !$0.key.hasPrefix("Sources/CommandSupport/") }
    let found = uses(/(^|[^.\w])(print|exit|abort|NSLog|debugPrint|dump)\(/, in: outside)
      .filter { !$0.contains("func ") && !$0.contains("try print(") }
    #expect(found.isEmpty, "\(found)")
  }

  /// Modules that come with the toolchain.
  private static let standard: Set<String> = ["Dispatch", "FoundationEssentials", "Glibc", "Synchronization"]

  @Test func importsFollowTheTargetTable() throws {
    let package = String(
      decoding: FileManager.default.contents(atPath: Tool.project + "/Package.swift") ?? Data(), as: UTF8.self)
    let parts = package.split(separator: /\.(?:target|executableTarget|testTarget)\(/).dropFirst()
    var dependencies: [String: Set<String>] = [:]
    for part in parts {
      guard let name = part.firstMatch(of: /name: "([^"]+)"/)?.output.1 else { continue }
      let list = part.firstMatch(of: /(?s)dependencies: \[(.*?)\]/)?.output.1 ?? ""
      let products = list.replacing(/package: "[^"]+"/, with: "")
      dependencies[String(name)] = Set(products.matches(of: /"([^"]+)"/).map { String($0.output.1) })
    }
    #expect(dependencies["Verification"] == ["PageStore", "EncryptedStorage", "EncryptionKeys"])
    for (path, text) in SourceText.swift {
      let target = try #require(path.split(separator: "/").dropFirst().first.map(String.init))
      let allowed = try #require(dependencies[target], "\(target) is not in Package.swift").union(Self.standard)
      for (number, line) in SourceText.code(text) {
        guard let module = line.firstMatch(of: /^(?:public |package |internal |@\w+ )*import (\w+)/)?.output.1 else {
          continue
        }
        #expect(allowed.contains(String(module)), "\(path):\(number): \(module)")
      }
    }
  }

  @Test func noMirrorRegistryOrPathOfAMachineIsWrittenDown() throws {
    let hosts = /pypi\.org|pythonhosted\.org|npmjs\.(org|com)|crates\.io|proxy\.golang|(deb|ftp\.\w+)\.debian\.org/
    for (path, text) in SourceText.all {
      #expect(text.firstMatch(of: hosts) == nil, "\(path)")
      #expect(text.firstMatch(of: /"\/(home|root|Users|work)\//) == nil, "\(path)")
    }
    for name in ["Package.swift", "Taskfile.yml", "taskw"] {
      let data = FileManager.default.contents(atPath: Tool.project + "/" + name) ?? Data()
      #expect(!data.isEmpty)
      #expect(String(decoding: data, as: UTF8.self).firstMatch(of: hosts) == nil, "\(name)")
    }
  }
}
