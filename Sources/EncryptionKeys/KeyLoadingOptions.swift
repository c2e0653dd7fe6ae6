public import Logging

/// How keys are read, for every source alike.
public struct KeyLoadingOptions: Sendable {
  /// Reads files that group or others can access, with one warning each. Default false: they are refused.
  public var allowInsecurePermissions: Bool
  /// Seconds a key command may run before its process group is killed. 1 or more, default 30.
  public var commandTimeoutSeconds: Int
  /// Receives warnings; never a secret. Default none.
  public var logger: Logger?

  /// Makes options.
  public init(allowInsecurePermissions: Bool = false, commandTimeoutSeconds: Int = 30, logger: Logger? = nil) {
    self.allowInsecurePermissions = allowInsecurePermissions
    self.commandTimeoutSeconds = commandTimeoutSeconds
    self.logger = logger
  }
}

/// What the command line says about keys; wins over the environment.
public struct KeySelection: Sendable, Hashable {
  /// File that holds the key.
  public var keyFile: String?
  /// Identifier of the keyring entry to write with, instead of the active one.
  public var keyID: String?
  /// Keyring file.
  public var keyringFile: String?

  /// Makes a selection; nil leaves the choice to the environment.
  public init(keyFile: String? = nil, keyID: String? = nil, keyringFile: String? = nil) {
    self.keyFile = keyFile
    self.keyID = keyID
    self.keyringFile = keyringFile
  }
}
