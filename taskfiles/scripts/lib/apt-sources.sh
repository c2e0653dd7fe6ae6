# shellcheck shell=sh
# Reads apt's configuration as text. Pure functions: files or stdin in, text out; nothing is run or changed,
# so Tests/Frame can check them with sample files.

# archive_uris ORIGIN CODENAME < output of `apt-cache policy`
# Prints the URIs under which ORIGIN's own archive (Debian, Ubuntu) offers the suite CODENAME, component main.
# The security archive has another label and third parties another origin, so neither is printed.
archive_uris() {
  awk -v origin="$1" -v codename="$2" '
    /^ *-?[0-9]+ [a-z+]+:/ { uri = $2; next }
    $1 == "release" {
      line = "," substr($0, index($0, "release") + 8) ","
      if (index(line, ",o=" origin ",") && index(line, ",l=" origin ",") &&
          index(line, ",n=" codename ",") && index(line, ",c=main,") && !seen[uri]++) print uri
    }'
}

# sibling_stanza CODENAME SUITE URIS FILE...
# Finds, in sources files of both formats (*.sources is deb822, anything else has one entry per line), the first
# enabled binary entry for the suite CODENAME with component main whose URI is one of URIS (white space between
# them), and prints a deb822 stanza for SUITE with the same URI and the same options (Signed-By, architectures ...).
# Status 1, and nothing printed, when there is no such entry.
sibling_stanza() {
  stanza_codename=$1 stanza_suite=$2 stanza_uris=$(printf '%s' "$3" | tr '\n' ' ')
  shift 3
  awk -v codename="$stanza_codename" -v suite="$stanza_suite" -v allowed="$stanza_uris" '
    # One spelling for comparisons: no credentials, no slash at the end, one slash after "scheme:" of a file.
    function plain(uri) {
      sub(/\/\/[^\/@]*@/, "//", uri)
      sub(/:\/\/\//, ":/", uri)
      sub(/\/+$/, "", uri)
      return uri
    }
    function has(list, word,   words, n, i) {
      n = split(list, words)
      for (i = 1; i <= n; i++) if (words[i] == word) return 1
      return 0
    }
    function official(uris,   words, n, i) {
      n = split(uris, words)
      for (i = 1; i <= n; i++) if (plain(words[i]) in archive) return words[i]
      return ""
    }
    function emit(uri, options) {
      printf "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s", uri, suite, options
      found = 1
      exit 0
    }
    function endStanza(   uri, options, i, name) {
      uri = official(field["uris"])
      if (uri != "" && has(field["types"], "deb") && has(field["suites"], codename) &&
          has(field["components"], "main") && tolower(field["enabled"]) !~ /no|false|off|0/) {
        for (i = 1; i <= fields; i++) {
          name = tolower(order[i])
          if (name !~ /^(types|uris|suites|components|enabled|x-.*)$/) options = options order[i] ":" raw[name] "\n"
        }
        emit(uri, options)
      }
      for (name in field) delete field[name]
      for (name in raw) delete raw[name]
      fields = 0; last = ""
    }
    function endFile() { if (deb822) endStanza() }
    function oneLine(   line, options, text, words, n, i, pair, key, value) {
      line = $0
      sub(/#.*/, "", line)
      if (line !~ /^[ \t]*deb[ \t]/) return
      sub(/^[ \t]*deb[ \t]+/, "", line)
      if (substr(line, 1, 1) == "[") {
        options = substr(line, 2, index(line, "]") - 2)
        line = substr(line, index(line, "]") + 1)
      }
      n = split(line, words)
      if (n < 3 || words[2] != codename || official(words[1]) == "" || !has(line, "main")) return
      line = words[1]
      n = split(options, words)
      for (i = 1; i <= n; i++) {
        pair = index(words[i], "=")
        key = substr(words[i], 1, pair - 1); value = substr(words[i], pair + 1)
        gsub(/,/, " ", value)
        if (key in deb822Name) text = text deb822Name[key] ": " value "\n"
      }
      emit(line, text)
    }
    BEGIN {
      n = split(allowed, words)
      for (i = 1; i <= n; i++) archive[plain(words[i])] = 1
      deb822Name["signed-by"] = "Signed-By"; deb822Name["arch"] = "Architectures"
      deb822Name["trusted"] = "Trusted"; deb822Name["check-valid-until"] = "Check-Valid-Until"
      deb822Name["check-date"] = "Check-Date"; deb822Name["by-hash"] = "By-Hash"
      deb822Name["lang"] = "Languages"; deb822Name["target"] = "Targets"
      deb822Name["allow-insecure"] = "Allow-Insecure"; deb822Name["allow-weak"] = "Allow-Weak"
    }
    FNR == 1 { endFile(); deb822 = (FILENAME ~ /\.sources$/) }
    { sub(/\r$/, "") }
    !deb822 { oneLine(); next }
    /^#/ { next }
    /^[ \t]*$/ { endStanza(); next }
    /^[ \t]/ {
      if (last != "") { field[last] = field[last] " " $0; raw[last] = raw[last] "\n" $0 }
      next
    }
    {
      colon = index($0, ":")
      if (!colon) next
      name = substr($0, 1, colon - 1); last = tolower(name)
      field[last] = substr($0, colon + 1); raw[last] = field[last]
      order[++fields] = name
    }
    END { if (!found) endFile(); exit !found }
  ' "$@"
}
