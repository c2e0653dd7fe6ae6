internal import EncryptionKeys
internal import FoundationEssentials
package import HostelDomain

/// Where a value belongs: a column of a row.
package struct FieldPlace: Sendable, Hashable {
  let table: String
  let column: String
  /// The row's id.
  let row: Int64

  package init(_ table: String, _ column: String, row: Int64) {
    self.table = table
    self.column = column
    self.row = row
  }

  /// What the cipher binds a value to. No name has a zero byte in it, so that two places never give the same bytes.
  var context: [UInt8] { Array("albergue-service field 2\0\(table)\0\(column)\0\(row)".utf8) }
}

/// Encrypts the personal columns, each value for its place, and finds documents without decrypting them.
///
/// - Shape: `2:base64(nonce):base64(tag):base64(text)`. The place is authenticated with the value (associated data of AES-GCM):
///   a value that somebody with access to the database moves to another row or column cannot be read there. Former values have
///   three parts, as the hostel's other programs write them, and are bound to nothing; they are read, never written.
package struct FieldCipher: Sendable {
  private let ciphers: [AuthenticatedCipher]
  /// Keys of the lookup codes, one for each key.
  private let lookups: [AuthenticatedCipher]
  private let readsUnbound: Bool

  /// - Parameters:
  ///   - keys: the first encrypts; all of them decrypt.
  ///   - readsUnbound: whether values that are bound to no place are read. Such a value, kept from former times, can be put
  ///     anywhere; where none is left, none has to be believed.
  /// - Throws: ``StoreError`` `.cipher`.
  package init(_ keys: [FieldKey], readsUnbound: Bool = true) throws(StoreError) {
    self.readsUnbound = readsUnbound
    guard !keys.isEmpty else { throw StoreError(.cipher, "there is no key for the personal columns") }
    ciphers = keys.map { AuthenticatedCipher($0) }
    var lookups: [AuthenticatedCipher] = []
    for cipher in ciphers {
      // A key of its own for each purpose. Source: NIST SP 800-108, one step.
      let derived = try cipher.code(for: Array("albergue-service document lookup 1".utf8))
      do throws(KeyError) {
        lookups.append(AuthenticatedCipher(FieldKey(try EncryptionKey(SecretBytes(copying: derived)))))
      } catch { throw StoreError(.cipher, "a key for lookups could not be derived") }
    }
    self.lookups = lookups
  }

  /// The first part of a value that is bound to its place. No nonce looks like it.
  private static let version = "2"

  /// - Throws: ``StoreError`` `.cipher`.
  package func encrypt(_ text: String, at place: FieldPlace) throws(StoreError) -> String {
    let sealed = try ciphers[0].seal(Array(text.utf8), context: place.context)
    let parts = [sealed.nonce, sealed.tag, sealed.text].map { Data($0).base64EncodedString() }
    return ([Self.version] + parts).joined(separator: ":")
  }

  /// - Throws: ``StoreError`` `.damaged` for what is not of this form, was changed, belongs to another place, or was encrypted
  ///   with another key. There is no way to read a column that is in clear.
  package func decrypt(_ stored: String, at place: FieldPlace) throws(StoreError) -> String {
    try opened(stored, at: place).text
  }

  /// Whether a value is as it would be written today: bound to its place, under the first key.
  ///
  /// - Throws: as ``decrypt(_:at:)``.
  func isCurrent(_ stored: String, at place: FieldPlace) throws(StoreError) -> Bool {
    let (_, key, isBound) = try opened(stored, at: place)
    return key == 0 && isBound
  }

  private func opened(
    _ stored: String, at place: FieldPlace
  ) throws(StoreError) -> (text: String, key: Int, isBound: Bool) {
    var parts = stored.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let isBound = parts.count == 4 && parts[0] == Self.version
    if isBound { parts.removeFirst() }
    let bytes = parts.map { Data(base64Encoded: $0).map(Array.init) }
    guard bytes.count == 3, let nonce = bytes[0], let tag = bytes[1], let text = bytes[2] else {
      throw StoreError(.damaged, "the column \(place.column) holds a value that is not encrypted")
    }
    guard isBound || readsUnbound else {
      throw StoreError(
        .damaged, "the column \(place.column) holds a value that is bound to no row, and such values are refused",
        hint:
          "run albergue-service reencrypt without PILGRIM_ENCRYPTION_UNBOUND=refuse, unless nobody can have left one")
    }
    let sealed = AuthenticatedCipher.Sealed(nonce: nonce, tag: tag, text: text)
    for (key, cipher) in ciphers.enumerated() {
      if let bytes = cipher.open(sealed, context: isBound ? place.context : []) {
        return (String(decoding: bytes, as: UTF8.self), key, isBound)
      }
    }
    throw StoreError(
      .damaged,
      """
      the column \(place.column) holds a value that was changed, belongs to another row or column, or was encrypted with a key \
      that is not here
      """, hint: "name former keys in the keyring as retiring")
  }

  /// What the column `document_hash` holds for a document: the code under the first key, for writing, then those under the
  /// others, for finding. The numbers of documents are few, so that only a keyed hash hides them.
  package func lookupCodes(_ kind: IdentityDocument.Kind, _ number: String) throws(StoreError) -> [String] {
    var codes: [String] = []
    for lookup in lookups {
      let message = kind.rawValue + ":" + IdentityDocument.normalised(number)
      codes.append(Data(try lookup.code(for: Array(message.utf8))).base64EncodedString())
    }
    return codes
  }
}
