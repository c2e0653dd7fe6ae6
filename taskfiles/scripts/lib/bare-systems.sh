# shellcheck shell=sh disable=SC2034,SC2154 # whoever reads this has scripts and root, and uses toolchain, work and mirrors
# Minimal Debian systems, made by debootstrap in .build/bare from the archive and the signing key that apt uses here.
# Sets toolchain (the folder of Swift), archive, keyring, and work (.build/bare).

command -v debootstrap >/dev/null 2>&1 || sh "$scripts/system-packages.sh" --for bare || exit $?

swift=$(command -v swift) || fail 69 "no Swift toolchain: 'swift' is not on PATH" "install it: swift.org/install/linux"
swift=$(readlink -f -- "$swift")
toolchain=${swift%/usr/bin/*}
if [ "$toolchain" = "$swift" ] || [ -z "$toolchain" ]; then
  fail 69 "the Swift toolchain at $swift is not in a folder of its own" "unpack it to /opt/swift, for example"
fi

# The archive as apt knows it here, under the name of this machine's release.
. /etc/os-release
archive=$(apt-cache policy | archive_uris Debian "${VERSION_CODENAME:-}" | head -n 1)
case $archive in
  http://* | https://*) ;;
  *) fail 69 "apt has no address of Debian's archive that debootstrap could use" "add one to apt's sources" ;;
esac
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || fail 69 "no $keyring" "install debian-archive-keyring"

# Folders of this machine that git and pip read instead of the network, one per line.
mirrors() {
  git config --get-regexp '^url\..*\.insteadof$' 2>/dev/null | sed -n 's/^url\.\(\/.*\)\.insteadof .*/\1/p'
  printf '%s\n' "${PIP_FIND_LINKS:-}" | tr ' ' '\n' | grep '^/' || true
}

# make_base RELEASE: a minimal system in $work/RELEASE-base, made once.
make_base() {
  base=$work/$1-base
  [ ! -f "$base/complete" ] || return 0
  rm -rf -- "$base"
  note "debootstrap $1"
  debootstrap --variant=minbase --keyring="$keyring" "$1" "$base" "$archive" >"$work/$1-debootstrap.log" 2>&1 ||
    fail 69 "debootstrap failed; its log is $work/$1-debootstrap.log" "read its end"
  : >"$base/complete"
}

# share_packages SYSTEM: git's settings of this machine, so that copies of packages are found where they are mounted.
share_packages() {
  [ ! -f /etc/gitconfig ] || cp /etc/gitconfig "$1/etc/gitconfig"
  # The copies belong to somebody else.
  git config --file "$1/etc/gitconfig" --add safe.directory '*'
}

mkdir -p "$root/.build/bare"
work=$root/.build/bare
