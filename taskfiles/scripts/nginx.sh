#!/bin/sh
# Puts the nginx of this Debian into .tools/nginx/nginx, for the tests that stand it in front of the primary.
# The package is unpacked, not installed: installed, it would be a web server on port 80, now and after every boot.
# Nothing is done while it is there. Exit codes: 0 there; 69 it could not be had; 74 .tools/ cannot be written.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

home=$root/.tools/nginx
[ ! -x "$home/nginx" ] || exit 0

if ! mkdir -p "$root/.tools" || ! rm -rf -- "$home"; then
  fail 74 "cannot write $root/.tools" "make the repository's directory writable"
fi
scratch=$(mktemp -d) || fail 74 "cannot make a temporary folder in ${TMPDIR:-/tmp}" "free some space there"
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Root's apt fetches as another user, who needs to write here.
chmod 0755 "$scratch"

download() { (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download nginx >&2); }

if [ -x /usr/sbin/nginx ]; then
  program=/usr/sbin/nginx
else
  note "unpacking the package nginx into .tools/nginx"
  # The list of packages may be missing or name a version that is gone; only root can fetch it anew.
  download || { [ "$(id -u)" -eq 0 ] && apt-get -q update >&2 && download; } ||
    fail 69 "apt-get could not download the package nginx (its messages are above)" \
      "as root, run apt-get update; then run this again"
  dpkg-deb -x "$scratch"/nginx_*.deb "$scratch/package" ||
    fail 69 "the package nginx could not be unpacked (the message is above)" "run this again"
  program=$scratch/package/usr/sbin/nginx
fi
"$program" -v >&2 ||
  fail 69 "nginx does not run (its message is above)" "install the libraries it names: libpcre2-8-0, libcrypt1, zlib1g"
mkdir "$scratch/nginx"
cp -- "$program" "$scratch/nginx/nginx"
# In one step, so that it is there or not.
mv -- "$scratch/nginx" "$home" || fail 74 "cannot write $home" "free some space there"
