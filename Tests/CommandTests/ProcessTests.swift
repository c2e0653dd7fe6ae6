import TestSupport
import Testing

@Suite("Where a program runs")
struct ProcessTests {
  /// The Swift runtime reads the arguments there; without it every command would look like none.
  @Test(.enabled(if: Tool.isRoot, "taking /proc away needs root")) func withoutProcIsAnErrorThatSaysSo() throws {
    let result = try Tool.run(
      ["status", "missing.db"], wrapper: ["unshare", "--mount", "sh", "-c", "umount -l /proc && exec \"$0\" \"$@\""])
    #expect(result.status == 69)
    #expect(result.errors.contains("mount /proc"), "\(result.errors)")
    #expect(result.output.isEmpty)
  }
}
