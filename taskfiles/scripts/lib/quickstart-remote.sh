# shellcheck shell=sh disable=SC2154,SC2034 # the variables and functions come from quickstart.sh
# The second half of the tour: a remote, and what lies encrypted on this machine because of it.

# at_the_remote SQL: runs a statement there, as any client of Turso or libSQL does: SQL in JSON over HTTP.
at_the_remote() {
  step 0 curl -sS "$url/v2/pipeline" --data \
    "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"$1\"}},{\"type\":\"close\"}]}"
  ! grep -q '"type":"error"' output || fail 1 "the remote refused the statement" "look at the answer above"
}

# equals WHAT EXPECTED: what the step before printed last.
equals() {
  [ "$(single <output)" = "$2" ] ||
    fail 1 "$1: '$(single <output)' instead of '$2'" "this should not happen: please report it with the output above"
}

# begin_in_background NAME PATTERN COMMAND...: shows and starts it; goes on when its output has PATTERN, or it has ended.
begin_in_background() {
  begun=$1 pattern=$2
  shift 2
  show "$@"
  : >"$begun.out"
  "$@" >"$begun.out" 2>&1 </dev/null &
  process=$!
  eval "$begun=\$process"
  until grep -q "$pattern" "$begun.out"; do
    kill -0 "$process" 2>/dev/null || {
      cat "$begun.out" >&2
      fail 1 "$1 has ended too early" "look at its messages above"
    }
    sleep 0.05
  done
  sed 's/^/     /' "$begun.out"
}

# end_in_good_order NAME
end_in_good_order() {
  eval "process=\$$1"
  show kill -TERM "$process"
  kill -TERM "$process"
  wait "$process" || fail 1 "it ended with exit code $?" "this should not happen: please report it"
  eval "$1=''"
}

explain "A remote: a server for libSQL's clients, whose database is encrypted on disk too. Turso's would do as well."
begin_in_background server http albergue-primary serve --store primary.db --keyring keys --listen 127.0.0.1:0
url=$(sed -n 's/.*\(http:[^,]*\),.*/\1/p' server.out)

printf '   $ export TURSO_DATABASE_URL=%s TURSO_ENCRYPTION_KEYRING=keys\n' "$url"
export TURSO_DATABASE_URL="$url" TURSO_ENCRYPTION_KEYRING=keys

explain "Migrations: the ten of the hostel, run at the remote; a second run finds nothing to do."
step 0 albergue-migration migrate-remote
step 0 albergue-migration migrate-remote
step 0 albergue-migration status-remote
at_the_remote "INSERT INTO beds (bed_number, room_number, room_name, price_per_night) VALUES (1, 1, 'Dormitorio A', 15.0), (2, 1, 'Dormitorio A', 15.0)"

explain "An encrypted replica of it, read locally. Nothing of it is ever on the disk in clear."
step 0 turso-sync pull --replica replica.db
step 0 albergue-crypt query replica.db 'SELECT bed_number, room_name, price_per_night FROM beds ORDER BY bed_number'

explain "Without the key it is noise; with another key it stays closed, for the synchroniser too."
step 26 sqlcipher -batch -bail -init /dev/null replica.db 'SELECT count(*) FROM sqlite_master;'
step 77 albergue-crypt query --keyring other-keys replica.db 'SELECT count(*) FROM beds'
step 77 turso-sync pull --keyring other-keys --replica replica.db

explain "A write goes to the remote and is read back here; the pull brings only the pages that changed."
at_the_remote "INSERT INTO beds (bed_number, room_number, room_name, price_per_night) VALUES (3, 2, 'Habitacion 2', 35.0)"
step 0 turso-sync pull --replica replica.db
step 0 albergue-crypt query --format csv replica.db 'SELECT count(*) FROM beds'
equals "beds in the replica" 3

explain "Kept fresh: a synchronisation each second (60 in development, 5 to 30 in production). Readers never wait for it."
begin_in_background syncer position turso-sync sync --replica replica.db --interval-secs 1
at_the_remote "INSERT INTO beds (bed_number, room_number, room_name, price_per_night) VALUES (4, 2, 'Habitacion 2', 35.0)"
begin=$(now)
until albergue-crypt query --format csv replica.db 'SELECT count(*) FROM beds' >output 2>&1 && [ "$(single <output)" = 4 ]; do
  [ $(($(now) - begin)) -lt 20000 ] || fail 1 "the new row did not come within 20 s" "look at the messages: $(cat syncer.out)"
  sleep 0.1
done
printf '   %s(the row is here after %s)%s\n' "$dim" "$(seconds $(($(now) - begin)))" "$plain"
step 0 turso-sync status --replica replica.db
end_in_good_order syncer

explain "The other way to work: an ordinary encrypted file that every program may write, pulled and pushed by hand."
printf '   $ export DB_MODE=seaorm_sqlite\n'
export DB_MODE=seaorm_sqlite
step 0 turso-sync pull --replica work.db
step 0 albergue-crypt query work.db "UPDATE beds SET price_per_night = 18.0 WHERE room_name = 'Dormitorio A'"
step 0 turso-sync push --replica work.db
printf '   $ unset DB_MODE\n'
unset DB_MODE
step 0 turso-sync pull --replica replica.db
step 0 albergue-crypt query --format csv replica.db 'SELECT sum(price_per_night) FROM beds'
equals "prices in the replica after the push" 106.0

explain "A new key for the replica: written anew, verified, put in its place. The key before opens it no more."
cp keys keys-second
step 0 albergue-crypt keygen --keyring keys
step 0 albergue-crypt rekey replica.db
step 77 albergue-crypt query --keyring keys-second replica.db 'SELECT count(*) FROM beds'
step 0 turso-sync pull --replica replica.db

explain "Proof: every page of replica and working copy; and that the replica is what the remote is, page by page."
step 0 albergue-crypt status replica.db
step 0 albergue-crypt verify replica.db work.db
step 0 albergue-crypt verify --remote replica.db

explain "Stop the remote. It leaves one encrypted file."
end_in_good_order server
step 0 albergue-crypt verify primary.db
