#!/bin/sh
# Runs `swift test --skip-build ARGUMENTS...`; when it fails, says at the end what failed. In thousands of lines of tests
# that ran side by side nobody finds it, and a log that is kept in part has lost it.
# Exit codes: those of `swift test`.
set -eu

log=$(mktemp "${TMPDIR:-/tmp}/albergue-swift-test.XXXXXX")
trap 'rm -f -- "$log" "$log.status"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The exit code of the left side of a pipe, which POSIX sh does not keep.
{
  status=0
  swift test --skip-build "$@" 2>&1 || status=$?
  echo "$status" >"$log.status"
} | tee -- "$log"
status=$(cat -- "$log.status")

if [ "$status" -ne 0 ]; then
  printf '\nswift test %s\nended with exit code %s. What failed:\n' "$*" "$status"
  # An issue and what is said of it (lines with an arrow), a crash, or else the end of the log.
  grep -aE -A 12 'recorded an issue|Fatal error|Caught|unexpected signal|AddressSanitizer|ThreadSanitizer' "$log" |
    grep -avE '^--$|◇|✔' | head -n 80 || tail -n 20 -- "$log"
fi
exit "$status"
