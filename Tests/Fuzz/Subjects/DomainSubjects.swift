#if DEBUG
  import EncryptionKeys
  @testable import HostelDomain
  @testable import HostelService
  @testable import HostelStore
  import Mutation
  import TestSupport

  extension Subject {
    /// What people and forms say.
    static let domain: [Subject] = [
      Subject("identity-document", formText) {
        Examination(
          Corpus.texts(
            "NIF 12345678Z AAA000001", "NIE x-1234567-l BBB1", "PAS L898902C3 ", "OTRO A1 ",
            "NIF 00000000T \(Rule.canary)")
        ) {
          input, _ in
          let parts = input.text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
          guard parts.count == 3, let kind = IdentityDocument.Kind(rawValue: parts[0]) else { return .refused }
          let document = try Rule.attempt(FieldProblem.self) {
            try IdentityDocument(kind, number: parts[1], support: parts[2])
          }
          guard let document else { return .refused }
          let again = try Rule.attempt(FieldProblem.self) {
            try IdentityDocument(kind, number: document.number, support: document.support)
          }
          try Rule.require(again == document, "a document is another one after it was written and read")
          try Rule.require((1...15).contains(document.number.utf8.count), "a number of another length")
          return .accepted
        }
      },
      Subject("machine-readable-zone", formText) {
        guard let today = Day("2026-11-21") else { throw Finding("no day") }
        return Examination(
          Corpus.texts(
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
            "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<")
        ) { input, _ in
          let lines = input.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
          let zone = try Rule.attempt(MachineReadableZone.Problem.self) {
            try MachineReadableZone(lines: lines, today: today)
          }
          guard let zone else { return .refused }
          try Rule.require(zone.birthDate <= today, "somebody who is not born yet")
          try Rule.require(!"\(zone)".contains("<<"), "fillers in a field")
          return .accepted
        }
      },
      Subject("times", formText) {
        Examination(
          Corpus.texts(
            "2026-11-21T08:15:30.123456789+05:30", "0001-01-01 00:00:00Z", "9999-12-31T23:59:59-23:59", "2024-02-29")
        ) {
          input, _ in
          if let day = Day(input.text) {
            try Rule.require(day.description == input.text, "a day is written otherwise than it was read")
            return .accepted
          }
          guard let instant = Instant(input.text) else { return .refused }
          try Rule.require(Instant(instant.stored) == instant, "a moment is another one after it was stored")
          try Rule.require(Instant(instant.description) == instant, "a moment is another one after it was written")
          return .accepted
        }
      },
      Subject("booking-reference", formText) {
        Examination(Corpus.texts("AC-7KQ2M-9XH4T", "ac-7kq2m-9xh4t", "booking.1_2")) { input, _ in
          guard let reference = BookingReference(input.text) else { return .refused }
          try Rule.require(
            BookingReference(reference.description) == reference, "a reference is another one after it was read")
          try Rule.require((1...50).contains(reference.description.utf8.count), "a reference of another length")
          return .accepted
        }
      },
      Subject("service-json", .json, cost: 4) {
        Examination(
          Corpus.texts(
            #"{"first_name":"\#(Rule.canary)","stay":{"check_in":"2026-11-21","nights":3},"tags":[1,2.5,true,null,"ñ"]}"#,
            #"[[[[{"a":-9223372036854775808}]]],1e300,0.1]"#)
        ) { input, _ in
          guard let value = JSONValue(parsing: input.bytes) else { return .refused }
          // A number beyond what a Double has exactly may become an integer once, and stays one.
          guard let again = JSONValue(parsing: value.bytes), let last = JSONValue(parsing: again.bytes) else {
            throw Finding("what is written is refused")
          }
          try Rule.require(last.bytes == again.bytes, "a value is written in another way after it was read again")
          return .accepted
        }
      },
      Subject("field-cipher", .binary) {
        let key = FieldKey(try EncryptionKey(SecretBytes(copying: [UInt8](repeating: 0xA1, count: 32))))
        let cipher = AuthenticatedCipher(key)
        let sealed = try (0..<4).map { try cipher.seal(Array("\(Rule.canary)-\($0)".utf8)) }
        let sound = sealed.map { $0.nonce + $0.tag + $0.text }
        return Examination(sound) { input, _ in
          let bytes = input.bytes
          let split = AuthenticatedCipher.Sealed(
            nonce: Array(bytes.prefix(12)), tag: Array(bytes.dropFirst(12).prefix(16)), text: Array(bytes.dropFirst(28))
          )
          guard cipher.open(split) != nil else { return .refused }
          try Rule.require(sound.contains(bytes), "an altered value of a column is accepted")
          return .accepted
        }
      },
      Subject("column-value", formText) {
        let key = FieldKey(try EncryptionKey(SecretBytes(copying: [UInt8](repeating: 0xA1, count: 32))))
        let cipher = try FieldCipher([key])
        let place = FieldPlace("pilgrims", "name", row: 1)
        let sound = try (0..<3).map { Array(try cipher.encrypt("\(Rule.canary)-\($0)", at: place).utf8) }
        return Examination(sound) { input, _ in
          let text = try Rule.attempt(StoreError.self) { try cipher.decrypt(input.text, at: place) }
          guard let text else { return .refused }
          // Base64 has more than one way to write the same bytes, so that the text may differ.
          try Rule.require(
            (0..<3).contains { text == "\(Rule.canary)-\($0)" }, "an altered value of a column is accepted")
          return .accepted
        }
      },
    ]

    private static let formText = Mutator(
      tokens: [
        "<", "<<", "-", ".", " ", "T", "Z", "+00:00", "0", "9", "A", "\u{0}", "ñ", "ß", "１", "\n", ":", "=", "AC-",
      ],
      separators: " \n-:<")
  }
#endif
