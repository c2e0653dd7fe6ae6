#!/bin/sh
# Checks all shell scripts: syntax always, shellcheck where it is installed (said if it is not).
set -eu
cd "$(dirname -- "$0")/../.."

set -- taskw .ci/run taskfiles/scripts/*.sh taskfiles/scripts/lib/*.sh taskfiles/scripts/turso/*.sh Tests/Frame/*.sh
for script; do
  sh -n "$script"
done
if command -v shellcheck >/dev/null 2>&1; then
  shellcheck -x -P taskfiles/scripts "$@"
else
  echo "lint-shell.sh: shellcheck is not installed: only the syntax of $# scripts was checked" >&2
fi
