"""The units of systemd and the Dockerfile: as far as they can be checked without running systemd or an engine."""
import os
import pathlib
import re
import subprocess

from harness import ROOT, TaskTestCase

DEPLOYMENT = ROOT / "docs" / "deployment"
PROGRAMS = pathlib.Path(os.environ.get("ALBERGUE_BIN_DIR") or ROOT / ".build" / "debug")
UNITS = sorted((DEPLOYMENT / "systemd").glob("*.service"))

# Settings of scheduling and limits, which the units' filter refuses. From `systemd-analyze syscall-filter @resources`.
REFUSED_CALLS = "setrlimit,setpriority,sched_setaffinity,sched_setattr,sched_setparam,sched_setscheduler,mbind,ioprio_set"


class Units(TaskTestCase):
    def test_systemd_has_nothing_to_say_about_them(self):
        self.assertEqual(len(UNITS), 3)
        for unit in UNITS:
            with self.subTest(unit.name):
                # The programs are not installed here: their place is taken by one that is.
                text = re.sub(r"/usr/local/bin/[a-z-]+", "/bin/true", unit.read_text(encoding="utf-8"))
                copy = self.folder / unit.name
                copy.write_text(text, encoding="utf-8")
                result = self.run_program("systemd-analyze", "verify", "--man=no", copy)
                self.assert_succeeds(result)
                self.assertEqual(result.output + result.errors, "")

    def test_what_they_may_do_is_little(self):
        for unit in UNITS:
            with self.subTest(unit.name):
                result = self.run_program(
                    "systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", unit)
                self.assertRegex(result.output, r"Overall exposure level for .*: [01]\.\d OK")

    def test_no_unit_holds_a_secret_and_each_key_comes_as_a_credential(self):
        for unit in UNITS:
            text = unit.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"(?m)^Environment=(TURSO_ENCRYPTION_KEY|TURSO_AUTH_TOKEN)=")
            self.assertIn("LoadCredential=turso_encryption_keyring:", text)
            self.assertIn("Environment=TURSO_ENCRYPTION_KEYRING=%d/turso_encryption_keyring", text)
            for name in re.findall(r"%d/(\w+)", text):
                self.assertIn(f"LoadCredential={name}:", text)

    def test_an_environment_file_does_not_contradict_them(self):
        # What is in EnvironmentFile= wins over Environment=.
        example = (DEPLOYMENT / ".env.prod.example").read_text(encoding="utf-8")
        set_in_file = set(re.findall(r"(?m)^([A-Z_]+)=", example))
        for unit in UNITS:
            set_in_unit = set(re.findall(r"(?m)^Environment=([A-Z_]+)=", unit.read_text(encoding="utf-8")))
            self.assertEqual(set_in_unit & set_in_file, set(), unit.name)

    def test_programs_work_with_credentials_and_without_the_calls_that_are_refused(self):
        """As the unit starts it: keyring and token as credentials of mode 0440, calls of @resources refused."""
        credentials = self.folder / "credentials"
        credentials.mkdir(mode=0o700)

        def run(program, *arguments, **variables):
            return self.run_program(
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={REFUSED_CALLS}:error=EPERM",
                PROGRAMS / program, *arguments, CREDENTIALS_DIRECTORY=str(credentials),
                TURSO_ENCRYPTION_KEYRING=str(credentials / "turso_encryption_keyring"), **variables)

        keyring = self.folder / "keyring"
        self.assert_succeeds(self.run_program(PROGRAMS / "albergue-crypt", "keygen", "--keyring", keyring))
        (credentials / "turso_encryption_keyring").write_bytes(keyring.read_bytes())
        (credentials / "turso_auth_token").write_text("a.b.c", encoding="utf-8")
        for credential in credentials.iterdir():
            credential.chmod(0o440)
        self.assert_succeeds(run("albergue-crypt", "init", self.folder / "proof.db"))
        self.assert_succeeds(run("albergue-crypt", "query", self.folder / "proof.db", "CREATE TABLE x (y)"))
        # Key and token are taken; only the remote is missing, on the port that answers nothing.
        result = run(
            "turso-sync", "pull", TURSO_DATABASE_URL="http://127.0.0.1:9", TURSO_REPLICA_PATH=str(self.folder / "r.db"),
            TURSO_AUTH_TOKEN_FILE=str(credentials / "turso_auth_token"))
        self.assertEqual(result.status, 69, result)
        server = subprocess.Popen(
            # -D: signals go to the program, not to strace.
            ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={REFUSED_CALLS}:error=EPERM",
             PROGRAMS / "albergue-primary", "serve", "--store", self.folder / "p.db", "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            env=self.environment(
                CREDENTIALS_DIRECTORY=str(credentials),
                TURSO_ENCRYPTION_KEYRING=str(credentials / "turso_encryption_keyring")))
        try:
            url = re.search(r"http://[^,]*", server.stdout.readline()).group(0)
            self.assert_succeeds(run("turso-sync", "pull", TURSO_DATABASE_URL=url,
                                     TURSO_REPLICA_PATH=str(self.folder / "r.db"),
                                     TURSO_AUTH_TOKEN_FILE=str(credentials / "turso_auth_token")))
            server.terminate()
            self.assertEqual(server.wait(timeout=30), 0)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


class Dockerfile(TaskTestCase):
    def setUp(self):
        super().setUp()
        text = (DEPLOYMENT / "Dockerfile").read_text(encoding="utf-8")
        self.lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text)).strip().split("\n")

    def test_what_is_copied_exists_and_the_packages_are_those_of_the_linked_libraries(self):
        for line in self.lines:
            if line.startswith("COPY ") and "--from" not in line:
                for name in line.split()[1:-1]:
                    self.assertTrue((ROOT / name).exists(), line)

    def test_it_ends_as_a_user_without_rights_and_nothing_secret_is_an_argument(self):
        users = [line for line in self.lines if line.startswith("USER ")]
        self.assertEqual(users, ["USER 10001:10001"])
        self.assertGreater(self.lines.index("USER 10001:10001"), max(
            index for index, line in enumerate(self.lines) if line.startswith("RUN ")))
        for line in self.lines:
            self.assertNotRegex(line, r"(?i)^(ARG|ENV) \w*(KEY|TOKEN|SECRET)")

    def test_the_programs_it_takes_are_the_package_s(self):
        package = (ROOT / "Package.swift").read_text(encoding="utf-8")
        copied = re.search(r"for program in ([a-z -]+);", "\n".join(self.lines)).group(1).split()
        for name in re.findall(r'\.executable\(name: "([^"]+)"', package):
            self.assertIn(name, copied)
