internal import EncryptionKeys
internal import FoundationEssentials
package import HostelDomain

/// Encrypts the personal columns, and finds documents without decrypting them.
///
/// - Shape: `base64(nonce):base64(tag):base64(text)`, as the hostel's other programs write it. The format has no room for what
///   would bind a value to its row and column, so somebody who can write to the database can swap two of them.
package struct FieldCipher: Sendable {
  private let ciphers: [AuthenticatedCipher]
  /// Keys of the lookup codes, one for each key.
  private let lookups: [AuthenticatedCipher]

  /// - Parameter keys: the first encrypts; all of them decrypt.
  /// - Throws: ``StoreError`` `.cipher`.
  package init(_ keys: [FieldKey]) throws(StoreError) {
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

  /// - Throws: ``StoreError`` `.cipher`.
  package func encrypt(_ text: String) throws(StoreError) -> String {
    let sealed = try ciphers[0].seal(Array(text.utf8))
    return [sealed.nonce, sealed.tag, sealed.text].map { Data($0).base64EncodedString() }.joined(separator: ":")
  }

  /// - Parameter column: where the value comes from, for the error.
  /// - Throws: ``StoreError`` `.damaged` for what is not of this form, was changed, or was encrypted with another key. There is
  ///   no way to read a column that is in clear.
  package func decrypt(_ stored: String, column: String) throws(StoreError) -> String {
    let parts = stored.split(separator: ":", omittingEmptySubsequences: false)
      .map { Data(base64Encoded: String($0)).map(Array.init) }
    guard parts.count == 3, let nonce = parts[0], let tag = parts[1], let text = parts[2] else {
      throw StoreError(.damaged, "the column \(column) holds a value that is not encrypted")
    }
    let sealed = AuthenticatedCipher.Sealed(nonce: nonce, tag: tag, text: text)
    for cipher in ciphers {
      if let bytes = cipher.open(sealed) { return String(decoding: bytes, as: UTF8.self) }
    }
    throw StoreError(
      .damaged, "the column \(column) holds a value that was changed, or encrypted with a key that is not here",
      hint: "name former keys in the keyring as retiring")
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
