import EncryptedStorage
import EncryptionKeys
import LibSQLClient
import PageStore
import ReplicaSync

func hostel() async throws {
  let keys = try KeySources.load(KeySelection(keyringFile: "keys"))
  let factory = try ConnectionFactory(keys: keys, configuration: .mountingPageStores)

  let url = try RemoteURL("http://127.0.0.1:8080")
  let remote = Remote(url, tokens: try .fromEnvironment(), transport: try Transport())
  let settings = ReplicaSettings(path: "hostel.db", url: url)
  let replica = try await Replica.open(settings, remote: remote, factory: factory)
  try await replica.sync()

  let names = try await replica.read { session in
    try session.query("SELECT name FROM pilgrim ORDER BY id") { row in row[0].text ?? "" }
  }
  print(names)
  await replica.close()
}
