#if COVERAGE
  import Foundation
  import TestSupport

  /// Hands one decoder to libFuzzer, which changes inputs by what they reach. A build for it is instrumented, see
  /// `./taskw fuzz:coverage`.
  ///
  /// Unsafe: libFuzzer calls back with a pointer and a length, which are valid during the call; it calls from one thread.
  enum Coverage {
    /// Set before libFuzzer runs.
    nonisolated(unsafe) private static var examine: Examination.Examine?

    /// Runs libFuzzer with its own arguments, on a folder with the sound inputs. Does not return where it finds something.
    static func run(_ subject: Subject, corpus: String, arguments: [String]) async throws {
      let examination = try await subject.prepare()
      guard let examineAtOnce = examination.examineAtOnce else { throw Finding("\(subject.name) waits for files") }
      examine = examineAtOnce
      try FileManager.default.createDirectory(atPath: corpus, withIntermediateDirectories: true)
      for (number, bytes) in examination.inputs.enumerated() {
        try Bytes.write(Data(bytes), to: "\(corpus)/sound-\(number)")
      }
      var count = Int32(2 + arguments.count)
      var pointers: [UnsafeMutablePointer<CChar>?] =
        (["fuzz"] + arguments + [corpus]).map { strdup($0) } + [nil]
      pointers.withUnsafeMutableBufferPointer { buffer in
        var base = buffer.baseAddress
        _ = LLVMFuzzerRunDriver(&count, &base) { start, count in
          Coverage.examineOnce([UInt8](UnsafeBufferPointer(start: start, count: count)))
          return 0
        }
      }
    }

    private static func examineOnce(_ bytes: [UInt8]) {
      var generator = SeededGenerator(seed: UInt64(bytes.count))
      do { _ = try examine?(Input(bytes: bytes, origin: nil), &generator) } catch {
        FileHandle.standardError.write(Data("ERROR: FOUND \(error)\n".utf8))
        abort()
      }
    }
  }

  /// Source: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
  @_silgen_name("LLVMFuzzerRunDriver")
  private func LLVMFuzzerRunDriver(
    _ argumentCount: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ examine: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
  ) -> Int32
#endif
