"""The document of measurements: a part that is measured again leaves the others as they are."""
import os
import sys
import tempfile
import unittest
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "taskfiles", "bench"))
import report  # noqa: E402


class DocumentOfBenchmarks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        document = os.path.join(self.folder.name, "benchmarks.md")
        for name, value in (("DOCUMENT", document), ("machine", lambda: ["a machine"]), ("commit", lambda: "abc1234"),
                            ("print", lambda *_, **__: None)):
            patch = mock.patch.object(report, name, value, create=True)
            patch.start()
            self.addCleanup(patch.stop)

    def table(self, part, result):
        table = report.Table(part)
        table.at_least("verify", [2.0, 3.0, 4.0], [1.0, 1.5, 2.0], result)
        table.limit("memory", 70, "70 MiB", 64, "<= 64 MiB")
        return table

    def text(self):
        with open(report.DOCUMENT, encoding="utf-8") as file:
            return file.read()

    def test_a_row_has_medians_spread_and_whether_the_goal_is_met(self):
        self.table("storage", 2).write("three rounds")
        self.assertIn(
            "| storage | verify | 3.000 s (2.000-4.000) | 1.500 s (1.000-2.000) | 2.00 x as fast | >= 2 x | yes |", self.text())
        self.assertIn("| storage | memory | - | - | 70 MiB | <= 64 MiB | NO |", self.text())
        self.assertIn("Goals missed: 1 of 2: memory (storage).", self.text())

    def test_a_slower_side_misses_its_goal(self):
        self.table("storage", 2.01).write("three rounds")
        self.assertIn("Goals missed: 2 of 2: verify (storage); memory (storage).", self.text())
        table = report.Table("replica")
        table.at_most("sync", [1.0], [1.3], 1.2)
        table.at_most("scan", [1.0], [9.0])
        self.assertEqual([row[6] for row in table.rows], ["NO", "-"])

    def test_measuring_a_part_again_replaces_its_rows_only(self):
        self.table("primary", 1).write("first")
        self.table("storage", 2).write("once")
        growth = [("sync", "1 ms", "1 ms", "1 ms", "the change")]
        report.Table("growth").write("three sizes", growth)
        before = report.read()
        self.table("primary", 3).write("second")
        rows, parts, after = report.read()
        self.assertEqual([row[0] for row in rows], ["storage", "storage", "primary", "primary"])
        self.assertEqual(rows[:2], before[0][:2])
        self.assertEqual(rows[2][5], ">= 3 x")
        self.assertEqual({part: values[2] for part, values in parts.items()},
                         {"storage": "once", "primary": "second", "growth": "three sizes"})
        self.assertEqual(after, growth)

    def test_the_projects_document_has_the_parts_that_others_read(self):
        with mock.patch.object(report, "DOCUMENT", os.path.join(ROOT, "docs", "benchmarks.md")):
            self.assertTrue(any("replicas polling" in what for what in report.figures("primary")))
            rows, parts, _ = report.read()
        self.assertEqual(set(parts), {row[0] for row in rows} | (set(parts) & {"growth"}))


if __name__ == "__main__":
    unittest.main()
