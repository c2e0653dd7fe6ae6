/// Tables that no `fresh` drops.
public enum KeptTable {
  /// In a working copy: what it was made from. Without it the file could not be pushed any more.
  public static let workingCopy = "_albergue_copy"
  /// In a remote and its copies: the names of writes and of pushes that were committed.
  public static let writes: Set<String> = ["_albergue_writes", "_albergue_pushes"]
  /// Of a libSQL server, which refuses to drop them.
  public static let server: Set<String> = ["_litestream_seq", "_litestream_lock", "libsql_wasm_func_table"]

  /// All of them.
  public static let all = server.union(writes).union([workingCopy, MigrationLease.table])
}

/// What `fresh` drops.
enum FreshStart {
  /// Views first, then virtual tables, which take the tables behind them along, then all other tables.
  static func droppedObjects(of state: DatabaseState) -> [SchemaObject] {
    func rank(_ object: SchemaObject) -> Int { object.kind == .view ? 0 : object.isVirtual ? 1 : 2 }
    let objects = state.objects.filter { object in
      (object.kind == .view || object.kind == .table) && !KeptTable.all.contains(object.name)
    }
    return [0, 1, 2].flatMap { wanted in objects.filter { rank($0) == wanted } }
  }

  static func script(dropping objects: [SchemaObject]) throws(MigrationError) -> MigrationScript {
    let statements = objects.map { "DROP \($0.kind.rawValue.uppercased()) IF EXISTS \($0.name.quotedName);\n" }
    return try MigrationScript(statements.joined(), source: "fresh")
  }
}
