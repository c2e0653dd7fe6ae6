#!/bin/sh
# Builds docs/deployment/Dockerfile with buildah, and uses the image as docs/deployment/README.md says.
#
#   image.sh
#
# No container engine and no registry of images is needed: the two base images are minimal Debian systems made here by
# debootstrap; the Swift toolchain, and the copies of packages that git's settings name, are mounted read-only while the
# image is built. The result is entered without capabilities, as the user of the image, on a read-only file system: a
# primary and a replica, each with a volume. Needs root and some 5 GB in .build/bare. The log is .build/bare/image.log.
# Exit codes: 0 passed; 1 failed; 69 something is missing; 77 not root.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/apt-sources.sh"

[ "$(id -u)" -eq 0 ] || fail 77 "an image is built and entered by root only" "run it with sudo"
# Mounts and processes of their own, which are gone when this ends, however it ends.
if [ -z "${ALBERGUE_BARE_INSIDE:-}" ]; then
  export ALBERGUE_BARE_INSIDE=yes
  exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private sh "$scripts/image.sh"
fi
command -v buildah >/dev/null 2>&1 || sh "$scripts/system-packages.sh" --for bare || exit $?
. "$scripts/lib/bare-systems.sh"
log=$work/image.log
: >"$log"

# Copies of whole layers need no rights that a machine inside a machine lacks.
images() {
  command=$1
  shift
  buildah --root "$work/images" --runroot "$work/images-run" --storage-driver vfs "$command" "$@" >>"$log" 2>&1
}
stop() {
  tail -n 25 "$log" | sed 's/^/    /' >&2
  fail 1 "$1" "its log is $log"
}

# make_image RELEASE NAME SETTINGS...: an image of a minimal system.
make_image() {
  make_base "$1"
  share_packages "$work/$1-base"
  image_release=$1 image_name=$2
  shift 2
  images from --name base scratch && images copy base "$work/$image_release-base" / &&
    images config "$@" base && images commit --rm base "$image_name" && return
  stop "the base image $image_name could not be made"
}

rm -rf -- "$work/images" "$work/images-run"
make_image bookworm localhost/swift --env "PATH=$toolchain/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"
make_image trixie localhost/debian --env "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
set --
for folder in "$toolchain" $(mirrors); do
  [ ! -d "$folder" ] || set -- "$@" --volume "$folder:$folder:ro"
done
note "buildah: docs/deployment/Dockerfile"
images bud --isolation chroot --pull-never --build-arg SWIFT_IMAGE=localhost/swift \
  --build-arg DEBIAN_IMAGE=localhost/debian "$@" --ignorefile "$root/docs/deployment/Dockerfile.dockerignore" \
  --file "$root/docs/deployment/Dockerfile" --tag localhost/albergue "$root" || stop "the image could not be built"

# The image, mounted as an engine would.
images from --pull-never --name albergue localhost/albergue || stop "the image cannot be used"
image=$(buildah --root "$work/images" --runroot "$work/images-run" --storage-driver vfs mount albergue)
size=$(du -sm "$image" | cut -f1)
# For units.sh.
rm -rf -- "$work/image-root"
cp -a -- "$image" "$work/image-root"
volumes=$work/image-volumes
rm -rf -- "$volumes"
mkdir -p "$volumes/primary" "$volumes/replica" "$volumes/secrets" "$image/run/secrets"
chown 10001:10001 "$volumes/primary" "$volumes/replica"
chmod 700 "$volumes/primary" "$volumes/replica"
mount --bind "$image" "$image"
mount -t proc proc "$image/proc"
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs "$image/tmp"
mount --bind /dev "$image/dev"
mount --bind "$volumes/secrets" "$image/run/secrets"
mount -o remount,bind,ro "$image"

# enter VOLUME [VARIABLE=VALUE...] PROGRAM [ARGUMENT...]: becomes the program, as the user of the image, with its volume.
enter() {
  enter_volume=$volumes/$1
  shift
  set -- "$enter_volume" "$image" "$@"
  # shellcheck disable=SC2016 # for the shell inside
  exec unshare --mount --propagation private sh -c '
    volume=$1 image=$2
    shift 2
    mount --bind "$volume" "$image/var/lib/albergue"
    exec chroot "$image" setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all --inh-caps=-all \
      --no-new-privs env -i --chdir=/var/lib/albergue PATH=/usr/local/bin:/usr/bin:/bin "$@"' \
    enter "$@" 2>>"$log"
}
# use ...: the same, and back; expect STATUS ...: with that exit code.
use() { (enter "$@"); }
expect() {
  expected=$1 status=0
  shift
  use "$@" >>"$log" || status=$?
  [ "$status" -eq "$expected" ] || stop "in the image: '$*' ended with $status, not with $expected"
}

note "the programs of the image"
umask 077
key=TURSO_ENCRYPTION_KEY_FILE=/run/secrets/turso_encryption_key
for name in primary_key turso_encryption_key; do
  use replica albergue-crypt keygen >"$volumes/secrets/$name" || stop "keygen failed"
done
chmod 0400 "$volumes"/secrets/*
chown 10001:10001 "$volumes/secrets" "$volumes"/secrets/*
mount -o remount,bind,ro "$image/run/secrets"

mkfifo "$volumes/listening"
(enter primary TURSO_ENCRYPTION_KEY_FILE=/run/secrets/primary_key albergue-primary serve --store hostel.store \
  --listen 127.0.0.1:0) >"$volumes/listening" &
primary=$!
exec 3<"$volumes/listening"
IFS= read -r line <&3 || stop "the primary did not start"
url=${line#listening on }
url=${url%%,*}

remote=TURSO_DATABASE_URL=$url
replica=TURSO_REPLICA_PATH=/var/lib/albergue/hostel.db
mode=DB_MODE=libsql_embedded_replica
expect 0 replica "DATABASE_URL=$url" albergue-migration migrate-remote
expect 0 replica "$remote" "$replica" "$mode" "$key" turso-sync pull
expect 0 replica "$key" albergue-crypt verify hostel.db
expect 77 replica albergue-crypt verify hostel.db
expect 77 replica TURSO_ENCRYPTION_KEY_FILE=/run/secrets/primary_key albergue-crypt verify hostel.db
name=$(use replica "$key" albergue-crypt query hostel.db 'SELECT username FROM users')
case $name in *synthetic_admin*) ;; *) stop "the replica in the image does not have the remote's row" ;; esac
! grep -aq synthetic_admin "$volumes"/*/hostel* || stop "a row is in a file in clear"
[ "$(use replica id -u)" = 10001 ] || stop "the programs do not run as the image's user"
expect 1 replica touch /usr/local/bin/new /etc/new
kill -TERM "$primary"
wait "$primary" || stop "the primary did not end with 0"
printf 'PASSED  the image (%s MB): built, and used without capabilities on a read-only file system\n' "$size"
images rm albergue
rm -rf -- "$work/images" "$work/images-run" "$volumes"
