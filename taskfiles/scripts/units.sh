#!/bin/sh
# Starts the units of docs/deployment/systemd under systemd, as docs/deployment/README.md sets them up.
#
#   units.sh
#
# The system is what image.sh leaves in .build/bare/image-root (a minimal Debian 13 with the programs), with systemd put
# into it, and is booted by systemd-nspawn. In it: the primary with tokens, the hostel's schema, a replica that follows, the
# service that reads it; then everything is stopped. Needs root. The log is .build/bare/units.log.
# Exit codes: 0 passed; 1 failed; 69 something is missing; 77 not root.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

[ "$(id -u)" -eq 0 ] || fail 77 "a system is booted by root only" "run it with sudo"
work=$root/.build/bare
# Mounts of its own, which are gone when this ends, however it ends.
if [ -z "${ALBERGUE_UNITS_INSIDE:-}" ]; then
  export ALBERGUE_UNITS_INSIDE=yes
  exec unshare --mount --propagation private sh "$scripts/units.sh"
fi
[ -d "$work/image-root" ] || fail 69 "there is no $work/image-root" "run ./taskw test:image first"
for program in systemd-nspawn openssl python3; do
  command -v "$program" >/dev/null 2>&1 || sh "$scripts/system-packages.sh" --for bare || exit $?
done
log=$work/units.log system=$work/units
: >"$log"
stop() {
  tail -n 40 "$log" | sed 's/^/    /' >&2
  fail 1 "$1" "its log is $log"
}

rm -rf -- "$system"
cp -a -- "$work/image-root" "$system"
cp /etc/resolv.conf "$system/etc/"
mount -t proc proc "$system/proc"
chroot "$system" sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
  systemd systemd-sysv dbus curl adduser' >>"$log" 2>&1 </dev/null || stop "systemd could not be installed"

# The steps of the README, with a key pair and tokens of this run.
umask 077
chroot "$system" userdel albergue >>"$log" 2>&1 || stop "the image has no user"
chroot "$system" adduser --quiet --system --group --no-create-home albergue >>"$log" 2>&1 || stop "no user was made"
install -d -m 0700 "$system/etc/albergue"
for keyring in turso_encryption_keyring primary_keyring pilgrim_keyring; do
  chroot "$system" albergue-crypt keygen --keyring "/etc/albergue/$keyring" >>"$log" 2>&1 || stop "keygen failed"
done
openssl genpkey -algorithm ed25519 -out "$work/signing.pem" 2>>"$log"
openssl pkey -in "$work/signing.pem" -pubout -out "$system/etc/albergue/public_keys.pem"
python3 - "$work/signing.pem" >"$system/etc/albergue/turso_auth_token" <<'PYTHON' || stop "no token was made"
"""Prints a token of an hour that may write, signed with the key of the file that is named."""
import base64
import json
import subprocess
import sys
import tempfile
import time


def part(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=")


head = part(json.dumps({"alg": "EdDSA", "typ": "JWT"}).encode())
body = part(json.dumps({"a": "rw", "exp": int(time.time()) + 3600}).encode())
with tempfile.NamedTemporaryFile() as text:
    text.write(head + b"." + body)
    text.flush()
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", sys.argv[1], "-in", text.name],
                               check=True, capture_output=True).stdout
print((head + b"." + body + b"." + part(signature)).decode())
PYTHON
rm -f -- "$work/signing.pem"
sed 's|^TURSO_DATABASE_URL=.*|TURSO_DATABASE_URL=http://127.0.0.1:8080|; s|^TURSO_SYNC_INTERVAL_SECS=.*|TURSO_SYNC_INTERVAL_SECS=1|' \
  "$root/docs/deployment/.env.prod.example" >"$system/etc/albergue/albergue.env"
cp "$root"/docs/deployment/systemd/*.service "$system/etc/systemd/system/"
chmod 0644 "$system"/etc/systemd/system/albergue-*.service "$system/etc/systemd/system/turso-sync.service"

# What an operator would do and look at, as a unit of its own that ends the system.
cat >"$system/usr/local/bin/proof" <<'PROOF'
#!/bin/sh
set -eu
exec >/proof.log 2>&1
token=$(cat /etc/albergue/turso_auth_token)
service() { curl --silent --show-error --retry 30 --retry-all-errors --retry-delay 1 --fail -H "Authorization: Bearer $token" "$@"; }
service http://127.0.0.1:8080/health
set -x
DATABASE_URL=http://127.0.0.1:8080 TURSO_AUTH_TOKEN_FILE=/etc/albergue/turso_auth_token albergue-migration migrate-remote
mkdir -m 0700 /root/migrate
env DB_MODE=libsql_embedded_replica TURSO_REPLICA_PATH=/root/migrate/hostel.db TURSO_DATABASE_URL=http://127.0.0.1:8080 \
  TURSO_AUTH_TOKEN_FILE=/etc/albergue/turso_auth_token TURSO_ENCRYPTION_KEYRING=/etc/albergue/turso_encryption_keyring \
  PILGRIM_ENCRYPTION_KEYRING=/etc/albergue/pilgrim_keyring albergue-service migrate
rm -r /root/migrate
systemctl start turso-sync
key=TURSO_ENCRYPTION_KEYRING=/etc/albergue/turso_encryption_keyring
# 66 and 75 until the first pull has ended; the time limit of this unit ends what never does.
until env "$key" albergue-crypt query /var/lib/albergue/hostel.db 'SELECT username FROM users' | grep synthetic_admin; do
  systemctl is-active turso-sync
  sleep 0.2
done
systemctl start albergue-service
set +x
service http://127.0.0.1:8081/health
service http://127.0.0.1:8081/v1/beds
set -x
for unit in albergue-primary turso-sync albergue-service; do
  systemctl is-active "$unit"
  # What the service got as credentials is its own, and in no variable of it.
  systemctl show --property=NRestarts "$unit" | grep -x NRestarts=0
done
for unit in albergue-service turso-sync albergue-primary; do
  systemctl stop "$unit"
  systemctl show --property=Result "$unit" | grep -x Result=success
  systemctl show --property=ExecMainStatus "$unit" | grep -x ExecMainStatus=0
done
env "$key" albergue-crypt verify /var/lib/albergue/hostel.db
TURSO_ENCRYPTION_KEYRING=/etc/albergue/primary_keyring albergue-crypt verify /var/lib/albergue-primary/primary.db
! grep -a synthetic_admin /var/lib/albergue/hostel.db* /var/lib/albergue-primary/primary.db*
# Every page that holds a key is locked.
! journalctl --no-pager | grep mlock
set +x
! journalctl --no-pager | grep -qF "$token"
echo all is well
PROOF
chmod 0755 "$system/usr/local/bin/proof"
cat >"$system/etc/systemd/system/proof.service" <<'UNIT'
[Unit]
After=albergue-primary.service
Wants=albergue-primary.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/usr/local/bin/proof
ExecStopPost=/bin/sh -c 'journalctl --no-pager -u albergue-primary -u turso-sync -u albergue-service >/units.log'
TimeoutStartSec=300
[Install]
WantedBy=multi-user.target
UNIT
chroot "$system" systemctl enable albergue-primary proof >>"$log" 2>&1 || stop "the units cannot be enabled"

umount "$system/proc"
# What is asked of the system is what a machine of its own has: a loopback network, and memory that can be locked.
note "booting"
timeout -k 10 400 systemd-nspawn --quiet --register=no --keep-unit --private-network --capability=CAP_IPC_LOCK --boot --directory "$system" </dev/null >>"$log" 2>&1 || true
cat "$system/units.log" "$system/proof.log" >>"$log" 2>/dev/null || stop "the system has left no log"
[ "$(tail -n 1 "$system/proof.log")" = "all is well" ] || stop "the units do not do what the README says"
printf 'PASSED  the units: primary, replica and service started by systemd with their credentials, read, and stopped\n'
rm -rf -- "$system"
