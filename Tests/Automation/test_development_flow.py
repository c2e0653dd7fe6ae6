"""The flow of a developer without an account, as docs/flows.md has it, with real programs and a .env."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from harness import ROOT, TaskTestCase

PROGRAMS = pathlib.Path(os.environ.get("ALBERGUE_BIN_DIR") or ROOT / ".build" / "debug")


class DevelopmentFlow(TaskTestCase):
    def setUp(self):
        super().setUp()
        self.copy = self.folder / "a repository"
        self.copy.mkdir()
        for name in ("Taskfile.yml", "taskw"):
            shutil.copy(ROOT / name, self.copy)
        shutil.copytree(ROOT / "taskfiles", self.copy / "taskfiles")
        (self.copy / ".tools").symlink_to(ROOT / ".tools")
        keyring = self.copy / ".env.keyring"
        self.assert_succeeds(self.run_program(PROGRAMS / "albergue-crypt", "keygen", "--keyring", keyring))
        self.secrets |= set(re.findall(r"raw:hex:(\w+)", keyring.read_text(encoding="utf-8")))
        self.server = subprocess.Popen(
            [PROGRAMS / "albergue-primary", "serve", "--store", self.copy / "primary.db", "--keyring", keyring,
             "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(self.stop)
        self.url = re.search(r"http://[^,]*", self.server.stdout.readline()).group(0)
        example = (ROOT / "docs" / "deployment" / ".env.dev.example").read_text(encoding="utf-8")
        (self.copy / ".env").write_text(
            example.replace("TURSO_DATABASE_URL=http://127.0.0.1:8080", f"TURSO_DATABASE_URL={self.url}"),
            encoding="utf-8")

    def stop(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def task(self, name, *arguments, **variables):
        return self.run_program(
            self.copy / "taskw", name, "--", *arguments, ALBERGUE_BIN_DIR=str(PROGRAMS), **variables)

    def test_a_replica_is_made_where_dot_env_says_from_wherever_the_task_is_called(self):
        result = self.task("turso:sync", "--json")
        self.assert_succeeds(result)
        self.assertEqual(result.output.count("\n"), 1, "one JSON object and nothing else")
        replica = self.copy / "albergue.local.db"
        self.assertFalse(replica.read_bytes().startswith(b"SQLite format 3"))
        self.assertFalse((self.folder / "albergue.local.db").exists())
        # A key in the environment beside the keyring of .env: two keys are refused, and none is shown.
        other = "ab" * 32
        self.secrets.add(other)
        result = self.task("turso:sync", TURSO_ENCRYPTION_KEY=other)
        self.assertEqual(result.status, 77, result)

    def test_the_loop_ends_with_0_on_ctrl_c(self):
        process = subprocess.Popen(
            [self.copy / "taskw", "turso:sync:loop", "--", "--json"], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            env=self.environment(ALBERGUE_BIN_DIR=str(PROGRAMS)))
        try:
            self.assertIn("position", process.stdout.readline())
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(timeout=60), 0)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            process.stdout.close()
