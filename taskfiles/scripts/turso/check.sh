#!/bin/sh
# Says what is there and what is missing for the tasks turso:*, and how to get it. Installs and changes nothing.
#
#   check.sh [--remote]     --remote: Turso's part is asked whether it lets us in, and has to
#
# Exit codes: 0 all there (without --remote, access to Turso may be missing); 64 usage; 69 something is missing;
# 77 Turso lets nobody in.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/turso.sh"

remote=''
case ${1:-} in
  '') ;;
  --remote) remote=yes ;;
  *) fail 64 "unknown argument '$1'" "usage: check.sh [--remote]" ;;
esac

missing=0
there() { printf 'ok       %-16s %s\n' "$1" "$2"; }
lacking() {
  printf 'MISSING  %-16s %s\n' "$1" "$2"
  missing=$((missing + 1))
}
# program NAME WHAT-TO-DO
program() {
  if path=$(command -v "$1" 2>/dev/null); then there "$1" "$path"; else lacking "$1" "$2"; fi
}

program curl "./taskw deps:judges installs it"
program python3 "install python3"
program sqlcipher "./taskw deps:judges installs it"
program swift "Swift 6.2 or newer: swift.org/install/linux"
if message=$(sh "$scripts/system-packages.sh" --for build --check --packages-only 2>&1); then
  there libraries "SQLCipher 4.6 or newer, libcurl, OpenSSL"
else
  lacking libraries "$(printf '%s' "$message" | sed -n '1s/^.*error: //p'); ./taskw deps:install installs them"
fi
programs=${ALBERGUE_BIN_DIR:-$root/.build/release}
for name in albergue-crypt albergue-migration albergue-primary turso-sync; do
  if [ -x "$programs/$name" ]; then there "$name" "$programs/$name"; else lacking "$name" "./taskw build"; fi
done

turso_begin
if [ -n "$turso_token" ]; then token_is="set"; else token_is="not set"; fi
if path=$(turso_program); then
  there "turso" "$path (TURSO_API_TOKEN: $token_is)"
elif [ -n "$turso_token" ] && [ -n "$turso_org" ]; then
  there "Turso API" "$turso_base, organisation $turso_org"
else
  printf 'none     %-16s %s\n' "Turso" \
    "needed for turso:db:* and turso:test:integration:remote only: the turso command line, logged in,"
  printf '         %-16s %s\n' "" "or TURSO_API_TOKEN (turso auth api-tokens mint NAME) and TURSO_ORG"
  [ -z "$remote" ] || fail 77 "there is no access to Turso" "see above"
fi
if [ -n "$remote" ]; then
  turso_way
  if [ "$turso_way" = cli ]; then
    code=0
    output=$(turso_command auth whoami) || code=$?
    case $code:$output in
      0: | 0:*' '*) cli_failed "auth whoami" "$code" "${output:-not logged in}" ;;
      0:*) there "logged in" "$output" ;;
      *) cli_failed "auth whoami" "$code" "$output" ;;
    esac
  else
    turso_api GET "/databases?limit=1"
    [ "$api_status" = 200 ] || api_failed "organisation $turso_org"
    there "logged in" "the API takes the token"
  fi
fi
[ "$missing" -eq 0 ] || fail 69 "$missing of what the tasks need is missing" "see the lines with MISSING"
