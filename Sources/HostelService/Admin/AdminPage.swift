internal import EncryptedStorage
internal import HostelDomain
internal import HostelStore
internal import ReplicaSync

/// One page of HTML, complete by itself: no script, no picture, no other file.
struct AdminPage: Sendable {
  let health: Health
  let occupancy: HostelDatabase.Reading<Occupancy>
  let overdueCount: Int
  /// The first of them.
  let overdue: [OverdueReport]
  /// What the bytes of the file say now.
  let encryption: FileStatus
  let now: Instant
  let isTokenRequired: Bool

  /// Overdue reports that are named.
  static let overdueCountMax = 20

  /// What a browser may do with it: nothing but show it with its own style.
  static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Albergue: tonight</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <header><h1>Albergue</h1><p>\(Self.escaped("\(now.day)")) · as of \(Self.escaped("\(now)"))</p></header>
    <main>
    \(banner)
    <section aria-labelledby="house"><h2 id="house">The house tonight</h2>
    <p class="figure"><strong>\(house.takenTonight)</strong> of \(house.bedCount) beds taken</p>
    <p><meter min="0" max="\(max(1, house.bedCount))" value="\(house.takenTonight)">\(house.takenTonight)</meter></p>
    \(Self.table([
      ("Arrivals today, confirmed", "\(house.arrivals)"), ("Departures today, still here", "\(house.departures)"),
      ("Reports that wait", "\(house.waitingReports)"),
    ] + BedState.allCases.map { ("Beds \($0.rawValue)", "\(house.beds[$0] ?? 0)") }))
    </section>
    <section aria-labelledby="reports"><h2 id="reports">Traveller reports</h2>
    \(Self.table([("Overdue", "\(overdueCount)")] + overdue.map { ("\($0.reference), due \($0.due)", Self.text($0)) }))
    </section>
    <section aria-labelledby="data"><h2 id="data">The data</h2>
    \(Self.table([
      ("Mode", health.state.mode.rawValue), ("Last synchronised", lag),
      ("Position", position),
      ("Kept fresh by a process", health.state.isBeingSynchronised ? "yes" : "no"),
      ("Last failure", health.lastError ?? "none"),
    ]))
    </section>
    <section aria-labelledby="encryption"><h2 id="encryption">Encryption</h2>
    \(Self.table([
      ("Files", files), ("Key of the files", encryption.keyID ?? "none fits"),
      ("Personal columns", "encrypted once more (AES-256-GCM)"),
      ("Access", isTokenRequired ? "with a token (EdDSA)" : "everybody on this machine"),
    ]))
    </section>
    </main>
    </body>
    </html>
    """
  }

  private var house: Occupancy { occupancy.value }

  private var lag: String {
    switch (health.state.mode, health.state.lagSeconds) {
    case (.ordinaryFile, _): "not needed: this file is the original"
    case (_, let seconds?): "\(seconds) s ago"
    case (_, nil): "never"
    }
  }

  /// As `turso-sync status` says it: generation and frame, or the frame alone.
  private var position: String {
    guard let position = health.state.position else { return "–" }
    return position >> 32 > 0 ? "\(position >> 32)/\(position & 0xFFFF_FFFF)" : "\(position)"
  }

  private var files: String {
    switch encryption.kind {
    case .sqlcipher, .pageStore:
      "encrypted (SQLCipher, profile \(encryption.profile ?? "unknown"))\(encryption.isExposed ? ", others may read the file" : "")"
    default: "NOT AS IT SHOULD BE: \(encryption.kind.rawValue)"
    }
  }

  private var banner: String {
    if ![.sqlcipher, .pageStore].contains(encryption.kind) {
      return "<p class=\"warning\" role=\"alert\">The file is not encrypted as it should be.</p>"
    }
    if occupancy.age.lacksWrites {
      return
        "<p class=\"warning\" role=\"status\">The remote cannot be asked: what was entered here last may be missing.</p>"
    }
    guard health.isStale else {
      return overdueCount == 0
        ? "" : "<p class=\"warning\" role=\"status\">\(overdueCount) traveller reports are overdue.</p>"
    }
    return "<p class=\"warning\" role=\"status\">The data is old: it was last synchronised \(Self.escaped(lag)).</p>"
  }

  private static func text(_ overdue: OverdueReport) -> String {
    guard let id = overdue.reportID, let state = overdue.reportState else { return "not made" }
    return "report \(id): \(state.rawValue.replacing("_", with: " "))"
  }

  private static func table(_ rows: [(String, String)]) -> String {
    let body = rows.map { "<tr><th scope=\"row\">\(escaped($0.0))</th><td>\(escaped($0.1))</td></tr>" }
    return "<table><tbody>\(body.joined())</tbody></table>"
  }

  /// Text as HTML has it, in elements and attributes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.append(character)
      }
    }
    return result
  }

  private static let style = """
    :root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
    h1{margin:0}header p{margin:0;opacity:.7}main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr))}\
    section{border:1px solid;border-radius:.5rem;padding:0 1rem 1rem}table{border-collapse:collapse;width:100%}\
    th{font-weight:400;text-align:left}td{text-align:right}th,td{border-top:1px solid;padding:.25rem 0;overflow-wrap:anywhere}\
    .figure strong{font-size:2.5rem}meter{width:100%;height:1.5rem}\
    .warning{border:2px solid;border-radius:.5rem;grid-column:1/-1;margin:1rem 0 0;padding:.5rem 1rem;font-weight:600}
    """
}
