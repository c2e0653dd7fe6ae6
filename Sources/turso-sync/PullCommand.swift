import ArgumentParser
import CommandSupport
import ReplicaSync

struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Bring the replica to where the remote is, once; make it if there is none.")

  @Flag(help: "Pull the whole image anew, also if the replica is a copy of another remote.")
  var replace = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    try await Failures.translated {
      let settings = try remote.settings()
      let bar = ProgressBar()
      let syncer = try await remote.openSyncer(settings, bar)
      let result: Result<SyncReport, any Error>
      do {
        result = .success(try await replace ? syncer.replaceImage() : syncer.sync())
      } catch {
        result = .failure(error)
      }
      await syncer.close()
      bar.finish()
      let report = try result.get()
      if json { try JSONOutput.print(report) }
      Diagnostics("turso-sync").note(report.summary)
    }
  }
}

extension SyncReport {
  /// One line for people.
  var summary: String {
    let rate = seconds > 0.2 && bytes > 0 ? ", \(Int(Double(bytes) / seconds / 1e6)) MB/s" : ""
    let milliseconds = Int(seconds * 1000)
    return "\(kind.rawValue): \(place), \(pages) pages, \(bytes) bytes, \(milliseconds) ms\(rate)"
  }

  private var place: String {
    let number = self.protocol == "v2" ? "\(position >> 32)/\(position & 0xFFFF_FFFF)" : "\(position)"
    return "\(self.protocol) position \(number), image of \(imagePageCount) pages"
  }
}
