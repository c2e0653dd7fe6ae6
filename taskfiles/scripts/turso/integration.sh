#!/bin/sh
# The integration tests of migrations, encryption and replicas, with real programs and a real remote.
#
#   integration.sh local         A to D, with albergue-primary on this machine as the remote; needs no account
#   integration.sh remote NAME   C and D, with a database NAME at Turso that is made for it and destroyed after it;
#                                says SKIPPED, and ends with 0, without TURSO_API_TOKEN or TURSO_TEST_REMOTE=yes
#   integration.sh name          prints a NAME: TURSO_TEST_DB_PREFIX, the time, a number
#   integration.sh wanted        whether `remote` would do anything: 0 or 1
#   integration.sh end NAME      destroys NAME if it is still there
#
#   A  migrations: all up, tables, indexes, seed            C  migrate-remote, and the schema as the remote tells it
#   B  an encrypted file without key, wrong key, right key  D  a row of the remote arrives in an encrypted replica
#
# One line per test and a summary on standard output. Everything that was started is ended, also after Ctrl-C.
# Exit codes: 0 all passed, or skipped; 1 a test failed, or the database could not be destroyed; 64 usage; 69 something is
# missing; 130 Ctrl-C.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

usage="usage: integration.sh local | remote NAME | name | wanted | end NAME"
where=${1:-} database=${2:-}
has_token=''
[ -z "${TURSO_API_TOKEN:-}${TURSO_PLATFORM_TOKEN:-}${TURSO_API_TOKEN_FILE:-}" ] || has_token=yes
[ "${TURSO_TEST_REMOTE:-}" != yes ] || has_token=yes
case $where in
  local) tests='A B C D' ;;
  remote)
    [ -n "$database" ] || fail 64 "no name" "$usage"
    tests='C D'
    if [ -z "$has_token" ]; then
      echo "SKIPPED integration tests at Turso: TURSO_API_TOKEN is not set (nor TURSO_TEST_REMOTE=yes, to use the login of the turso command line)"
      exit 0
    fi
    ;;
  name)
    printf '%s%s-%s\n' "${TURSO_TEST_DB_PREFIX:-albergue-ci-}" "$(date +%s)" "$$"
    exit 0
    ;;
  wanted)
    [ -n "$has_token" ] && exit 0
    exit 1
    ;;
  end)
    [ -n "$has_token" ] || exit 0
    exec sh "$scripts/turso/database.sh" destroy "$database" --if-there
    ;;
  *) fail 64 "unknown argument '$where'" "$usage" ;;
esac

programs=${ALBERGUE_BIN_DIR:-$root/.build/release}
for program in albergue-crypt albergue-migration albergue-primary turso-sync; do
  [ -x "$programs/$program" ] || fail 69 "no program $programs/$program" "build it: ./taskw build"
done
for program in sqlcipher curl python3; do
  command -v "$program" >/dev/null 2>&1 || fail 69 "$program is not installed" "run ./taskw deps:judges"
done
PATH=$programs:$PATH

umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/albergue-integration.XXXXXX") ||
  fail 74 "cannot make a folder in ${TMPDIR:-/tmp}" "free some space there, or set TMPDIR"
server='' made='' running=''
clean_up() {
  result=$?
  trap '' HUP INT TERM
  [ -z "$running" ] || kill -TERM "-$running" 2>/dev/null || true
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    # It rolls back and ends, in seconds at most.
    waited=0
    while kill -0 "$server" 2>/dev/null && [ "$waited" -lt 100 ]; do
      waited=$((waited + 1))
      sleep 0.1
    done
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ -n "$made" ]; then
    sh "$scripts/turso/database.sh" destroy "$database" --if-there || {
      [ "$result" -ne 0 ] || result=1
      printf 'FAILED  the database %s at Turso is not destroyed: ./taskw turso:db:sweep does that later\n' "$database"
    }
  fi
  cd /
  rm -rf -- "$work"
  exit "$result"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

url='' token_file=''
if [ "$where" = remote ]; then
  made=yes
  url=$(sh "$scripts/turso/database.sh" create "$database")
  token_file=$work/token
  sh "$scripts/turso/database.sh" token "$database" "$token_file"
fi
# Nothing of the caller's own settings counts in what is started from here on.
clean='env'
for variable in $(env | sed -n 's/^\(\(TURSO\|DATABASE\|MIGRATION\|DB\|ALBERGUE_LOG\|RUST_LOG\|CREDENTIALS\)[A-Z_]*\)=.*/\1/p'); do
  clean="$clean -u $variable"
done

# shellcheck disable=SC2086 # a list of words, here and below
$clean albergue-crypt keygen --keyring "$work/keys" >/dev/null
# shellcheck disable=SC2086
$clean albergue-crypt keygen --keyring "$work/other-keys" >/dev/null

if [ "$where" = local ]; then
  mkdir "$work/primary"
  : >"$work/primary/server.out"
  # shellcheck disable=SC2086
  $clean albergue-primary serve --store "$work/primary/store.db" --listen 127.0.0.1:0 --keyring "$work/keys" \
    >"$work/primary/server.out" 2>&1 </dev/null &
  server=$!
  waited=0
  until grep -q '^listening on ' "$work/primary/server.out"; do
    waited=$((waited + 1))
    if [ "$waited" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
      cat "$work/primary/server.out" >&2
      fail 69 "albergue-primary does not listen (its messages are above)"
    fi
    sleep 0.1
  done
  url=$(sed -n 's/^listening on \(http:[^,]*\),.*/\1/p' "$work/primary/server.out")
fi

title() {
  case $1 in
    A) echo "migrations on an encrypted file" ;;
    B) echo "an encrypted file opens with its key only" ;;
    C) echo "migrations at the remote" ;;
    D) echo "an encrypted replica of the remote" ;;
  esac
}

now() { date +%s%N | cut -c1-13; }
passed=0 failed=0
for letter in $tests; do
  mkdir "$work/$letter"
  begin=$(now) code=0
  # In the background, and waited for: a signal is answered at once, not when the test ends. In a session of its own:
  # what it has started ends with it.
  # shellcheck disable=SC2086
  (cd "$work/$letter" && exec setsid $clean sh "$scripts/turso/integration-test.sh" "$letter" "$work" "$url" "$token_file") \
    >"$work/$letter.log" 2>&1 </dev/null &
  running=$!
  wait "$running" || code=$?
  running=''
  took=$(($(now) - begin))
  if [ "$code" -eq 0 ]; then
    passed=$((passed + 1)) word=PASSED
  else
    failed=$((failed + 1)) word=FAILED
  fi
  printf '%s  %s  %s (%d.%03d s)\n' "$word" "$letter" "$(title "$letter")" $((took / 1000)) $((took % 1000))
  [ "$code" -eq 0 ] || sed 's/^/    /' "$work/$letter.log"
done
printf '%s: %d passed, %d failed\n' "$where" "$passed" "$failed"
[ "$failed" -eq 0 ] || exit 1
