"""turso:replica:*, turso:migrate:remote and turso:status:remote hand on what they were told, and nothing else."""
import json
import pathlib
import shutil

from harness import PLATFORM_TOKEN, ROOT, TaskTestCase

SECRET = "eyJhbGciOiJFZERTQSJ9.Canary_token_51c2.signature"
KEY = "ca4a51" * 10 + "ca4a"


class Programs(TaskTestCase):
    """The programs are stood in for by one that writes down what it gets."""

    def setUp(self):
        super().setUp()
        self.secrets |= {SECRET, KEY}
        self.seen = self.folder / "seen.json"
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("turso-sync", "albergue-migration"):
            path = self.programs / name
            path.write_text(f"""#!/usr/bin/env python3
import json, os, sys
json.dump({{"program": "{name}", "arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}},
          open({str(self.seen)!r}, "w"))
sys.exit(int(os.environ.get("STANDIN_STATUS") or 0))
""", encoding="utf-8")
            path.chmod(0o755)

    def call(self, name, *arguments, **variables):
        result = self.task(name, *arguments, **{"ALBERGUE_BIN_DIR": str(self.programs), **variables})
        return result, json.loads(self.seen.read_text(encoding="utf-8"))

    def test_each_task_calls_its_program(self):
        for name, line in {
            "turso:replica:sync": ["turso-sync", "pull"], "turso:sync": ["turso-sync", "pull"],
            "turso:replica:sync:loop": ["turso-sync", "sync"], "turso:sync:loop": ["turso-sync", "sync"],
            "turso:migrate:remote": ["albergue-migration", "migrate-remote"],
            "turso:status:remote": ["albergue-migration", "status-remote"],
        }.items():
            with self.subTest(name):
                result, seen = self.call(name, "--json", "a b", "it's")
                self.assert_succeeds(result)
                self.assertEqual([seen["program"]] + seen["arguments"], line + ["--json", "a b", "it's"])
                # Relative paths of .env mean the same from everywhere.
                self.assertEqual(pathlib.Path(seen["folder"]), ROOT)

    def test_secrets_arrive_in_the_environment_and_are_not_shown(self):
        result, seen = self.call(
            "turso:sync", TURSO_AUTH_TOKEN=SECRET, TURSO_ENCRYPTION_KEY=KEY, TURSO_DATABASE_URL="libsql://h.example",
            TURSO_API_TOKEN=PLATFORM_TOKEN, TURSO_PLATFORM_TOKEN=PLATFORM_TOKEN)
        self.assert_succeeds(result)
        self.assertNotIn(PLATFORM_TOKEN, seen["environment"].values())
        self.assertEqual(seen["environment"]["TURSO_AUTH_TOKEN"], SECRET)
        self.assertEqual(seen["environment"]["TURSO_ENCRYPTION_KEY"], KEY)
        self.assertEqual(result.output + result.errors, "")

    def test_a_failure_keeps_its_exit_code_and_shows_no_secret(self):
        result, _ = self.call("turso:sync", TURSO_AUTH_TOKEN=SECRET, TURSO_ENCRYPTION_KEY=KEY, STANDIN_STATUS="75")
        self.assertEqual(result.status, 75, result)

    def test_empty_variables_are_unset(self):
        _, seen = self.call("turso:sync", TURSO_ENCRYPTION_KEY="", DATABASE_URL="", DB_MODE="", TURSO_REPLICA_PATH="x y")
        for name in ("TURSO_ENCRYPTION_KEY", "DATABASE_URL", "DB_MODE"):
            self.assertNotIn(name, seen["environment"])
        self.assertEqual(seen["environment"]["TURSO_REPLICA_PATH"], "x y")

    def test_a_program_that_is_not_built_is_69(self):
        result = self.task("turso:sync", ALBERGUE_BIN_DIR=str(self.folder))
        self.assert_fails(result, 69, "build it: ./taskw build")


class DotEnv(Programs):
    """A copy of the Taskfiles with a .env beside them; the real one's .env is its owner's."""

    def setUp(self):
        super().setUp()
        self.copy = self.folder / "a repository"
        self.copy.mkdir()
        shutil.copy(ROOT / "Taskfile.yml", self.copy)
        shutil.copy(ROOT / "taskw", self.copy)
        shutil.copytree(ROOT / "taskfiles", self.copy / "taskfiles")
        (self.copy / ".tools").symlink_to(ROOT / ".tools")

    def call(self, name, *arguments, **variables):
        result = self.run_program(
            self.copy / "taskw", name, "--", *arguments, ALBERGUE_BIN_DIR=str(self.programs), **variables)
        return result, json.loads(self.seen.read_text(encoding="utf-8"))

    def test_each_task_calls_its_program(self):
        _, seen = self.call("turso:sync")
        self.assertEqual(pathlib.Path(seen["folder"]), self.copy)

    def test_dot_env_is_read_and_the_environment_wins(self):
        (self.copy / ".env").write_text(
            f"TURSO_AUTH_TOKEN={SECRET}\nTURSO_REPLICA_PATH=from-file.db\nDB_MODE=\n", encoding="utf-8")
        result, seen = self.call("turso:sync", TURSO_REPLICA_PATH="from-environment.db")
        self.assert_succeeds(result)
        self.assertEqual(seen["environment"]["TURSO_AUTH_TOKEN"], SECRET)
        self.assertEqual(seen["environment"]["TURSO_REPLICA_PATH"], "from-environment.db")
        self.assertNotIn("DB_MODE", seen["environment"])
        # An empty variable of the environment is unset, and so does not win.
        _, seen = self.call("turso:sync", TURSO_REPLICA_PATH="")
        self.assertEqual(seen["environment"].get("TURSO_REPLICA_PATH"), "from-file.db")

    def test_the_examples_are_read_as_they_are_meant(self):
        for name, interval in ((".env.dev.example", "60"), (".env.prod.example", "15")):
            with self.subTest(name):
                shutil.copy(ROOT / "docs" / "deployment" / name, self.copy / ".env")
                result, seen = self.call("turso:sync:loop")
                self.assert_succeeds(result)
                self.assertEqual(seen["environment"]["TURSO_SYNC_INTERVAL_SECS"], interval)
                self.assertEqual(seen["environment"]["DB_MODE"], "libsql_embedded_replica")
                self.assertNotIn("TURSO_ENCRYPTION_KEY", seen["environment"])
