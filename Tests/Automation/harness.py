"""What the tests of the tasks share: a folder of their own, a clean environment, and no secret in any output."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent

# Nothing of the machine's own access to Turso gets into a test, and no test into it.
PASSED_ON = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "ALBERGUE_BIN_DIR")

PLATFORM_TOKEN = "platform-token.Canary_9d1f.signature"


class Result:
    def __init__(self, status, output, errors):
        self.status, self.output, self.errors = status, output, errors

    def __repr__(self):
        return f"exit code {self.status}\n--- output\n{self.output}\n--- errors\n{self.errors}"


class TaskTestCase(unittest.TestCase):
    """Runs tasks as a user does, from a folder that is not the repository."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="albergue-automation-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.secrets = {PLATFORM_TOKEN}
        (self.folder / "home").mkdir()
        (self.folder / "bin").mkdir()

    def environment(self, **variables):
        found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        found["HOME"] = str(self.folder / "home")
        found["PATH"] = f"{self.folder / 'bin'}:{found['PATH']}"
        found.update(variables)
        return found

    def install(self, name, text):
        """Puts a program in front of all others of its name."""
        path = self.folder / "bin" / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def run_program(self, *line, time_limit=120, **variables):
        finished = subprocess.run(
            [str(word) for word in line], cwd=self.folder, env=self.environment(**variables), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=time_limit, check=False)
        result = Result(finished.returncode, finished.stdout, finished.stderr)
        for secret in self.secrets:
            self.assertNotIn(secret, result.output, "a secret is in the output")
            self.assertNotIn(secret, result.errors, "a secret is in the messages")
        return result

    def task(self, name, *arguments, **variables):
        return self.run_program(ROOT / "taskw", name, "--", *arguments, **variables)

    def assert_fails(self, result, status, *texts):
        self.assertEqual(result.status, status, result)
        for text in texts:
            self.assertIn(text, result.errors, result)
        self.assertIn("what to do:", result.errors, result)
        self.assertEqual(result.output, "", result)

    def assert_succeeds(self, result):
        self.assertEqual(result.status, 0, result)


def python():
    return sys.executable
