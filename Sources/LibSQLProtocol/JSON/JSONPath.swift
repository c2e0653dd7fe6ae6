/// Where in a message a byte is. Looked up only for errors, by reading once more what the reader accepted before it.
enum JSONPath {
  private enum Level {
    case array(index: Int)
    case object(key: FieldName?)
    /// An object of which no key was read yet.
    case openedObject
  }

  /// Levels that are shown. A text that is no UTF-8 is refused before its nesting is limited, so that a path can be as long as
  /// the message; a person needs its beginning, and the offset.
  private static let levelCountMax = 40

  /// The path to the value, or to the field, in which byte `offset` of `bytes` is: `$.requests[0].stmt`.
  ///
  /// Keys that the protocol does not have are data and shown as `?`. Not more than the first 40 levels.
  static func text(to offset: Int, in bytes: [UInt8]) -> String {
    var levels: [Level] = []
    var isKeyNext = false
    var index = 0
    let end = min(offset, bytes.count)
    // A field that is given twice is named by its key, which begins at the offset.
    while index < end || (index == end && isKeyNext && index < bytes.count && bytes[index] == .quote) {
      switch bytes[index] {
      case .openBrace:
        levels.append(.openedObject)
        isKeyNext = true
      case .openBracket:
        levels.append(.array(index: 0))
        isKeyNext = false
      case .closeBrace, .closeBracket:
        _ = levels.popLast()
        isKeyNext = false
      case .comma:
        guard let level = levels.popLast() else { break }
        if case .array(let element) = level {
          levels.append(.array(index: element + 1))
        } else {
          levels.append(.openedObject)
          isKeyNext = true
        }
      case .quote:
        let close = endOfString(bytes, from: index)
        if isKeyNext, !levels.isEmpty {
          let name = FieldNames.shared.index(bytes, index + 1..<close).map { FieldNames.shared.all[$0] }
          levels[levels.count - 1] = .object(key: name)
          isKeyNext = false
        }
        index = close
      default: break
      }
      index += 1
    }
    return levels.prefix(levelCountMax).reduce(into: "$") { text, level in
      switch level {
      case .array(let index): text += "[\(index)]"
      case .object(let key): text += ".\(key?.rawValue ?? "?")"
      case .openedObject: break
      }
    }
  }

  /// The index of the closing quote, or the end.
  private static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
    var index = start + 1
    while index < bytes.count, bytes[index] != .quote {
      index += bytes[index] == .backslash ? 2 : 1
    }
    return min(index, bytes.count)
  }
}
