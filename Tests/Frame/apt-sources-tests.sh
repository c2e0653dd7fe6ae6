# shellcheck shell=sh disable=SC2154 # root, samples and the functions come from run.sh
# apt's configuration is read right: both formats, with options, without third parties.
. "$root/taskfiles/scripts/lib/apt-sources.sh"

official='http://mirror.example/debian
mirror+file:/etc/apt/mirrors/debian.list'

check "the archive's own addresses are told from third parties, security and other components" \
  "$official" "$(archive_uris Debian bookworm <"$samples/apt-cache-policy.txt")"
check "a suite that apt does not know has no address" \
  "" "$(archive_uris Debian trixie <"$samples/apt-cache-policy.txt")"

check "a one-line entry gives address, key, architectures and other options" \
  "Types: deb
URIs: http://mirror.example/debian/
Suites: bookworm-backports
Components: main
Architectures: amd64 arm64
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Check-Valid-Until: no" \
  "$(sibling_stanza bookworm bookworm-backports "$official" "$samples/oneline/sources.list")"

check "a one-line entry without options, with tabs, and main not first is found" \
  "Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main" \
  "$(sibling_stanza bookworm bookworm-backports "$official" "$samples/oneline/plain.list")"

check "a deb822 stanza is found after a vendor's and a disabled one, and keeps its options" \
  "Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main
Architectures: amd64
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" \
  "$(sibling_stanza bookworm bookworm-backports "$official" "$samples/deb822/debian.sources")"

check "a key written into the stanza, field names in lower case and a mirror list are kept as they are" \
  "Types: deb
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: bookworm-backports
Components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5
 -----END PGP PUBLIC KEY BLOCK-----" \
  "$(sibling_stanza bookworm bookworm-backports "$official" "$samples/deb822/inline-key.sources")"

check "an address with a password is the same archive" \
  "URIs: http://user:secret@mirror.example/debian" \
  "$(printf 'deb http://user:secret@mirror.example/debian bookworm main\n' >"$scratch/password.list" &&
    sibling_stanza bookworm bookworm-backports "$official" "$scratch/password.list" | grep URIs)"

check "several files of both formats are searched in order" \
  "URIs: http://mirror.example/debian" \
  "$(printf '# empty\n' >"$scratch/empty.list" && sibling_stanza bookworm bookworm-backports "$official" \
    "$scratch/empty.list" "$samples/deb822/debian.sources" "$samples/oneline/sources.list" | grep URIs)"

check "a last stanza without a line end, with carriage returns, is read" \
  "URIs: http://mirror.example/debian" \
  "$(printf 'Types: deb\r\nURIs: http://mirror.example/debian\r\nSuites: bookworm\r\nComponents: main' \
    >"$scratch/dos.sources" &&
    sibling_stanza bookworm bookworm-backports "$official" "$scratch/dos.sources" | grep URIs)"

check "no official entry: nothing is printed and the status is 1" "1" \
  "$(status sibling_stanza bookworm bookworm-backports "https://elsewhere.example/debian" \
    "$samples/oneline/sources.list" "$samples/deb822/debian.sources")"
check "no official entry: nothing is printed" "" "$(cat "$scratch/stdout")"
