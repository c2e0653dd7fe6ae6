#!/bin/sh
# Installs the pinned Python packages of taskfiles/judges.txt into .tools/judges (a venv; its bin/python3 runs them).
# The directory is complete or absent, also when interrupted; nothing is done while the list is unchanged.
# Exit codes: 0 there; 69 a judge could not be installed; 74 .tools/ cannot be written.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

list=$root/taskfiles/judges.txt
home=$root/.tools/judges
! cmp -s "$list" "$home/judges.txt" || exit 0

note "installing the judges of taskfiles/judges.txt into .tools/judges"
if ! mkdir -p "$root/.tools" || ! rm -rf -- "$home"; then
  fail 74 "cannot write $root/.tools" "make the repository's directory writable"
fi
trap '[ -f "$home/judges.txt" ] || rm -rf -- "$home"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
python3 -m venv "$home" >&2 ||
  fail 69 "python3 -m venv failed (its message is above)" "install python3-venv, then run this again"
"$home/bin/python3" -m pip install --quiet --no-input --disable-pip-version-check -r "$list" >&2 ||
  fail 69 "pip could not install the judges of $list (its message is above)" \
    "check the network and pip's settings, then run this again"
# Written last: the mark of a complete installation.
cp -- "$list" "$home/judges.txt"
