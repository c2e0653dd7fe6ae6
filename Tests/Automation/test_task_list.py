"""Every task that was promised is there, with a description, from any directory."""
import json

from harness import ROOT, TaskTestCase

PLANNED = {
    "turso:deps:check", "turso:db:create", "turso:db:destroy", "turso:db:url", "turso:db:token", "turso:db:sweep",
    "turso:migrate:remote", "turso:status:remote", "turso:replica:sync", "turso:replica:sync:loop",
    "turso:test:integration:local", "turso:test:integration:remote",
    "build", "build:debug", "bench", "bench:growth", "clean", "deps:check", "deps:install", "docs:api", "docs:man", "format", "lint", "quickstart",
    "test", "test:automation", "test:bare", "test:frame", "test:image", "test:units",
}
# The names that the source repository had.
ALIASES = {
    "turso:sync": "turso:replica:sync", "turso:sync:loop": "turso:replica:sync:loop",
    "turso:check": "turso:deps:check", "turso:test:local": "turso:test:integration:local",
    "turso:test:remote": "turso:test:integration:remote",
}


class TaskList(TaskTestCase):
    def tasks(self):
        result = self.run_program(ROOT / "taskw", "--list", "--json")
        self.assert_succeeds(result)
        return {task["name"]: task for task in json.loads(result.output)["tasks"]}

    def test_every_planned_task_is_listed_with_a_description(self):
        tasks = self.tasks()
        self.assertEqual(PLANNED - set(tasks), set())
        for name, task in tasks.items():
            self.assertTrue(task["desc"], name)

    def test_the_old_names_lead_to_the_same_tasks(self):
        tasks = self.tasks()
        for alias, name in ALIASES.items():
            self.assertIn(alias, tasks[name]["aliases"])

    def test_no_task_that_is_listed_waits_for_a_terminal_or_echoes_a_command_with_arguments(self):
        text = (ROOT / "taskfiles" / "Taskfile.turso.yml").read_text(encoding="utf-8")
        described = text.count("\n    desc: ")
        self.assertGreater(described, 10)
        self.assertEqual(text.count("\n    silent: true"), described)
        self.assertNotIn("prompt:", text)
