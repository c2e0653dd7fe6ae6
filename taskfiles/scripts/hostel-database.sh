#!/bin/sh
# Makes a plaintext SQLite database of the pilgrims' hostel, with synthetic data: the example of quickstart and tests.
#
#   hostel-database.sh DEST [BOOKINGS]        (50000 bookings unless told otherwise)
#
# The same number gives the same rows. DEST is complete or absent. Uses the `sqlcipher` command line without a key.
# Exit codes: 0 made; 64 usage; 69 no sqlcipher command line; 73 DEST exists; 74 I/O error.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$scripts/lib/messages.sh"
sql=$scripts/../sql

usage="usage: hostel-database.sh DEST [BOOKINGS]"
if [ $# -lt 1 ] || [ $# -gt 2 ] || [ -z "$1" ]; then fail 64 "wrong number of arguments" "$usage"; fi
bookings=${2:-50000}
case $bookings in
  '' | *[!0-9]* | 0* | ????????*) fail 64 "BOOKINGS must be a number from 1 to 9999999, not '$bookings'" "$usage" ;;
esac
case $1 in
  /*) destination=$1 ;;
  *) destination=./$1 ;;
esac
if [ -e "$destination" ] || [ -L "$destination" ]; then
  fail 73 "$1 exists and is not overwritten" "remove it, or give another name"
fi
command -v sqlcipher >/dev/null 2>&1 ||
  fail 69 "the sqlcipher command line is not installed" "run ./taskw deps:judges"

umask 077
unfinished=$destination.unfinished.$$
trap 'rm -f -- "$unfinished"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

{
  echo "PRAGMA temp_store = MEMORY; PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
  cat -- "$sql/hostel-schema.sql"
  echo "CREATE TEMP TABLE size (bookings INTEGER); INSERT INTO size VALUES ($bookings);"
  cat -- "$sql/hostel-data.sql"
} | sqlcipher -batch -bail -init /dev/null "$unfinished" >/dev/null ||
  fail 74 "making $1 failed (the message of sqlcipher is above)" "check the free space beside it and the rights of its folder"
if ! sync -- "$unfinished" || ! ln -- "$unfinished" "$destination"; then
  fail 74 "cannot put $1 in place" "check whether another program made it meanwhile"
fi
