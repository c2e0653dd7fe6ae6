import EncryptedStorage
import Foundation
import HostelDomain
import HostelStore
import ReplicaSync
import TestSupport
import Testing

/// What somebody can do who can write to the database and does not have the key; and how values are written anew.
@Suite("Encrypted columns in the database", .serialized)
struct ReencryptionTests {
  private func stored(_ store: HostelStore, _ column: String, of id: Int64) async throws -> String {
    let text = try await store.database.read { session in
      try session.value("SELECT \(column) FROM pilgrims WHERE id = ?", [.integer(id)]).text
    }.value
    return try #require(text)
  }

  @Test(arguments: modes) func aValueThatWasMovedIsRefused(_ mode: Inn.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let first = try await store.register(Inn.person(), by: Inn.staff)
    let second = try await store.register(Inn.person(1), by: Inn.staff)
    #expect(first.id < 1 << 53 && first.id != second.id)
    let phone = try await stored(store, "phone_encrypted", of: first.id)
    let other = try await stored(store, "phone_encrypted", of: second.id)
    let email = try await stored(store, "email_encrypted", of: first.id)
    // To another row, and back; to another column; and the whole row under another id.
    try await inn.tamper(("UPDATE pilgrims SET phone_encrypted = ? WHERE id = ?", [.text(phone), .integer(second.id)]))
    try await store.database.replica?.sync()
    #expect(await storeError { try await store.pilgrim(second.id) } == .damaged)
    #expect(try await store.pilgrim(first.id).value.person == first.person)
    try await inn.tamper(
      ("UPDATE pilgrims SET phone_encrypted = ? WHERE id = ?", [.text(other), .integer(second.id)]),
      ("UPDATE pilgrims SET phone_encrypted = ? WHERE id = ?", [.text(email), .integer(first.id)]))
    try await store.database.replica?.sync()
    #expect(try await store.pilgrim(second.id).value.person == second.person)
    #expect(await storeError { try await store.pilgrim(first.id) } == .damaged)
    #expect(try await store.reencrypt() == Reencryption.unreadable("pilgrims \(first.id)"))
    try await inn.tamper(
      ("UPDATE pilgrims SET phone_encrypted = ? WHERE id = ?", [.text(phone), .integer(first.id)]),
      ("UPDATE pilgrims SET id = -id", []),
      ("UPDATE pilgrims SET id = ? WHERE id = ?", [.integer(second.id), .integer(-first.id)]))
    try await store.database.replica?.sync()
    #expect(await storeError { try await store.pilgrim(second.id) } == .damaged)
    await store.database.close()
    try inn.expectNoPlaintext()
  }

  @Test(arguments: modes) func formerValuesAreReadAndWrittenAnew(_ mode: Inn.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    let former = try Inn.formerValues(of: ["Canaria-7f3a", "+34 699 999 999"])
    try await inn.tamper(
      (
        "UPDATE pilgrims SET first_name_encrypted = ?, phone_encrypted = ?, document_support = 'AAA000001' WHERE id = ?",
        [.text(former[0]), .text(former[1]), .integer(guest.id)]
      ))
    try await store.database.replica?.sync()
    #expect(try await store.pilgrim(guest.id).value.person == guest.person)
    #expect(try await store.reencrypt() == Reencryption.rewritten(1))
    #expect(try await store.reencrypt() == Reencryption.rewritten(0))
    for column in ["first_name_encrypted", "phone_encrypted", "document_support"] {
      #expect(try await stored(store, column, of: guest.id).hasPrefix("2:"), "\(column)")
    }
    #expect(try await store.pilgrim(guest.id).value.person == guest.person)
    await store.database.close()
  }

  @Test(arguments: modes) func aNewKeyIsGivenToEverythingInAsManyRunsAsItTakes(_ mode: Inn.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    var guests: [RegisteredPilgrim] = []
    for number in 1...3 { guests.append(try await store.register(Inn.person(number), by: Inn.staff)) }
    await store.database.close()
    let both = try await inn.open("one", keys: [0xF2, 0xF1])
    // Somebody was entered with the new key before: as after a run that was interrupted.
    guests.append(try await both.register(Inn.person(4), by: Inn.staff))
    #expect(try await both.reencrypt() == Reencryption.rewritten(3))
    #expect(try await both.reencrypt() == Reencryption.rewritten(0))
    await both.database.close()
    let newer = try await inn.open("one", key: 0xF2)
    for guest in guests {
      #expect(try await newer.pilgrim(guest.id).value.person == guest.person)
      let document = guest.person.document
      #expect(try await newer.pilgrim(with: document.kind, document.number).value.id == guest.id)
    }
    let code = await storeError { try await newer.register(guests[0].person, by: Inn.staff) }
    #expect(code == .conflict)
    await newer.database.close()
    try inn.expectNoPlaintext()
  }
}

extension Reencryption {
  fileprivate static func rewritten(_ count: Int) -> Reencryption {
    var result = Reencryption()
    result.rewrittenCount = count
    return result
  }

  fileprivate static func unreadable(_ row: String) -> Reencryption {
    var result = Reencryption()
    result.unreadable = [row]
    return result
  }
}
