import Foundation
import TestSupport
import Testing

/// Debian's nginx with the configuration of `docs/deployment`, without root, in a folder of its own, in front of a server.
final class ProxyProcess {
  /// `https://localhost:PORT`.
  let url: String
  /// What a client has to trust.
  let authority: String
  private let directory: TemporaryDirectory
  private let process = ChildProgram()
  private let log: String
  /// Kept open, since nginx writes to it.
  private let said = Pipe()

  /// - Parameters:
  ///   - upstream: `http://127.0.0.1:PORT`.
  ///   - seconds: it is killed then, should the test itself have died.
  init(to upstream: String, killedAfter seconds: Int = 180) throws {
    directory = try TemporaryDirectory(named: "albergue-proxy")
    log = directory.file("nginx.log")
    authority = directory.file("ca.pem")
    try Self.makeCertificates(directory)
    let free = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
    let port = try Judges.python(["-c", free]).output.trimmingCharacters(in: .whitespacesAndNewlines)
    url = "https://localhost:\(port)"
    try Self.writeConfiguration(directory, port: port, upstream: upstream.replacing("http://", with: ""))
    let program = Judges.root + "/.tools/nginx/nginx"
    try #require(Bytes.exists(program), "the judge nginx is not installed; ./taskw deps:judges installs it")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["timeout", "--foreground", "-s", "KILL", String(seconds)] + (try Self.withoutRoot(directory))
      + [program, "-p", directory.path, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;"]
    process.environment = [:]
    process.setInput(FileHandle.nullDevice)
    process.setErrors(said)
    try process.run()
    // Said after the sockets are open. Reading blocks until there is something, or nginx has ended.
    var text = Data()
    while text.range(of: Data("event method".utf8)) == nil {
      let more = said.fileHandleForReading.availableData
      try #require(!more.isEmpty, "nginx did not start: \(String(decoding: text, as: UTF8.self))")
      text += more
    }
  }

  /// What nginx logged about requests.
  var errors: String { String(decoding: (try? Bytes.read(log)) ?? Data(), as: UTF8.self) }

  /// A certificate for localhost, and the authority that signed it.
  private static func makeCertificates(_ directory: TemporaryDirectory) throws {
    let common = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    let authority =
      ["req", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem"] + common
      + ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    let server =
      ["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.pem"] + common
      + ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
      + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth"]
    for arguments in [authority, server] {
      let made = try Subprocess.run("openssl", arguments, directory: directory.path)
      try #require(made.status == 0, "\(made.errors)")
    }
  }

  /// The site with its marked lines changed, and around it what nginx needs to live in one folder.
  private static func writeConfiguration(_ directory: TemporaryDirectory, port: String, upstream: String) throws {
    var site = String(decoding: try Bytes.read(Judges.root + "/docs/deployment/nginx.conf"), as: UTF8.self)
    for (line, replacement) in [
      ("server 127.0.0.1:8080; # CHANGE", "server \(upstream); # CHANGE"),
      ("listen 443 ssl; # CHANGE", "listen 127.0.0.1:\(port) ssl; # CHANGE"),
      ("server_name db.example.org; # CHANGE", "server_name localhost;"),
      ("/etc/ssl/albergue/fullchain.pem; # CHANGE", "server.pem;"),
      ("/etc/ssl/albergue/privkey.pem; # CHANGE", "server.key;"),
    ] {
      try #require(site.contains(line), "docs/deployment/nginx.conf has no line with: \(line)")
      site = site.replacing(line, with: replacement)
    }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path temporary/\($0);" }
    let main = """
      pid nginx.pid;
      error_log stderr notice;
      error_log nginx.log info;
      events {}
      http {
        access_log access.log;
        \(temporary.joined(separator: " "))
        include site.conf;
      }
      """
    try FileManager.default.createDirectory(atPath: directory.file("temporary"), withIntermediateDirectories: true)
    try Bytes.write(Data(site.utf8), to: directory.file("site.conf"))
    try Bytes.write(Data(main.utf8), to: directory.file("nginx.conf"))
  }

  /// What is put in front of the program where the tests are run by root: nginx needs no rights.
  private static func withoutRoot(_ directory: TemporaryDirectory) throws -> [String] {
    guard getuid() == 0 else { return [] }
    let owned = try Subprocess.run("chown", ["-R", "nobody:nogroup", directory.path])
    try #require(owned.status == 0, "\(owned.errors)")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
  }
}
