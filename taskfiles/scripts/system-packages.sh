#!/bin/sh
# Makes sure that the system packages are there. Quick (no apt run, no network) when nothing is missing.
#
#   system-packages.sh --for build|test|bench|taskw|bare [--check] [--packages-only]
#
#   --for build       libraries and pkg-config for `swift build`, git, and a Swift toolchain (only checked)
#   --for test        the same, and what tests and quickstart use: sqlcipher command line, strace, binutils,
#                     groff, openssl, systemd's programs, python3 with venv
#   --for bench       what benchmarks use besides: wrk
#   --for bare        what makes minimal systems and images, and boots them: debootstrap, buildah, systemd-nspawn
#   --for taskw       python3 with venv only
#   --check           report what is missing, install nothing
#   --packages-only   do not look for a Swift toolchain (for root, whose PATH may lack it)
#
# Debian 12 has SQLCipher 3.4 in its main suite and 4.6 in backports. Only when the offered version is too old,
# a sources entry for the backports suite is added, with the address and signing key apt already uses.
#
# Exit codes: 0 all there; 64 usage; 69 something is missing and could not be installed; 74 I/O error.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/apt-sources.sh"

sqlcipher_needed=4.6
swift_needed=6.2
backports_file=/etc/apt/sources.list.d/albergue-backports.sources

usage() {
  fail 64 "$1" "usage: system-packages.sh --for build|test|bench|taskw|bare [--check] [--packages-only]"
}

purpose='' arguments='' check_only='' want_swift=yes
terminal=''
[ ! -t 0 ] || terminal=yes
while [ $# -gt 0 ]; do
  case $1 in
    --for)
      [ $# -ge 2 ] || usage "--for needs build, test, bench, taskw or bare"
      case $2 in
        build | test | bench | taskw | bare) purpose="$purpose $2" arguments="$arguments --for $2" ;;
        *) usage "unknown purpose '$2' after --for" ;;
      esac
      shift
      ;;
    --check) check_only=yes ;;
    --packages-only) want_swift='' ;;
    *) usage "unknown argument '$1'" ;;
  esac
  shift
done
[ -n "$purpose" ] || usage "no purpose given"
wants() { case " $purpose " in *" $1 "*) return 0 ;; *) return 1 ;; esac }

# The packages that must be new enough, and the others.
sqlcipher_packages='' packages='' commands=''
if wants build || wants test; then
  sqlcipher_packages="libsqlcipher-dev"
  # Those from g++ on are the Swift toolchain's own: it comes as an archive, and says what it lacks one library at a time.
  packages="libcurl4-openssl-dev libssl-dev ca-certificates g++ libncurses6 libsqlite3-0 libxml2 zlib1g-dev"
  commands="pkg-config git"
else
  want_swift=''
fi
if wants test; then
  sqlcipher_packages="$sqlcipher_packages sqlcipher"
  # strace and binutils (nm, readelf): what a process writes, and what it is linked with. groff-base and systemd's
  # programs read what we write for them.
  packages="$packages strace binutils curl groff-base openssl"
fi
# Minimal systems in folders.
if wants bare; then packages="$packages debootstrap buildah systemd-container openssl debian-archive-keyring ca-certificates"; fi
# A load over HTTP.
if wants bench; then packages="$packages wrk"; fi
if wants taskw; then packages="$packages ca-certificates"; fi

# ask_swift: sets swift_version; status 1 if there is no answer.
ask_swift() {
  swift_says=$(swift --version 2>&1 </dev/null || true)
  swift_version=$(printf '%s\n' "$swift_says" | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
  [ -n "$swift_version" ]
}

check_swift() {
  command -v swift >/dev/null 2>&1 ||
    fail 69 "no Swift toolchain: 'swift' is not on PATH" \
      "install Swift $swift_needed or newer from swift.org/install/linux, then put its usr/bin on PATH"
  ask_swift ||
    fail 69 "'$(command -v swift)' is not a working Swift toolchain; it says: ${swift_says:-nothing}" \
      "install the packages the toolchain itself needs, or the toolchain anew (swift.org/install/linux lists both)"
  version_at_least "$swift_version" "$swift_needed" ||
    fail 69 "Swift $swift_version at '$(command -v swift)' is too old: $swift_needed or newer is needed" \
      "install a newer toolchain from swift.org/install/linux and put its usr/bin first on PATH"
}

# version_at_least FOUND NEEDED, for dotted numbers.
version_at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

installed_version() {
  dpkg-query -W -f='${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'
}

new_enough() {
  [ -n "$1" ] && dpkg --compare-versions "$1" ge "$sqlcipher_needed"
}

# Sets missing and missing_sqlcipher (package names).
look() {
  missing='' missing_sqlcipher=''
  for package in $packages; do
    [ -n "$(installed_version "$package")" ] || missing="$missing $package"
  done
  for command in $commands; do
    command -v "$command" >/dev/null 2>&1 || missing="$missing $command"
  done
  if wants test; then
    command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
  fi
  if wants test || wants taskw; then
    # Asked of Python itself: a Python from elsewhere needs no Debian package, Debian's needs python3-venv.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3 python3-venv"
  fi
  for package in $sqlcipher_packages; do
    new_enough "$(installed_version "$package")" || missing_sqlcipher="$missing_sqlcipher $package"
  done
  [ -z "$missing$missing_sqlcipher" ]
}

# as_root COMMAND...: directly as root, else through sudo; without sudo says what to run and stops.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  elif command -v sudo >/dev/null 2>&1 && [ -n "$terminal" ]; then
    sudo "$@"
  else
    fail 69 "system packages are missing and this user ($(id -un)) cannot install them:$missing$missing_sqlcipher" \
      "as root, run:  sh '$scripts/system-packages.sh'$arguments --packages-only"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

update() {
  note "apt-get update"
  apt_get update ||
    fail 69 "apt-get update failed (its messages are above)" "check the network and apt's sources, then run this again"
}

install_packages() {
  note "apt-get install $*"
  apt_get install -y --no-install-recommends "$@" ||
    fail 69 "apt-get could not install: $*" "read apt's messages above, correct the cause, then run this again"
}

candidate_version() {
  apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p' | sed 's/^(none)$//'
}

# suite_version PACKAGE SUITE: the newest version which that suite offers.
suite_version() {
  apt-cache madison "$1" | awk -F ' *[|] *' -v suite="$2" '
    { split($3, words, " "); sub(/\/.*/, "", words[2]); if (words[2] == suite) { print $2; exit } }'
}

no_sqlcipher() {
  fail 69 "SQLCipher $sqlcipher_needed or newer is needed ($too_old); $system offers ${1:-none}" "$2"
}

add_backports() {
  uris=$(apt-cache policy | archive_uris Debian "$VERSION_CODENAME")
  set -- # the sources files that exist
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ "$file" = "$backports_file" ] || [ ! -f "$file" ] || set -- "$@" "$file"
  done
  if [ $# -eq 0 ] || ! stanza=$(sibling_stanza "$VERSION_CODENAME" "$suite" "$uris" "$@"); then
    no_sqlcipher "$candidate" "no entry for Debian's own $VERSION_CODENAME suite was found in apt's sources to copy its \
address from: add the suite $suite to apt's sources by hand, then run this again"
  fi
  note "adding the suite $suite in $backports_file"
  temporary=$(mktemp) || fail 74 "cannot make a temporary file in ${TMPDIR:-/tmp}" "free some space there"
  trap 'rm -f -- "$temporary"' EXIT
  {
    printf '# Added by albergue-crypt (taskfiles/scripts/system-packages.sh): SQLCipher %s or newer.\n' "$sqlcipher_needed"
    printf '%s\n' "$stanza"
  } >"$temporary"
  as_root install -m 0644 -- "$temporary" "$backports_file" ||
    fail 74 "cannot write $backports_file" "check that /etc/apt/sources.list.d exists and is writable for root"
}

install_sqlcipher() {
  # Each one is asked for: an installed backport makes apt offer itself again, and the old version of the others.
  too_old=''
  for package in $missing_sqlcipher; do
    candidate=$(candidate_version "$package")
    new_enough "$candidate" || { too_old=$package && break; }
  done
  if [ -z "$too_old" ]; then
    # shellcheck disable=SC2086 # a list of names
    install_packages $missing_sqlcipher
    return
  fi
  [ "${ID:-}" = debian ] || no_sqlcipher "$candidate" "use a release whose archive has it (Debian 12 with backports, \
Debian 13 or newer, Ubuntu 25.10 or newer), or install libsqlcipher-dev and sqlcipher $sqlcipher_needed or newer yourself, as Debian packages"
  suite=$VERSION_CODENAME-backports
  if ! new_enough "$(suite_version "$too_old" "$suite")"; then
    add_backports
    update
  fi
  offered=$(suite_version "$too_old" "$suite")
  new_enough "$offered" || no_sqlcipher "${candidate:-nothing}, and ${offered:-nothing} in $suite" \
    "upgrade to a Debian release that has it (13 or newer)"
  # Only these packages are taken from backports; all others come from the main suite.
  # shellcheck disable=SC2086 # a list of names
  install_packages -t "$suite" $missing_sqlcipher
}

has_apt=''
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then has_apt=yes; fi

# A toolchain that does not start may lack libraries that are installed below; then it is asked again.
ask_again=''
if [ -n "$want_swift" ]; then
  if [ -n "$has_apt" ] && command -v swift >/dev/null 2>&1 && ! ask_swift; then ask_again=yes; else check_swift; fi
fi

if [ -z "$has_apt" ]; then
  fail 69 "this system has no dpkg and apt, so its packages cannot be checked or installed here" \
    "Debian 12 or 13 or Ubuntu is expected. Elsewhere install by hand: SQLCipher $sqlcipher_needed or newer with headers, \
libcurl and OpenSSL 3 with headers, pkg-config, git, g++, the sqlcipher command line, strace, binutils, python3 with venv; then run swift build"
fi

if look; then
  [ -z "$ask_again" ] || check_swift
  exit 0
fi
[ -z "$check_only" ] ||
  fail 69 "system packages are missing or too old:$missing$missing_sqlcipher" "run ./taskw deps:judges (to build only: ./taskw deps:install)"

. /etc/os-release
system=${PRETTY_NAME:-this system}
: "${VERSION_CODENAME:=unknown}"
note "missing:$missing$missing_sqlcipher"
update
# shellcheck disable=SC2086 # a list of names
[ -z "$missing" ] || install_packages $missing
[ -z "$missing_sqlcipher" ] || install_sqlcipher

look || fail 69 "still missing after the installation:$missing$missing_sqlcipher" \
  "see apt's messages above; 'apt-cache policy$missing$missing_sqlcipher' shows what apt would choose"
[ -z "$ask_again" ] || check_swift
