# shellcheck shell=sh
# Messages of the project's shell scripts: everything on stderr, errors in three parts
# (what went wrong, where, what to do), exit codes as in sysexits.

# fail CODE WHAT [WHAT-TO-DO]: prints the error and leaves the script.
fail() {
  fail_code=$1
  printf '%s: error: %s\n' "${0##*/}" "$2" >&2
  [ $# -lt 3 ] || printf '  what to do: %s\n' "$3" >&2
  exit "$fail_code"
}

# note TEXT: progress, on stderr.
note() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
}
