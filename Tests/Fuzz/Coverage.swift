#if COVERAGE
  import Dispatch
  import Foundation
  import TestSupport

  /// What libFuzzer, whose `main` a build for it has, calls: one decoder, whose inputs it changes by what they reach. See
  /// `./taskw fuzz:coverage`. The environment says which decoder (`FUZZ_DECODER`), and where its sound inputs go
  /// (`FUZZ_CORPUS`), a folder that libFuzzer reads afterwards.
  ///
  /// Unsafe: libFuzzer calls from one thread, first the one function, then the other; its bytes are valid during a call.
  ///
  /// - Source: https://llvm.org/docs/LibFuzzer.html#fuzz-target
  enum Coverage {
    nonisolated(unsafe) fileprivate static var examine: Examination.Examine?

    fileprivate static func prepare() async throws {
      let environment = ProcessInfo.processInfo.environment
      guard let subject = Subject.all.first(where: { $0.name == environment["FUZZ_DECODER"] }) else {
        throw Finding("no such decoder; ./taskw fuzz -- --list yes names them")
      }
      let examination = try await subject.prepare()
      guard let examineAtOnce = examination.examineAtOnce else { throw Finding("\(subject.name) waits for files") }
      examine = examineAtOnce
      guard let corpus = environment["FUZZ_CORPUS"] else { return }
      for (number, bytes) in examination.inputs.enumerated() {
        try Bytes.write(Data(bytes), to: "\(corpus)/sound-\(number)")
      }
    }

    fileprivate static func end(_ error: any Error) -> Never {
      FileHandle.standardError.write(Data("ERROR: \(error)\n".utf8))
      abort()
    }
  }

  /// Called once, before libFuzzer reads its folder.
  @_cdecl("LLVMFuzzerInitialize")
  public func initialize(_: UnsafeMutableRawPointer, _: UnsafeMutableRawPointer) -> Int32 {
    let isReady = DispatchSemaphore(value: 0)
    Task.detached {
      do { try await Coverage.prepare() } catch { Coverage.end(error) }
      isReady.signal()
    }
    isReady.wait()
    return 0
  }

  /// Called with each input.
  @_cdecl("LLVMFuzzerTestOneInput")
  public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    var generator = SeededGenerator(seed: UInt64(count))
    do { _ = try Coverage.examine?(Input(bytes: bytes, origin: nil), &generator) } catch { Coverage.end(error) }
    return 0
  }
#endif
