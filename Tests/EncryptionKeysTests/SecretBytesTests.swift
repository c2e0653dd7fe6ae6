import Glibc
import Synchronization
import Testing

@testable import EncryptionKeys

@Suite("Secret memory")
struct SecretBytesTests {
  @Test(arguments: [0, 1, 16, 32, 4095, 4096, 4097, 65_537])
  func holdsExactlyTheBytesItWasGiven(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let bytes = generator.bytes(count)
    let secret = SecretBytes(copying: bytes)
    #expect(secret.count == count)
    #expect(secret.bytes() == bytes)
    #expect(secret.copy().bytes() == bytes)
  }

  @Test func comparesByContentAndCount() {
    for (bytes, expected) in [([1, 2, 3], true), ([1, 2, 4], false), ([1, 2], false), ([], false)] as [([UInt8], Bool)]
    {
      // In a variable, because #expect cannot take noncopyable arguments.
      let isEqual = SecretBytes(copying: [1, 2, 3]).isEqual(to: SecretBytes(copying: bytes))
      #expect(isEqual == expected)
    }
    let areEmptyEqual = SecretBytes(copying: []).isEqual(to: SecretBytes(copying: []))
    #expect(areEmptyEqual)
  }

  // The observer runs between the wipe and munmap, so it sees what the memory is given back with.
  @Test func isWipedBeforeItsMemoryIsGivenBack() {
    let wiped = Mutex<[Bool]>([])
    SecretMemory.$wipeObserver.withValue({ span in
      let isZero = span.withUnsafeBytes { $0.allSatisfy { $0 == 0 } }
      wiped.withLock { $0.append(isZero) }
    }) {
      let secret = SecretBytes(copying: [UInt8](repeating: 0xaa, count: 5000))
      #expect(secret.bytes().allSatisfy { $0 == 0xaa })
    }
    #expect(wiped.withLock { $0 } == [true])
  }

  @Test func isWipedWhenFillingItFails() {
    struct Refused: Error {}
    let releases = Mutex(0)
    SecretMemory.$wipeObserver.withValue({ _ in releases.withLock { $0 += 1 } }) {
      #expect(throws: Refused.self) {
        _ = try SecretBytes(count: 8) { (buffer: UnsafeMutableRawBufferPointer) throws(Refused) in
          buffer[0] = 1
          throw Refused()
        }
      }
    }
    #expect(releases.withLock { $0 } == 1)
  }

  @Test func aHexTextOfAKeyIsWipedAfterUse() throws {
    let key = try Fixtures.key()
    let releases = Mutex(0)
    try SecretMemory.$wipeObserver.withValue({ _ in releases.withLock { $0 += 1 } }) {
      try key.withHexDigits { digits in
        #expect(String(decoding: digits, as: UTF8.self) == Fixtures.hex)
        #expect(releases.withLock { $0 } == 0)
        try #require(digits.count == 64)
      }
    }
    #expect(releases.withLock { $0 } == 1)
  }

  // VmFlags of the mapping in /proc/self/smaps: "dd" is do-not-dump, "lo" is locked.
  @Test func isLeftOutOfCoreDumpsAndLockedIfTheKernelAllows() throws {
    let secret = SecretBytes(copying: [1, 2, 3])
    let address = secret.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    let found = try Self.flags(ofMappingAt: address)
    let flags = try #require(found)
    #expect(flags.contains("dd"))
    #expect(flags.contains("lo") || !Self.kernelLocksMemory())
  }

  @Test func aRefusedLockIsReportedOnceWhicheverComesFirst() {
    let refusal = MemoryLock.Refusal(errorNumber: 12)
    var handlerFirst = OneReport()
    #expect(handlerFirst.install({ _ in }, replacing: true)?.refusal == nil)
    #expect(handlerFirst.note(refusal)?.refusal == refusal)
    #expect(handlerFirst.note(refusal)?.refusal == nil)
    #expect(handlerFirst.install({ _ in }, replacing: true)?.refusal == nil)

    var refusalFirst = OneReport()
    #expect(refusalFirst.note(refusal)?.refusal == nil)
    #expect(refusalFirst.install({ _ in }, replacing: false)?.refusal == refusal)
    #expect(refusalFirst.note(refusal)?.refusal == nil)
    #expect(refusal.description.contains("RLIMIT_MEMLOCK"))
  }

  /// Tries a page of its own, so that a small RLIMIT_MEMLOCK does not count as a defect.
  private static func kernelLocksMemory() -> Bool {
    guard let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      page != MAP_FAILED
    else { return false }
    defer { munmap(page, 4096) }
    return mlock(page, 4096) == 0
  }

  private static func flags(ofMappingAt address: UInt) throws -> [String]? {
    let text = String(decoding: try TemporaryFolder.contents("/proc/self/smaps"), as: UTF8.self)
    var isInside = false
    for line in text.split(separator: "\n") {
      let range = line.prefix { $0 != " " }.split(separator: "-")
      if range.count == 2, let start = UInt(range[0], radix: 16), let end = UInt(range[1], radix: 16) {
        isInside = (start..<end).contains(address)
      } else if isInside, line.hasPrefix("VmFlags:") {
        return line.split(separator: " ").dropFirst().map(String.init)
      }
    }
    return nil
  }
}
