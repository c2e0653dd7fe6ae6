internal import COpenSSL

/// A public key of Ed25519, to verify signatures with.
///
/// Unsafe code: owns one `EVP_PKEY`, which is made in `init`, freed in `deinit` and not changed in between. OpenSSL's
/// reference counts are atomic, and a verification has a context of its own. Every pointer comes from an array whose
/// length goes with it. The only file of this module that calls libcrypto for signatures.
///
/// - Source: RFC 8032, section 5.1; EVP_SIGNATURE-ED25519(7).
@safe final class Ed25519PublicKey: @unchecked Sendable {  // See above: nothing changes after init.
  static let byteCount = 32

  private let key: OpaquePointer

  /// Takes the 32 bytes of a key.
  ///
  /// - Returns: nil for another count, for what OpenSSL does not accept, and for a point of small order: anybody can make
  ///   signatures that fit such a key. A key of 32 zero bytes is one.
  init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount, !Self.isOfSmallOrder(bytes) else { return nil }
    let made = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
    guard let made = unsafe made else {
      ERR_clear_error()
      return nil
    }
    unsafe key = made
  }

  deinit { unsafe EVP_PKEY_free(key) }

  /// Whether `signature` (64 bytes) was made for `message` with the private half. False, too, when OpenSSL fails.
  func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    defer {
      unsafe EVP_MD_CTX_free(context)
      // Whatever OpenSSL noted about a bad signature must not be reported by the thread's next call.
      ERR_clear_error()
    }
    guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else { return false }
    return unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }

  /// The y coordinates of the eight points whose order divides 8, little-endian, with the encodings that are not reduced.
  /// The highest bit of the last byte, the sign of x, is left out.
  ///
  /// y is 0, 1 or -1 modulo 2^255 - 19, or one of the two that belong to points of order 8. The tests compute all of
  /// them from the equation of the curve.
  private static let smallOrder: [[UInt8]] = {
    let zero = [UInt8](repeating: 0, count: 32)
    let prime = [0xED] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]
    func changed(_ bytes: [UInt8], first: UInt8) -> [UInt8] { [first] + bytes.dropFirst() }
    return [
      zero, changed(zero, first: 1), changed(prime, first: 0xEC), prime, changed(prime, first: 0xEE),
      [
        0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
        0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
      ],
      [
        0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
        0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
      ],
    ]
  }()

  private static func isOfSmallOrder(_ bytes: [UInt8]) -> Bool {
    var unsigned = bytes
    unsigned[31] &= 0x7F
    return smallOrder.contains(unsigned)
  }
}
