#!/bin/sh
# Tests of the project's scripts: sh Tests/Frame/run.sh. Changes nothing outside a temporary folder, needs no network.
# Every file *-tests.sh beside this one is read; in it `check NAME EXPECTED ACTUAL` compares two texts.
set -eu

frame=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$frame/../.." && pwd)
samples=$frame/samples
scratch=$(mktemp -d "${TMPDIR:-/tmp}/albergue-frame.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export root samples scratch

passed=0 failed=0
check() {
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3" >&2
  fi
}

# status COMMAND...: prints the exit code; output goes to $scratch/stdout and $scratch/stderr.
status() {
  status_code=0
  "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status_code=$?
  printf '%s' "$status_code"
}

for tests in "$frame"/*-tests.sh; do
  # shellcheck source=/dev/null
  . "$tests"
done

printf 'frame: %s checks passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
