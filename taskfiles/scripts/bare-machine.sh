#!/bin/sh
# Runs both commands of the README on minimal Debian systems: what a new machine lacks comes to light there.
#
#   bare-machine.sh [--stage packages|quickstart|test] [RELEASE [USER]]
#
# RELEASE is bookworm (12) or trixie (13), USER root or pilgrim (an ordinary user with sudo); without them all four.
# --stage ends after that much; without it everything is run, which takes hours. Needs root, debootstrap and some 10 GB in
# .build/bare. Each system is a folder made by debootstrap (variant minbase) with this commit in it, and with, from this
# machine and read-only: the Swift toolchain, and the copies of packages that git's and pip's settings name. Nothing else
# of this machine is visible. Debian's address and signing key are those that this machine's apt uses.
# One line per system on standard output; the logs are in .build/bare. Exit codes: 0 all passed; 1 one failed; 64 usage;
# 69 something is missing; 77 not root.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/apt-sources.sh"

usage="usage: bare-machine.sh [--stage packages|quickstart|test] [bookworm|trixie [root|pilgrim]]"
stage="test"
if [ "${1:-}" = --stage ]; then
  stage=${2:-}
  shift 2 || true
fi
case $stage in packages | quickstart | test) ;; *) fail 64 "unknown stage '$stage'" "$usage" ;; esac
releases=${1:-bookworm trixie} users=${2:-root pilgrim}
[ $# -le 2 ] || fail 64 "too many arguments" "$usage"
case $releases in bookworm | trixie | 'bookworm trixie') ;; *) fail 64 "unknown release '$1'" "$usage" ;; esac
case $users in root | pilgrim | 'root pilgrim') ;; *) fail 64 "unknown user '$2'" "$usage" ;; esac

[ "$(id -u)" -eq 0 ] || fail 77 "systems are made and entered by root only" "run it with sudo"
# Mounts and processes of their own, which are gone when this ends, however it ends.
if [ -z "${ALBERGUE_BARE_INSIDE:-}" ]; then
  export ALBERGUE_BARE_INSIDE=yes
  exec unshare --mount --pid --fork --kill-child --propagation private sh "$scripts/bare-machine.sh" --stage "$stage" "$@"
fi
. "$scripts/lib/bare-systems.sh"

# make_system RELEASE USER: sets system, ready to be entered.
make_system() {
  system=$work/$1-$2
  # Nothing is mounted here yet: mounts of an earlier run have ended with it.
  rm -rf -- "$system"
  cp -a -- "$work/$1-base" "$system"
  if [ "$2" = pilgrim ]; then
    chroot "$system" sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends sudo' \
      >"$work/$1-$2.log" 2>&1 || fail 69 "sudo could not be installed in $system" "read $work/$1-$2.log"
    chroot "$system" useradd --create-home --shell /bin/sh pilgrim
    echo 'pilgrim ALL=(ALL) NOPASSWD: ALL' >"$system/etc/sudoers.d/pilgrim"
    home=/home/pilgrim
  else
    home=/root
  fi
  cp /etc/resolv.conf /etc/hosts "$system/etc/"
  mount -t proc proc "$system/proc"
  mount -t tmpfs tmpfs "$system/dev/shm" 2>/dev/null || { mkdir -p "$system/dev/shm" && mount -t tmpfs tmpfs "$system/dev/shm"; }
  for folder in "$toolchain" $(mirrors); do
    [ -d "$folder" ] || continue
    mkdir -p "$system$folder"
    mount --bind "$folder" "$system$folder"
    mount -o remount,bind,ro "$system$folder"
  done
  share_packages "$system"
  # A certificate authority of this machine's network, where it has one.
  if [ -n "${SSL_CERT_FILE:-}" ]; then cp -- "$SSL_CERT_FILE" "$system/etc/bare-machine-authorities.crt"; fi
  git clone -q --no-hardlinks -- "$root" "$system$home/albergue-crypt"
  chroot "$system" chown -R "$2" "$home"
}

# enter RELEASE USER COMMAND: runs it in the repository of the system; output goes to the log.
enter() {
  set -- "$1" "$2" "$3" env -i HOME="$home" USER="$2" LANG=C.UTF-8 \
    PATH="$toolchain/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  if [ -n "${SSL_CERT_FILE:-}" ]; then
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do set -- "$@" "$name=/etc/bare-machine-authorities.crt"; done
  fi
  for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || set -- "$@" "$name=$value"
  done
  enter_log=$work/$1-$2.log enter_user=$2 enter_command=$3
  shift 3
  printf '\n$ %s\n' "$enter_command" >>"$enter_log"
  chroot --userspec="$enter_user" "$system" "$@" sh -c "cd $home/albergue-crypt && $enter_command" \
    >>"$enter_log" 2>&1 </dev/null
}

now() { date +%s; }
failed=0
for release in $releases; do
  make_base "$release"
  for user in $users; do
    : >"$work/$release-$user.log"
    make_system "$release" "$user"
    result=passed
    for command in "./taskw deps:judges" "./taskw quickstart" "./taskw test"; do
      case $stage:$command in
        packages:*quickstart | packages:*test | quickstart:*test | test:*judges | quickstart:*judges) continue ;;
      esac
      begin=$(now)
      if enter "$release" "$user" "$command"; then word=PASSED; else word=FAILED result=failed; fi
      printf '%s  %s as %s: %s (%s min)\n' "$word" "$release" "$user" "$command" $((($(now) - begin) / 60))
      [ "$word" = PASSED ] || break
    done
    if [ "$result" = failed ]; then
      failed=$((failed + 1))
      tail -n 25 "$work/$release-$user.log" | sed 's/^/    /'
    fi
  done
done
[ "$failed" -eq 0 ] || exit 1
