#!/bin/sh
# One of the integration tests A to D, in the folder it is started in; run by integration.sh, which says what they are.
#
#   integration-test.sh A|B|C|D WORK URL [TOKEN-FILE]      WORK holds `keys`, and `other-keys` that fit nothing
#
# Ends with 1 at the first thing that is not as it should be; what it prints is for the person who looks for the cause.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/turso.sh"

[ $# -ge 3 ] || fail 64 "too few arguments" "run integration.sh"
letter=$1 work=$2 url=$3 token_file=${4:-}
canary=ZwischenDenZeilen-7f41c2

# expect CODE COMMAND...: the command must end with exactly this code.
expect() {
  expected=$1 code=0
  shift
  "$@" </dev/null || code=$?
  [ "$code" -eq "$expected" ] && return
  echo "ended with $code, expected $expected: $*"
  exit 1
}

# same WHAT EXPECTED ACTUAL
same() {
  [ "$2" = "$3" ] && return
  printf '%s: expected\n%s\nbut found\n%s\n' "$1" "$2" "$3"
  exit 1
}

# value FILE SQL: the one value that a query on an encrypted file gives, with the right key.
value() {
  albergue-crypt query --keyring "$work/keys" --format csv "$1" "$2" >value.out </dev/null
  tail -n 1 value.out | tr -d '\r"'
}

# remote SQL: runs a statement at the remote, over Hrana; prints the values of all rows, one per line.
remote() {
  if [ -n "$token_file" ]; then remote_token=$(cat -- "$token_file"); else remote_token=''; fi
  case $url in
    libsql://*) remote_base=https://${url#libsql://} ;;
    *) remote_base=$url ;;
  esac
  answer=$(configured_request POST "$remote_base/v2/pipeline" "$remote_token" 60 \
    "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"$1\"}},{\"type\":\"close\"}]}")
  status=$(printf '%s' "$answer" | tail -n 1)
  answer=$(printf '%s' "$answer" | sed '$d')
  case $status:$answer in
    200:*'"type":"error"'*) ;;
    200:*)
      printf '%s' "$answer" | python3 "$scripts/lib/json-field.py" 'results[0].response.result.rows[][].value'
      return
      ;;
  esac
  echo "the remote refused (HTTP $status): $(printf '%s' "$answer" | cut -c 1-300)"
  exit 1
}

# noise FILE: the file opens with the right key and with nothing else, and no file of this test shows what is in it.
noise() {
  case $(head -c 15 -- "$1" | tr -d '\0') in
    'SQLite format 3') echo "$1 begins as a plaintext database does" && exit 1 ;;
  esac
  expect 26 sqlcipher -batch -bail -init /dev/null "$1" 'SELECT count(*) FROM sqlite_master;'
  expect 77 albergue-crypt query "$1" 'SELECT count(*) FROM sqlite_master'
  expect 77 albergue-crypt query --keyring "$work/other-keys" "$1" 'SELECT count(*) FROM sqlite_master'
  expect 0 albergue-crypt verify --keyring "$work/keys" "$1"
  ! grep -rlaF --exclude='*.out' -- "$canary" . || { echo "the files above show a row in clear" && exit 1; }
}

tables='audit_log beds bookings government_submissions notifications payments pilgrims pricing users'
indexes='idx_audit_log_record idx_beds_bed_number idx_bookings_reservation_expires_at idx_bookings_status
idx_notifications_booking idx_notifications_pilgrim idx_payments_booking_id idx_pricing_room_bed'
ours="name IN ('$(printf '%s' "$tables" | sed "s/ /','/g")')"
names_of_tables="SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND $ours ORDER BY name)"
names_of_indexes="SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'idx!_%' ESCAPE '!' ORDER BY name)"
seeds="SELECT count(*) FROM users WHERE username = 'synthetic_admin'"
applied="SELECT count(*) FROM seaql_migrations WHERE version LIKE 'm20260111!_%' ESCAPE '!'"

test_A() {
  set -- --database-url 'sqlite://hostel.db?mode=rwc' --keyring "$work/keys"
  expect 0 albergue-migration up "$@"
  same tables "$tables" "$(value hostel.db "$names_of_tables")"
  same indexes "$(printf '%s' "$indexes" | tr '\n' ' ')" "$(value hostel.db "$names_of_indexes")"
  same 'rows of the seed' 1 "$(value hostel.db "$seeds")"
  same 'recorded migrations' 10 "$(value hostel.db "$applied")"
  expect 0 albergue-migration status "$@" >status.out
  cat status.out
  ! grep -q Pending status.out || exit 1
  # Once more: nothing to do, nothing doubled.
  expect 0 albergue-migration up "$@"
  same 'rows of the seed after a second up' 1 "$(value hostel.db "$seeds")"
}

test_B() {
  expect 0 albergue-crypt init --keyring "$work/keys" secret.db
  expect 0 albergue-crypt query --keyring "$work/keys" secret.db 'CREATE TABLE pilgrim (name TEXT)'
  expect 0 albergue-crypt query --keyring "$work/keys" secret.db "INSERT INTO pilgrim VALUES ('$canary')"
  noise secret.db
  same 'the row, with the key' "$canary" "$(value secret.db 'SELECT name FROM pilgrim')"
}

test_C() {
  export TURSO_DATABASE_URL="$url"
  [ -z "$token_file" ] || export TURSO_AUTH_TOKEN_FILE="$token_file"
  expect 0 albergue-migration migrate-remote
  same tables "$tables" "$(remote "$names_of_tables")"
  same indexes "$(printf '%s' "$indexes" | tr '\n' ' ')" "$(remote "$names_of_indexes")"
  same 'rows of the seed' 1 "$(remote "$seeds")"
  same 'recorded migrations' 10 "$(remote "$applied")"
  expect 0 albergue-migration status-remote >status.out
  cat status.out
  expect 0 albergue-migration migrate-remote
  same 'rows of the seed after a second run' 1 "$(remote "$seeds")"
}

test_D() {
  export TURSO_DATABASE_URL="$url" TURSO_REPLICA_PATH=replica.db TURSO_ENCRYPTION_KEYRING="$work/keys"
  [ -z "$token_file" ] || export TURSO_AUTH_TOKEN_FILE="$token_file"
  remote 'CREATE TABLE IF NOT EXISTS integration_rows (id INTEGER PRIMARY KEY, name TEXT NOT NULL)' >/dev/null
  expect 0 turso-sync pull
  same 'rows before' 0 "$(value replica.db 'SELECT count(*) FROM integration_rows')"
  remote "INSERT INTO integration_rows (name) VALUES ('$canary')" >/dev/null
  expect 0 turso-sync pull
  same 'the row of the remote' "$canary" "$(value replica.db 'SELECT name FROM integration_rows')"
  same 'kind of file' '"page-store"' "$(albergue-crypt status --json replica.db | grep -o '"page-store"')"
  unset TURSO_ENCRYPTION_KEYRING
  noise replica.db
}

case $letter in
  A) test_A ;;
  B) test_B ;;
  C) test_C ;;
  D) test_D ;;
  *) fail 64 "no test '$letter'" ;;
esac
