"""What is written down agrees with the code: variables, manual pages, completions, help, links."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from harness import ROOT, TaskTestCase

PROGRAMS = pathlib.Path(os.environ.get("ALBERGUE_BIN_DIR") or ROOT / ".build" / "debug")
NAMES = ["albergue-crypt", "turso-sync", "albergue-primary", "albergue-migration", "albergue-service"]
CONFIGURATION = ROOT / "docs" / "operations" / "configuration.md"
# A literal that is nothing but the name of a variable.
VARIABLE = re.compile(r'"((?:TURSO|ALBERGUE|DATABASE|DB|MIGRATION|RUST|CREDENTIALS|PILGRIM|HOSTEL)_[A-Z_]+)"')


def package_products():
    return re.findall(r'\.executable\(name: "([^"]+)"', (ROOT / "Package.swift").read_text(encoding="utf-8"))


def rows_of(heading):
    """Rows of the configuration's tables below one heading: variable to the other cells."""
    text = CONFIGURATION.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and re.fullmatch(r"`[A-Z_]+`", cells[0]):
            rows[cells[0].strip("`")] = cells[1:]
    return rows


def variables_of_code():
    found = set()
    for path in (ROOT / "Sources").rglob("*.swift"):
        text = "\n".join(
            line for line in path.read_text(encoding="utf-8").split("\n") if not line.lstrip().startswith("//"))
        found |= set(VARIABLE.findall(text))
        # Some name the variable first.
        names = re.findall(r'inEnvironment\("([A-Z_]+)"\)', text)
        if "inEnvironment(variable)" in text:
            names += re.findall(r'let variable = "([A-Z_]+)"', text)
        for name in names:
            found |= {name, f"{name}_FILE", f"{name}_COMMAND"}
    return found


class Configuration(TaskTestCase):
    def test_every_variable_that_the_code_reads_is_in_the_reference(self):
        code = variables_of_code()
        self.assertGreater(len(code), 15)
        self.assertEqual(code - set(rows_of("Variables")), set())

    def test_the_reference_has_no_variable_that_nobody_reads(self):
        code, products = variables_of_code(), package_products()
        for name, (readers, *_) in rows_of("Variables").items():
            if readers == "all" or any(product in readers.split(", ") for product in products):
                self.assertIn(name, code)

    def test_every_variable_of_the_tasks_is_in_the_reference(self):
        read = set()
        scripts = ROOT / "taskfiles" / "scripts"
        for path in [scripts / "lib" / "turso.sh", *(scripts / "turso").glob("*.sh")]:
            read |= set(re.findall(r"\$\{?((?:TURSO|ALBERGUE)_[A-Z_]+)", path.read_text(encoding="utf-8")))
        known = set(rows_of("Variables of the tasks"))
        self.assertGreater(len(known), 12)
        self.assertEqual(read - known - set(rows_of("Variables")), set())
        self.assertEqual(known - read, set())

    def test_the_examples_use_known_variables_and_hold_no_secret(self):
        known = set(rows_of("Variables")) | set(rows_of("Variables of the tasks"))
        for name in (".env.dev.example", ".env.prod.example"):
            text = (ROOT / "docs" / "deployment" / name).read_text(encoding="utf-8")
            for variable, value in re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE):
                self.assertIn(variable, known)
                self.assertNotIn(variable, ("TURSO_ENCRYPTION_KEY", "TURSO_AUTH_TOKEN", "TURSO_API_TOKEN"))
                self.assertNotRegex(value, r"['\"$#\\]", f"{variable}: go-task would read it differently from systemd")


class Manual(TaskTestCase):
    def setUp(self):
        super().setUp()
        self.share = self.folder / "share"
        self.assert_succeeds(self.run_program(ROOT / "taskfiles/scripts/manual-pages.py", PROGRAMS, self.share))
        self.built = [name for name in NAMES if (PROGRAMS / name).exists()]
        self.assertGreaterEqual(len(self.built), 3)

    def dump(self, program):
        text = subprocess.run(
            [PROGRAMS / program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
        return json.loads(text)["command"]

    def test_every_option_and_command_is_in_the_manual_page_which_groff_reads_without_a_word(self):
        for program in self.built:
            page = self.share / "man" / "man1" / f"{program}.1"
            result = self.run_program("groff", "-ww", "-man", "-Tascii", "-P-cbou", page, GROFF_NO_SGR="1")
            self.assert_succeeds(result)
            self.assertEqual(result.errors, "", program)
            shown = re.sub(r"\s+", " ", result.output)
            for command in self.dump(program)["subcommands"]:
                if command["commandName"] == "help":
                    continue
                self.assertIn(f"{program} {command['commandName']}", shown)
                for argument in command.get("arguments", []):
                    for name in argument.get("names", []):
                        self.assertIn(("-" if name["kind"] == "short" else "--") + name["name"], result.output)
            self.assertIn("EXIT STATUS", result.output)
            self.assertIn("ALBERGUE_LOG", result.output)

    def test_the_help_of_every_command_has_an_example(self):
        for program in self.built:
            for command in self.dump(program)["subcommands"]:
                if command["commandName"] == "help":
                    continue
                text = command.get("discussion", "")
                self.assertRegex(text, rf"Examples?:\n +.*{program}", f"{program} {command['commandName']}")
                shown = self.run_program(PROGRAMS / program, "help", command["commandName"]).output
                # As it can be typed: on one line of its own, indented.
                self.assertRegex(shown, r"Examples?:\n  ", command["commandName"])

    def test_completions_are_there_for_three_shells_and_bash_reads_its_own(self):
        for program in self.built:
            self.assert_succeeds(self.run_program(
                "bash", "-n", self.share / "bash-completion" / "completions" / program))
            self.assertIn(f"#compdef {program}", (self.share / "zsh" / "site-functions" / f"_{program}").read_text())
            self.assertIn("complete -c", (self.share / "fish" / "vendor_completions.d" / f"{program}.fish").read_text())

    def test_no_program_at_all_is_69(self):
        result = self.run_program(ROOT / "taskfiles/scripts/manual-pages.py", self.folder, self.share)
        self.assert_fails(result, 69, "no program")


class Libraries(TaskTestCase):
    def test_every_example_compiles_and_the_reference_has_no_warning(self):
        if not (ROOT / ".build" / "debug" / "Modules").exists():
            self.fail("no debug build: ./taskw build:debug")
        result = self.run_program("sh", ROOT / "taskfiles/scripts/api-docs.sh", self.folder / "docs", time_limit=600)
        self.assert_succeeds(result)
        self.assertTrue((self.folder / "docs" / "ReplicaSync.doccarchive" / "index.html").exists())

    def test_an_example_that_does_not_compile_is_found(self):
        copy = self.folder / "a repository"
        for name in ("taskfiles", "docs", "Sources"):
            shutil.copytree(ROOT / name, copy / name)
        (copy / ".build").symlink_to(ROOT / ".build")
        (copy / "README.md").write_text("```swift\nimport ReplicaSync\nlet x: Replica = 7\n```\n", encoding="utf-8")
        result = self.run_program("sh", copy / "taskfiles/scripts/api-docs.sh", self.folder / "docs", time_limit=600)
        self.assertEqual(result.status, 1, result)
        self.assertIn("an example does not compile", result.errors)


class Links(TaskTestCase):
    def documents(self):
        return sorted((ROOT / "docs").rglob("*.md")) + sorted(ROOT.glob("*.md"))

    @staticmethod
    def anchors(path):
        """Anchors of the headings as hosting sites make them."""
        found = set()
        for heading in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
        return found

    def test_every_link_within_the_repository_leads_somewhere(self):
        count = 0
        for path in self.documents():
            text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:", target):
                    continue
                count += 1
                name, _, anchor = urllib.parse.unquote(target).partition("#")
                goal = (path.parent / name).resolve() if name else path
                self.assertTrue(goal.exists(), f"{path.relative_to(ROOT)}: {target}")
                if anchor and goal.suffix == ".md":
                    self.assertIn(anchor, self.anchors(goal), f"{path.relative_to(ROOT)}: {target}")
        self.assertGreater(count, 30)

    def test_every_document_is_in_the_index(self):
        index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
        for path in sorted((ROOT / "docs").rglob("*.md")):
            name = str(path.relative_to(ROOT / "docs"))
            if name != "README.md":
                self.assertTrue(f"]({name})" in index, f"docs/README.md has no link to {name}")

    def test_every_task_that_a_document_names_exists(self):
        result = self.run_program(ROOT / "taskw", "--list-all", "--json")
        self.assert_succeeds(result)
        tasks = set()
        for task in json.loads(result.output)["tasks"]:
            tasks |= {task["name"], *task["aliases"]}
        for path in self.documents():
            for name in re.findall(r"\./taskw ([a-z][a-z:]*[a-z])", path.read_text(encoding="utf-8")):
                self.assertIn(name, tasks, f"{path.relative_to(ROOT)}: ./taskw {name}")
