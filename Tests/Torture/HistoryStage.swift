import Foundation
import Synchronization
import TestSupport

/// The server, the network before it, and a synchroniser in a process of its own; all of which fail.
final class HistoryStage: Sendable {
  /// Something that happens once, between two actions of clients.
  enum Incident: Sendable {
    case killServer, restartServer, killSynchroniser, releaseLate
  }

  static let followed = "followed.db"

  private struct State {
    var server: RunningPrimary?
    var synchroniser: ChildProgram?
    var outputCount = 0
  }

  private let scene: Scene
  private let record: RoundRecord
  private let port: Int
  private let proxy: FaultProxy
  private let rawProxy: FaultProxy
  private let state = Mutex(State())

  init(_ scene: Scene, _ record: RoundRecord) throws {
    self.scene = scene
    self.record = record
    let server = try scene.startPrimary()
    port = server.port
    proxy = try FaultProxy(before: server.port)
    rawProxy = try FaultProxy(before: server.port)
    state.withLock { $0.server = server }
    try startSynchroniser()
  }

  /// Of the server, without the network.
  var directURL: String { "http://127.0.0.1:\(port)" }
  var url: String { proxy.url }
  var rawURL: String { rawProxy.url }
  var followedPath: String { scene.root.file(Self.followed) }

  // MARK: - The network

  func beginChaos(seed: UInt64, rate: Double) throws {
    try proxy.setChaos(seed: seed >> 1, rate: rate, faults: HistoryRound.faults)
    try rawProxy.setChaos(seed: seed >> 2, rate: rate / 2, faults: HistoryRound.rawFaults)
  }

  /// - Returns: how many faults there were.
  func endChaos() throws -> Int {
    try proxy.setChaos(seed: 0, rate: 0, faults: []) + rawProxy.setChaos(seed: 0, rate: 0, faults: [])
  }

  func releaseLate() throws {
    let count = try proxy.release().count
    record.injected(count)
  }

  // MARK: - Processes

  /// After which actions something happens.
  func plan(actionCount: Int, _ choices: inout WorkloadChoices) -> [Int: Incident] {
    var plan: [Int: Incident] = [:]
    for _ in 0..<choices.number(1...6) {
      plan[choices.number(1...actionCount)] = choices.pick([
        .killServer, .killServer, .restartServer, .killSynchroniser, .killSynchroniser, .releaseLate,
      ])
    }
    return plan
  }

  func perform(_ incident: Incident) throws {
    record.injected()
    switch incident {
    case .killServer: try replaceServer { $0.kill() }
    case .restartServer: try replaceServer { $0.stop() }
    case .killSynchroniser:
      state.withLock { state in
        state.synchroniser?.send(SIGKILL)
        state.synchroniser?.waitUntilExit()
      }
      try startSynchroniser()
    case .releaseLate: try releaseLate()
    }
  }

  private func replaceServer(_ end: (RunningPrimary) -> Void) throws {
    try state.withLock { state in
      if let server = state.server { end(server) }
      state.server = nil
      state.server = try scene.startPrimary(port: port)
    }
  }

  private func startSynchroniser() throws {
    let program = ChildProgram()
    program.executableURL = URL(fileURLWithPath: Executables.path("turso-sync"))
    program.arguments = ["sync", "--interval-secs", "0.05", "--json"]
    var variables = scene.replicaEnvironment(Self.followed, url)
    for name in RunningPrimary.inherited { variables[name] = ProcessInfo.processInfo.environment[name] }
    program.environment = variables
    program.setInput(FileHandle.nullDevice)
    // To files, where they are scanned.
    try state.withLock { state in
      state.outputCount += 1
      var handles: [FileHandle] = []
      for stream in ["output", "errors"] {
        let path = scene.root.file("turso-sync-\(state.outputCount).\(stream)")
        try Bytes.write(Data(), to: path)
        handles.append(try FileHandle(forWritingTo: URL(fileURLWithPath: path)))
      }
      program.setOutput(handles[0])
      program.setErrors(handles[1])
      try program.run()
      for handle in handles { try handle.close() }
      state.synchroniser = program
    }
  }

  func stop() {
    state.withLock { state in
      state.synchroniser?.send(SIGKILL)
      state.synchroniser?.waitUntilExit()
      state.server?.stop()
    }
  }
}
