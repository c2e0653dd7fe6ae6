"""turso:test:integration:*, with the real programs of the build; what the build does not have is stood in for."""
import base64
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import PLATFORM_TOKEN, ROOT, TaskTestCase
from standin_api import StandInAPI

PROGRAMS = pathlib.Path(os.environ.get("ALBERGUE_BIN_DIR") or ROOT / ".build" / "debug")


def tests_of(output):
    return {letter: word for word, letter in re.findall(r"^(PASSED|FAILED)  ([A-D])  ", output, re.MULTILINE)}


class Programs(TaskTestCase):
    """The build's programs in a folder of their own, in which each can be stood in for."""

    def setUp(self):
        super().setUp()
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("albergue-crypt", "albergue-primary", "turso-sync", "albergue-migration"):
            if (PROGRAMS / name).exists():
                (self.programs / name).symlink_to(PROGRAMS / name)
        (self.folder / "tmp").mkdir()

    def variables(self, **more):
        return {"ALBERGUE_BIN_DIR": str(self.programs), "TMPDIR": str(self.folder / "tmp"), **more}

    def stand_in(self, name, text):
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def started_here(self):
        """Command lines of processes that still work in this test's folder."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "cwd").startswith(str(self.folder)):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


class LocalIntegrationTask(Programs):
    def test_all_four_pass_with_the_build_s_own_programs(self):
        result = self.task("turso:test:integration:local", **self.variables())
        self.assert_succeeds(result)
        self.assertEqual(tests_of(result.output), dict.fromkeys("ABCD", "PASSED"))
        self.assertEqual(list((self.folder / "tmp").glob("albergue*")), [])

    def test_b_and_d_pass_and_a_failure_is_told(self):
        self.stand_in("albergue-migration", "#!/bin/sh\necho 'no migrations today'\nexit 65\n")
        result = self.task("turso:test:integration:local", **self.variables())
        self.assertEqual(result.status, 1, result)
        self.assertEqual(tests_of(result.output), {"A": "FAILED", "B": "PASSED", "C": "FAILED", "D": "PASSED"}, result)
        self.assertIn("no migrations today", result.output)
        self.assertIn("local: 2 passed, 2 failed", result.output)
        self.assertEqual(list((self.folder / "tmp").glob("albergue*")), [])

    def test_a_store_that_is_not_encrypted_fails(self):
        # The stand-in's `status` lies; the bytes do not.
        real = PROGRAMS / "albergue-crypt"
        self.stand_in("albergue-migration", "#!/bin/sh\nexit 65\n")
        self.stand_in("albergue-crypt", f"""#!/bin/sh
case $1 in
  init) for file; do :; done; sqlcipher "$file" 'CREATE TABLE none (x); DROP TABLE none;' ;;
  *) exec '{real}' "$@" ;;
esac
""")
        result = self.task("turso:test:integration:local", **self.variables())
        self.assertEqual(tests_of(result.output)["B"], "FAILED", result)

    def test_the_caller_s_settings_and_secrets_play_no_part(self):
        self.stand_in("albergue-migration", "#!/bin/sh\nenv | grep ^TURSO_ENCRYPTION_KEY=\nexit 65\n")
        self.secrets |= {"Canary_4c0d", "ca4a51" * 10 + "ca4a"}
        result = self.task("turso:test:integration:local", **self.variables(
            TURSO_AUTH_TOKEN="Canary_4c0d", TURSO_ENCRYPTION_KEY="ca4a51" * 10 + "ca4a", DB_MODE="seaorm_sqlite",
            TURSO_DATABASE_URL="libsql://elsewhere.example", TURSO_ENCRYPTION_CIPHER="aes256cbc"))
        self.assertEqual(tests_of(result.output)["D"], "PASSED", result)

    def test_ctrl_c_ends_everything_that_was_started(self):
        # Test A waits for ever, in a child of a child.
        self.stand_in("albergue-migration", f"#!/bin/sh\necho $$ >'{self.folder}/waiting'\nsleep 1000 & wait\n")
        with open(self.folder / "output", "w", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["sh", ROOT / "taskfiles/scripts/turso/integration.sh", "local"], cwd=self.folder,
                env=self.environment(**self.variables()), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True)
            try:
                while not (self.folder / "waiting").exists():
                    self.assertIsNone(process.poll())
                    time.sleep(0.05)
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual(process.wait(timeout=30), 130)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self.assertEqual(list((self.folder / "tmp").glob("albergue*")), [])
        self.assertEqual([line for line in self.started_here() if "sleep" in line or "albergue" in line], [])

    def test_without_credentials_the_remote_tests_say_skipped(self):
        result = self.task("turso:test:integration:remote", **self.variables(TURSO_API_TOKEN=""))
        self.assert_succeeds(result)
        self.assertRegex(result.output, r"^SKIPPED .*TURSO_API_TOKEN is not set")


class RemoteIntegrationTask(Programs):
    """The Platform API is stood in for; the databases that it makes are albergue-primary, and ask for a token."""

    def setUp(self):
        super().setUp()
        self.key = self.folder / "signing.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", self.folder / "verifying.pem"], check=True)
        subprocess.run(
            [PROGRAMS / "albergue-crypt", "keygen", "--keyring", self.folder / "server-keys"], check=True,
            capture_output=True)
        self.servers = {}
        self.addCleanup(self.stop)
        self.api = StandInAPI(PLATFORM_TOKEN, sign=self.sign, host_of=self.host_of)
        self.addCleanup(self.api.close)

    def stop(self):
        for server, _ in self.servers.values():
            server.kill()
            server.wait()
            server.stdout.close()

    def host_of(self, name):
        if name not in self.servers:
            server = subprocess.Popen(
                [PROGRAMS / "albergue-primary", "serve", "--store", self.folder / f"{name}.db", "--listen",
                 "127.0.0.1:0", "--keyring", self.folder / "server-keys", "--auth-jwt-key-file",
                 self.folder / "verifying.pem"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=self.environment())
            self.servers[name] = (server, re.search(r"http://([^,]*),", server.stdout.readline()).group(1))
        return self.servers[name][1]

    def sign(self, name):
        def encoded(data):
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        text = encoded(b'{"alg":"EdDSA","typ":"JWT"}') + "." + encoded(b'{"a":"rw"}')
        (self.folder / "to-sign").write_text(text, encoding="ascii")
        signature = subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", self.folder / "to-sign"], check=True,
            capture_output=True).stdout
        token = text + "." + encoded(signature)
        self.secrets.add(token)
        return token

    def remote(self, **more):
        return self.task("turso:test:integration:remote", **self.variables(
            TURSO_API_TOKEN=PLATFORM_TOKEN, TURSO_ORG="hostel", TURSO_API_BASEURL=self.api.url, TURSO_VIA="api",
            TURSO_DESTROY_CHECKS="1", **more))

    def test_a_database_is_made_used_and_destroyed(self):
        self.stand_in("albergue-migration", "#!/bin/sh\nexit 65\n")
        result = self.remote()
        self.assertEqual(result.status, 1, result)
        self.assertEqual(tests_of(result.output), {"C": "FAILED", "D": "PASSED"}, result)
        self.assertNotIn("not destroyed", result.output)
        self.assertIn("destroyed the database", result.errors)
        self.assertEqual(self.api.databases, {})
        self.assertEqual(len(self.servers), 1)
        self.assertTrue(all(name.startswith("albergue-ci-") for name in self.servers))
        self.assertEqual(list((self.folder / "tmp").glob("albergue*")), [])

    def test_migrations_and_replicas_pass_with_the_token_that_was_made(self):
        result = self.remote()
        self.assert_succeeds(result)
        self.assertEqual(tests_of(result.output), {"C": "PASSED", "D": "PASSED"})
        self.assertEqual(self.api.databases, {})

    def test_a_database_that_cannot_be_destroyed_fails_the_run(self):
        self.stand_in("albergue-migration", "#!/bin/sh\nexit 65\n")
        self.api.behaviour = {"silent-destroy"}
        result = self.remote()
        self.assertEqual(result.status, 1, result)
        self.assertIn("is not destroyed: ./taskw turso:db:sweep", result.output)
        # It is named so that the sweep finds it later.
        self.api.behaviour = set()
        swept = self.task("turso:db:sweep", **self.variables(
            TURSO_API_TOKEN=PLATFORM_TOKEN, TURSO_ORG="hostel", TURSO_API_BASEURL=self.api.url, TURSO_VIA="api",
            TURSO_SWEEP_AGE_SECS="0", TURSO_DESTROY_CHECKS="1"))
        self.assert_succeeds(swept)
        self.assertEqual(self.api.databases, {})

    def test_a_token_that_is_none_ends_it_and_destroys_the_database(self):
        self.api.behaviour = {"no-token"}
        self.stand_in("albergue-migration", "#!/bin/sh\nexit 65\n")
        result = self.remote()
        self.assertEqual(result.status, 76, result)
        self.assertEqual(self.api.databases, {})
