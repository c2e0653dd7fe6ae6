/// A program that prints a key, and the rules for running it: no shell, no secrets in its environment, a time limit.
struct KeyCommand: Sendable {
  let arguments: [String]

  /// A command that is split already: program and arguments.
  init(arguments: [String]) {
    self.arguments = arguments
  }

  /// Splits a command line into program and arguments. No shell: no variables, globs, pipes or redirections.
  ///
  /// - Shape: words separated by spaces or tabs; `'...'` is literal; in `"..."` a backslash escapes `"` and `\`;
  ///   elsewhere it escapes any character.
  /// - Throws: ``KeyError`` `.unusable` if it is empty, or a quote or backslash is left open.
  init(parsing line: String) throws(KeyError) {
    var words: [String] = []
    var word: String?
    var quote: Unicode.Scalar?
    // Not characters: a quotation mark and an accent behind it are one.
    var characters = line.unicodeScalars.makeIterator()
    while let character = characters.next() {
      switch (character, quote) {
      case ("\\", nil), ("\\", "\""):
        guard let escaped = characters.next() else { throw KeyError(.unusable, "the command ends in a backslash") }
        let isEscape = quote == nil || escaped == "\"" || escaped == "\\"
        word = (word ?? "") + (isEscape ? "" : "\\") + String(escaped)
      case ("'", nil), ("\"", nil):
        quote = character
        word = word ?? ""
      case (let character, let open?) where character == open:
        quote = nil
      case (" ", nil), ("\t", nil):
        if let finished = word { words.append(finished) }
        word = nil
      default:
        word = (word ?? "") + String(character)
      }
    }
    if quote != nil { throw KeyError(.unusable, "the command has an open quotation mark") }
    if let finished = word { words.append(finished) }
    guard let program = words.first, !program.isEmpty else { throw KeyError(.unusable, "the command is empty") }
    arguments = words
  }

  /// Runs the command and returns what it printed, without one line break at the end.
  ///
  /// - Parameter place: what asked for the command, for messages; arguments are not shown, they may hold a secret.
  /// - Parameter withheld: variables the child does not get, besides our own.
  /// - Throws: ``KeyError`` `.missing` (no such program), `.permission`, `.unusable` (exit status, signal, time limit,
  ///   no or too much output), `.usage` (time limit out of range), `.io`.
  /// - Concurrency: blocks the calling thread until the command has ended, at most the time limit.
  func output(at place: String, withholding withheld: Set<String>, options: KeyLoadingOptions) throws(KeyError)
    -> SecretBytes
  {
    guard options.commandTimeoutSeconds >= 1 else {
      throw KeyError(.usage, "the time limit of a key command is 1 second or more")
    }
    do {
      let child = try ChildProcess(
        arguments: arguments,
        withholding: { name in withheld.contains(name) || Self.withheldPrefixes.contains(where: name.hasPrefix) })
      let deadline = ContinuousClock.now.advanced(by: .seconds(options.commandTimeoutSeconds))
      let outcome = try child.run(until: deadline, outputByteCountMax: SecretFile.byteCountMax)
      try Self.check(outcome.ending, options: options)
      guard outcome.output.count > 0 else { throw KeyError(.unusable, "the command printed nothing") }
      return outcome.takeOutput().removingTrailingLineBreak()
    } catch let error as SystemError {
      throw error.keyError("run", "\(place): program \(arguments[0])")
    } catch let error as KeyError {
      throw error.located(at: place)
    } catch {
      throw KeyError(.io, "\(place): cannot run the command")
    }
  }

  private static let withheldPrefixes = [
    "TURSO_ENCRYPTION_KEY", "TURSO_REMOTE_ENCRYPTION_KEY", "TURSO_AUTH_TOKEN", "PILGRIM_ENCRYPTION_KEY",
  ]

  private static func check(_ ending: ChildProcess.Ending, options: KeyLoadingOptions) throws(KeyError) {
    switch ending {
    case .exited(0): return
    case .exited(let status): throw KeyError(.unusable, "the command failed with exit status \(status)")
    case .signalled(let signal): throw KeyError(.unusable, "the command was ended by signal \(signal)")
    case .timedOut:
      throw KeyError(.unusable, "the command took longer than \(options.commandTimeoutSeconds) s and was killed")
    case .tooMuchOutput:
      throw KeyError(.unusable, "the command printed more than \(SecretFile.byteCountMax) bytes and was killed")
    }
  }
}
