internal import EncryptionKeys

/// Writes an image whose every page is authentic into a new file, page by page, under one key.
struct PageRecovery {
  let image: DatabaseImage
  let targetKeys: PageKeys
  var progress: Progress?
  var cancellation = Cancellation()

  /// Writes to `path`, which must not exist, and reads everything back.
  ///
  /// - Returns: nil when SQLCipher finds the structure of the result damaged: the pages are of different states, and only
  ///   the rows can be saved.
  func write(to path: String) throws(EncryptedStorageError) -> OutputFile? {
    let geometry = image.geometry
    let output = try OutputFile(creating: path)
    progress?.step("rewriting")
    progress?.begin(total: Int64(image.pageCount) * Int64(geometry.pageSize))
    try output.truncate(to: Int64(image.pageCount) * Int64(geometry.pageSize))
    try ParallelChunks.forEach(
      pageCount: image.pageCount, pageSize: geometry.pageSize, cancellation: cancellation, operation: "recover",
      makeWorker: { () throws(EncryptedStorageError) in try Worker(self) },
      work: { (worker, pages) throws(EncryptedStorageError) in
        for page in pages where page != geometry.lockBytePage { try worker.rewrite(page, to: output) }
        progress?.advance(by: Int64(pages.count) * Int64(geometry.pageSize))
      })
    try output.synchronize()
    var check = RecoveredFileCheck(path: path, keys: targetKeys)
    check.progress = progress
    check.cancellation = cancellation
    return try check.isSound() ? output : nil
  }

  private struct Worker {
    let reader: PageReader
    let codec: PageCodec
    let page: PageBuffer
    let vector = PageBuffer(byteCount: PageCodec.initializationVectorByteCount)
    let geometry: PageGeometry
    let path: String

    init(_ recovery: PageRecovery) throws(EncryptedStorageError) {
      reader = try PageReader(recovery.image)
      codec = try PageCodec(recovery.targetKeys)
      geometry = recovery.image.geometry
      page = PageBuffer(byteCount: geometry.pageSize)
      path = recovery.image.path
    }

    func rewrite(_ number: UInt32, to output: OutputFile) throws(EncryptedStorageError) {
      guard try reader.read(number, into: page, at: 0) != nil else {
        throw EncryptedStorageError(
          .busy, operation: "recover", file: path, detail: "page \(number) changed while it was read",
          hint: "stop every program that uses the file, then try again")
      }
      let whole = 0..<geometry.pageSize
      try vector.withMutableSpan(0..<vector.byteCount) { (span) throws(EncryptedStorageError) in
        try PageCodec.randomBytes(into: &span)
      }
      try page.withMutableSpan(whole) { (span) throws(EncryptedStorageError) in
        try vector.withSpan(0..<vector.byteCount) { (vector) throws(EncryptedStorageError) in
          try codec.encrypt(&span, number: number, initializationVector: vector)
        }
      }
      try page.withSpan(whole) { (span) throws(EncryptedStorageError) in
        try output.write(span, at: geometry.offset(of: number))
      }
    }
  }
}
