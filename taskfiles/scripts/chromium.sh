#!/bin/sh
# Makes sure that there is a Chromium, for the test that looks at the service's admin page: the package of this Debian.
# It is installed, not unpacked like nginx: it is no server, and needs some hundred libraries.
# Nothing is done while it is there. Exit codes: 0 there; 69 it could not be had.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$scripts/lib/messages.sh"

if ! command -v chromium >/dev/null 2>&1; then
  note "installing the package chromium"
  as_root=''
  [ "$(id -u)" -eq 0 ] || as_root='sudo -n'
  install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends chromium >&2 </dev/null
  }
  # The list of packages may be missing or name a version that is gone.
  install || { $as_root apt-get -q update >&2 && install; } ||
    fail 69 "apt-get could not install the package chromium (its messages are above)" \
      "as root, run: apt-get update && apt-get install chromium"
fi
chromium --version >&2 </dev/null ||
  fail 69 "chromium does not run (its message is above)" "install the libraries that it names"
