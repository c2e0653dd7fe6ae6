#!/bin/sh
# Shows what the project does, each step with its command and its time: a database encrypted, proved and moved to a new
# key; then a remote, its migrations, an encrypted replica of it, periodic sync, and a working copy that is pushed.
#
#   quickstart.sh [FILE]      (run by ./taskw quickstart [-- FILE])
#
# FILE is a SQLite database; it is read and never changed. Without it a hostel with 50,000 bookings is made.
# Everything happens in a temporary folder that is removed at the end, also after Ctrl-C.
# What has to fail must fail with its exact exit code; the first surprise stops the script.
# Exit codes: 0 all as it should be; 1 a step did not do what it should; 64 usage; 65 FILE is not a plain SQLite
# database; 66 no FILE; 69 a program is missing; 74 I/O error.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

[ $# -le 1 ] || fail 64 "one file at most, not $#" "usage: ./taskw quickstart [-- FILE]"
given=${1:-}
if [ -n "$given" ]; then
  if [ ! -f "$given" ] || [ ! -r "$given" ]; then
    fail 66 "no readable file '$given' (seen from $PWD)" "give the path of a SQLite database: ./taskw quickstart -- FILE"
  fi
  [ "$(head -c 15 -- "$given" | tr -d '\0')" = "SQLite format 3" ] ||
    fail 65 "'$given' is not a plain SQLite database (it does not begin with \"SQLite format 3\")" \
      "give a plaintext SQLite file; 'albergue-crypt status FILE' says what this one is"
  given=$(CDPATH='' cd -- "$(dirname -- "$given")" && pwd)/$(basename -- "$given")
fi

programs=${ALBERGUE_BIN_DIR:-$root/.build/release}
for program in albergue-crypt albergue-migration albergue-primary turso-sync; do
  [ -x "$programs/$program" ] || fail 69 "no program $programs/$program" "build it: ./taskw build"
done
command -v sqlcipher >/dev/null 2>&1 ||
  fail 69 "the sqlcipher command line is not installed" "run ./taskw deps:judges"
command -v curl >/dev/null 2>&1 || fail 69 "curl is not installed" "run ./taskw deps:judges"
PATH=$programs:$PATH

# The keys shown here are the only ones: nothing is taken from the caller's environment.
unset TURSO_ENCRYPTION_KEY TURSO_ENCRYPTION_KEY_FILE TURSO_ENCRYPTION_KEY_COMMAND TURSO_ENCRYPTION_KEYRING \
  TURSO_ENCRYPTION_CIPHER CREDENTIALS_DIRECTORY TURSO_DATABASE_URL DATABASE_URL TURSO_AUTH_TOKEN \
  TURSO_AUTH_TOKEN_FILE TURSO_AUTH_TOKEN_COMMAND TURSO_REPLICA_PATH TURSO_REMOTE_ENCRYPTION_KEY DB_MODE

umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/albergue-quickstart.XXXXXX") ||
  fail 74 "cannot make a folder in ${TMPDIR:-/tmp}" "free some space there, or set TMPDIR"

# Overwrites and removes the files that hold plaintext or keys. (On flash, and on file systems that copy on write,
# overwriting promises nothing: better never to write plaintext. The hostel is made up, and the keys die here.)
erase() {
  for secret; do
    [ -f "$secret" ] || continue
    shred -n 1 -u -- "$secret" 2>/dev/null || rm -f -- "$secret"
  done
}
server='' syncer=''
clean_up() {
  trap '' HUP INT TERM
  for process in $syncer $server; do
    kill -KILL "$process" 2>/dev/null || true
  done
  cd /
  erase "$work"/hostel-plain.db* "$work"/keys "$work"/keys-before "$work"/keys-second "$work"/other-keys
  rm -rf -- "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); fi

now() { date +%s%N | cut -c1-13; }
seconds() { printf '%d.%03d s' $(($1 / 1000)) $(($1 % 1000)); }

number=0
# explain TEXT: begins a step.
explain() {
  number=$((number + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain"
}

# show ARGUMENT...: prints the command as one could type it.
show() {
  line=
  for word; do
    case $word in
      *[!A-Za-z0-9_./:=-]* | '') word="'$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'" ;;
    esac
    line="$line $word"
  done
  printf '   $%s\n' "$line"
}

# step CODE COMMAND...: shows and runs it, prints output and time; stops unless the exit code is CODE.
step() {
  expected=$1
  shift
  show "$@"
  begin=$(now) code=0
  "$@" >output 2>&1 </dev/null || code=$?
  took=$(seconds $(($(now) - begin)))
  awk '{ print "     " $0 }' output
  if [ "$code" -ne "$expected" ]; then
    fail 1 "step $number ended with exit code $code, expected $expected: $*" \
      "this should not happen: please report it with the output above"
  fi
  case $code in
    0) printf '   %s(%s)%s\n' "$dim" "$took" "$plain" ;;
    *) printf '   %s(%s, refused with exit code %s, as it must be)%s\n' "$dim" "$took" "$code" "$plain" ;;
  esac
}

# official: runs SQL from stdin in the official command line on the encrypted file. The key goes through stdin, from
# the active line of the keyring; it is in no argument, no variable and no output. `-list` gives plain rows.
official() {
  {
    echo "PRAGMA temp_store = MEMORY;"
    echo ".output /dev/null"
    awk '$1 !~ /^#/ && $3 == "active" && sub(/^raw:hex:/, "", $5) { printf "PRAGMA key = \"x'\''%s'\''\";\n", $5 }' keys
    echo ".output stdout"
    cat
  } | sqlcipher -batch -bail -noheader -list -init /dev/null "$encrypted"
}

# single: the value in the last line of CSV output.
single() { tail -n 1 | tr -d '\r"'; }

encrypted=$(if [ -n "$given" ]; then echo encrypted.db; else echo hostel.db; fi)

printf '%sA tour in a temporary folder, %s%s\n' "$bold" "$work" "$plain"
if [ -n "$given" ]; then
  source=$given
  printf 'The database is %s (%s bytes). It is only read.\n' "$given" "$(wc -c <"$given" | tr -d ' ')"
else
  source=hostel-plain.db
  explain "Make a plaintext database to start from: a pilgrims' hostel with 50,000 bookings. All of it is made up."
  step 0 sh "$scripts/hostel-database.sh" hostel-plain.db
  printf '   hostel-plain.db has %s bytes.\n' "$(wc -c <hostel-plain.db | tr -d ' ')"
fi

explain "Make a key. It goes into a keyring, a file that only you can read (mode 0600)."
step 0 albergue-crypt keygen --keyring keys
mode=$(stat -c %a keys)
[ "$mode" = 600 ] || fail 1 "the keyring has mode $mode, expected 600" "this should not happen: please report it"

explain "Import: every page of the database is encrypted and authenticated in a new file. The source stays as it is."
step 0 albergue-crypt import --keyring keys "$source" "$encrypted"
if [ -z "$given" ]; then
  erase hostel-plain.db
  echo "   The plaintext is not needed any more and has been removed."
fi

explain "Status: what the file is and which key opens it. Nothing is written."
step 0 albergue-crypt status --keyring keys "$encrypted"

explain "Without the key it is noise: the official sqlcipher command line cannot even list the tables."
step 26 sqlcipher -batch -bail -init /dev/null "$encrypted" 'SELECT count(*) FROM sqlite_master;'

explain "With another key it stays closed. albergue-crypt says so with exit code 77 and never falls back to plaintext."
step 0 albergue-crypt keygen --keyring other-keys
step 77 albergue-crypt query --keyring other-keys "$encrypted" 'SELECT count(*) FROM sqlite_master'

explain "With the key it is an ordinary database."
if [ -n "$given" ]; then
  # Find the largest table: one SELECT per table, written by a query and run by the next.
  official >counts.sql <<'SQL'
SELECT 'SELECT count(*), ' || quote('SELECT count(*) FROM "' || replace(name, '"', '""') || '"') ||
       ' FROM "' || replace(name, '"', '""') || '"' || ';'
FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND sql NOT LIKE 'CREATE VIRTUAL%';
SQL
  official <counts.sql >counts || fail 1 "the tables of the encrypted copy could not be counted" \
    "look at the message above; if one table needs an extension of SQLite, this tour cannot count it"
  largest=$(sort -t '|' -k 1,1 -n -r counts | head -n 1)
  count_rows=${largest#*|}
  : "${count_rows:=SELECT count(*) FROM sqlite_master}"
  step 0 albergue-crypt query --keyring keys --format table "$encrypted" \
    "SELECT type, count(*) AS objects FROM sqlite_master GROUP BY type"
else
  count_rows='SELECT count(*) FROM bookings'
  step 0 albergue-crypt query --keyring keys --format table "$encrypted" \
    "SELECT status, count(*) AS bookings, sum(total_amount) AS euros FROM bookings GROUP BY status"
fi
step 0 albergue-crypt query --keyring keys --format csv "$encrypted" "$count_rows"
rows_before=$(single <output)
case $rows_before in
  '' | *[!0-9]*) fail 1 "step $number did not print a number of rows" "this should not happen: please report it" ;;
esac
[ -n "$given" ] || [ "$rows_before" -eq 50000 ] ||
  fail 1 "the encrypted hostel has $rows_before bookings, expected 50000" "this should not happen: please report it"

explain "Verify: the authentication code of every page, then the structure of the database."
step 0 albergue-crypt verify --keyring keys "$encrypted"

explain "Rotate, part one: a second key. It becomes the active one; the first stays in the keyring as retiring."
cp keys keys-before
step 0 albergue-crypt keygen --keyring keys

explain "Rotate, part two: write the file anew under the active key. It is verified before it takes the old one's place."
step 0 albergue-crypt rekey --keyring keys "$encrypted"

explain "Verify the rotated file."
step 0 albergue-crypt verify --keyring keys "$encrypted"

explain "The first key opens nothing any more (keys-before is the keyring as it was before the rotation)."
step 77 albergue-crypt query --keyring keys-before "$encrypted" "$count_rows"

explain "No lock-in: the official sqlcipher command line opens the file with the new key and counts the same rows."
printf '   $ %s\n' "(echo 'PRAGMA temp_store = MEMORY;'; echo \"PRAGMA key = \\\"x'…'\\\";\"; echo '$count_rows;') | sqlcipher $encrypted"
begin=$(now)
rows_after=$(printf '%s;\n' "$count_rows" | official) ||
  fail 1 "the sqlcipher command line could not open the rotated file" "this should not happen: please report it"
took=$(seconds $(($(now) - begin)))
printf '     %s\n   %s(%s; the key went through stdin, never as an argument)%s\n' "$rows_after" "$dim" "$took" "$plain"
[ "$rows_after" = "$rows_before" ] ||
  fail 1 "$rows_before rows before the rotation, $rows_after after it" "this should not happen: please report it"

. "$scripts/lib/quickstart-remote.sh"

printf '\n%sAll %d steps did what they should: %s rows before and after.%s The temporary folder is removed now.\n' \
  "$bold" "$number" "$rows_before" "$plain"
