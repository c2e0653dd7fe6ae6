import EncryptedStorage
import EncryptionKeys
import LibSQLClient
import PageStore
import ReplicaSync

func hostel() async throws {
  let keys = try KeySources.load(KeySelection(keyringFile: "keys"))
  let factory = try ConnectionFactory(keys: keys, configuration: .mountingPageStores)
  print(factory)
}
