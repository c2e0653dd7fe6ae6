internal import EncryptionKeys

/// Why the store could not answer. Holds no value of a row, so it is safe to log.
package struct StoreError: ReportedError, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, CaseIterable {
    /// There is no such record.
    case notFound
    /// Somebody else was first, or the record is in another state: what was asked for did not happen.
    case conflict
    /// The remote cannot be asked: nothing was changed, and nothing waits to be.
    case unavailable
    /// The answer of the remote was lost: nobody knows whether the change happened. ``StoreError/change`` is its name.
    case outcomeUnknown
    /// There is no data yet: the replica was never synchronised.
    case notSynchronised
    /// A record that cannot be understood.
    case damaged
    /// libcrypto failed, or a key is missing.
    case cipher
    /// The tables are not those that this program knows.
    case schema
  }

  package let code: Code
  /// One sentence without a full stop.
  package let detail: String
  package let hint: String?
  /// The name of the change, with which its outcome can be asked for.
  package let change: String?

  package init(_ code: Code, _ detail: String, hint: String? = nil, change: String? = nil) {
    self.code = code
    self.detail = detail
    self.hint = hint
    self.change = change
  }

  package var description: String { detail }

  package var report: String { detail }

  package var exitCode: Int32 {
    switch code {
    case .schema, .damaged: 65
    case .notFound: 66
    case .unavailable, .outcomeUnknown: 69
    case .notSynchronised, .conflict: 75
    case .cipher: 77
    }
  }
}
