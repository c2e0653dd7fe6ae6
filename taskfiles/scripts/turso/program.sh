#!/bin/sh
# Runs one of our programs from the repository's directory, so that relative paths of .env mean the same from anywhere.
#
#   program.sh NAME [ARGUMENT...]      NAME in ALBERGUE_BIN_DIR, else in .build/release
#
# Variables that are set but empty are unset: they count as such everywhere. Exit codes: the program's own; 69 not built.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

[ $# -ge 1 ] || fail 64 "no program" "usage: program.sh NAME [ARGUMENT...]"
name=$1
shift
programs=${ALBERGUE_BIN_DIR:-$root/.build/release}
[ -x "$programs/$name" ] || fail 69 "no program $programs/$name" "build it: ./taskw build"
for variable in $(env | sed -n 's/^\(\(TURSO\|DATABASE\|ALBERGUE\|MIGRATION\|DB\)_[A-Z_]*\)=$/\1/p'); do
  unset "$variable"
done
# The platform's token is no business of our programs.
unset TURSO_API_TOKEN TURSO_PLATFORM_TOKEN
cd "$root"
exec "$programs/$name" "$@"
