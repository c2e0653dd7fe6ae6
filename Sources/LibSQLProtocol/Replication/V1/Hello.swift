/// `wal_log.HelloRequest`, the first call of a V1 client.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/replication_log.proto.
public struct HelloRequest: Sendable, Hashable {
  /// The version that every client of libsql 0.9 sends.
  public static let currentVersion: UInt64 = 1
  /// Field 1; nil where the client is too old to say.
  public let handshakeVersion: UInt64?

  /// A request.
  public init(handshakeVersion: UInt64? = currentVersion) { self.handshakeVersion = handshakeVersion }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    var reader = ProtobufReader(message, "HelloRequest")
    var version: UInt64?
    while let field = try reader.next() {
      if field.number == 1 { version = try field.uint64() }
    }
    self.init(handshakeVersion: version)
  }

  /// The message.
  public var encoded: [UInt8] { ProtobufWriter.encode { $0.optionalUInt64(1, handshakeVersion) } }
}

/// `wal_log.HelloResponse`: which log this is, how far it goes, and the session.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/replication_log.proto; which fields clients need: recorded.
public struct HelloResponse: Sendable, Hashable {
  /// Field 1: a UUID; empty where it is not said. Clients do not use it.
  public let generationID: String
  /// Field 2: the first frame number of the generation. Clients do not use it.
  public let generationStartIndex: UInt64
  /// Field 3: a UUID. Another one than before means: throw the replica away and begin at offset 0.
  public let logID: String
  /// Field 4: a UUID, to be sent back as `x-session-token`. It changes when the server restarts.
  public let sessionToken: String
  /// Field 5: the highest frame number that `BatchLogEntries` will deliver; nil for an empty log. A client asks without a
  /// pause until it has it.
  public let currentReplicationIndex: UInt64?
  /// Field 6; nil where it is not said.
  public let configuration: DatabaseConfiguration?

  /// A response. `logID` and `sessionToken` are UUIDs with hyphens.
  public init(
    generationID: String = "", generationStartIndex: UInt64 = 0, logID: String, sessionToken: String,
    currentReplicationIndex: UInt64?, configuration: DatabaseConfiguration? = nil
  ) {
    self.generationID = generationID
    self.generationStartIndex = generationStartIndex
    self.logID = logID
    self.sessionToken = sessionToken
    self.currentReplicationIndex = currentReplicationIndex
    self.configuration = configuration
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` when log or session is no UUID with hyphens.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "HelloResponse"
    var reader = ProtobufReader(message, structure)
    var (generationID, generationStart) = ("", UInt64(0))
    var (logID, sessionToken): (String?, String?)
    var index: UInt64?
    var configuration: DatabaseConfiguration?
    while let field = try reader.next() {
      switch field.number {
      case 1: generationID = try field.string()
      case 2: generationStart = try field.uint64()
      case 3: logID = try Self.uuid(field)
      case 4: sessionToken = try Self.uuid(field)
      case 5: index = try field.uint64()
      case 6: configuration = try DatabaseConfiguration(field)
      default: continue
      }
    }
    guard let logID, let sessionToken else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "no log id or no session token")
    }
    self.init(
      generationID: generationID, generationStartIndex: generationStart, logID: logID, sessionToken: sessionToken,
      currentReplicationIndex: index, configuration: configuration)
  }

  private static func uuid(_ field: ProtobufField) throws(WireFormatError) -> String {
    guard UUIDText.isValid(try field.bytes()) else { throw field.refused("is no UUID") }
    return try field.string()
  }

  /// The message, as the official server's encoder writes it.
  public var encoded: [UInt8] {
    ProtobufWriter.encode { writer in
      writer.string(1, generationID)
      writer.uint64(2, generationStartIndex)
      writer.string(3, logID)
      writer.bytes(4, Array(sessionToken.utf8))
      writer.optionalUInt64(5, currentReplicationIndex)
      if let configuration { writer.message(6) { configuration.write(to: &$0) } }
    }
  }
}

/// `metadata.DatabaseConfig`, the part of it that concerns a replica. The rest (backups, tokens, shared schemas) is the
/// server's own and is skipped.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/metadata.proto.
public struct DatabaseConfiguration: Sendable, Hashable {
  /// Field 1: the server refuses reads.
  public let blocksReads: Bool
  /// Field 2: the server refuses writes.
  public let blocksWrites: Bool
  /// Field 3: why, for the user.
  public let blockReason: String?
  /// Field 4: the most pages that the database may have; 0 where it is not said. The recorded server says 2^62.
  public let pageCountLimit: UInt64

  /// A configuration.
  public init(
    blocksReads: Bool = false, blocksWrites: Bool = false, blockReason: String? = nil, pageCountLimit: UInt64 = 0
  ) {
    self.blocksReads = blocksReads
    self.blocksWrites = blocksWrites
    self.blockReason = blockReason
    self.pageCountLimit = pageCountLimit
  }

  init(_ field: ProtobufField) throws(WireFormatError) {
    var reader = try field.submessage("DatabaseConfig")
    var (reads, writes) = (false, false)
    var reason: String?
    var limit: UInt64 = 0
    while let field = try reader.next() {
      switch field.number {
      case 1: reads = try field.bool()
      case 2: writes = try field.bool()
      case 3: reason = try field.string()
      case 4: limit = try field.uint64()
      default: continue
      }
    }
    self.init(blocksReads: reads, blocksWrites: writes, blockReason: reason, pageCountLimit: limit)
  }

  func write(to writer: inout ProtobufWriter) {
    writer.bool(1, blocksReads)
    writer.bool(2, blocksWrites)
    writer.optionalString(3, blockReason)
    writer.uint64(4, pageCountLimit)
  }
}
