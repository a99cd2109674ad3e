"""tern store: list, show, export, import."""

import csv
import io
import json
import os
import unittest

import jsonschema

from run_tern import TernTest

GOLDEN = os.path.join(os.environ["TERN_SOURCE_DIR"], "tests/golden/record_v1.json")


class Store(TernTest):
    def setUp(self):
        super().setUp()
        with open(GOLDEN, encoding="utf-8") as file:
            self.golden = json.load(file)
        self.other = {**self.golden, "id": self.golden["id"][:-1] + "c", "status": "running",
                      "created": "2026-01-01T00:00:00.000Z", "trials": []}

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def fill(self):
        lines = json.dumps(self.golden) + "\n\n" + json.dumps(self.other) + "\n"
        return self.run_ok("store", "import", self.write("in.jsonl", lines))

    def test_an_empty_start(self):
        self.assertEqual(self.run_ok("store", "list"), "no records yet\n")
        self.assertEqual(json.loads(self.run_ok("store", "list", "-o", "json")), [])
        self.assertEqual(self.run_ok("store", "export"), "")
        self.assertFalse(os.path.exists(self.path("data")), "looking made a store")

    def test_import_twice_changes_nothing(self):
        self.assertEqual(self.fill(), "2 added, 0 there already\n")
        before = self.run_ok("store", "export")
        self.assertEqual(self.fill(), "0 added, 2 there already\n")
        self.assertEqual(self.run_ok("store", "export"), before)

    def test_kernel_benchmarks(self):
        results = os.path.join(os.path.dirname(GOLDEN), "kernel_bench.json")
        self.assertEqual(self.run_ok("store", "import", results), "1 added, 0 there already\n")
        self.assertEqual(self.run_ok("store", "import", results), "0 added, 1 there already\n")
        row, = json.loads(self.run_ok("store", "list", "-o", "json"))
        self.assertEqual(row["tests"], "4 kernel benchmarks")
        self.assertEqual(row["status"], "failed")
        self.assertIn("avx2/ternary/gemv/2560x2560", self.run_ok("store", "show", row["id"]))
        record = json.loads(self.run_ok("store", "export"))
        with open(os.path.join(os.environ["TERN_SOURCE_DIR"], "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(record)], [])

    def test_import_takes_one_record_an_array_and_stdin(self):
        self.run_ok("store", "import", GOLDEN, "--db", self.path("one.db"))
        array = self.write("in.json", json.dumps([self.golden, self.other]))
        self.run_ok("store", "import", array, "--db", self.path("two.db"))
        self.run_ok("store", "import", "-", "--db", self.path("three.db"), stdin=json.dumps(self.golden))
        for name, count in (("one.db", 1), ("two.db", 2), ("three.db", 1)):
            out = self.run_ok("store", "list", "-o", "json", "--db", self.path(name))
            self.assertEqual(len(json.loads(out)), count)

    def test_list(self):
        self.fill()
        rows = json.loads(self.run_ok("store", "list", "-o", "json"))
        self.assertEqual([row["id"] for row in rows], [self.other["id"], self.golden["id"]])
        self.assertEqual(rows[1]["trials"], 4)
        self.assertEqual(rows[1]["status"], "ok")
        self.assertEqual(rows[1]["tests"], "tg32")
        table = self.run_ok("store", "list")
        self.assertIn("running (unfinished)", table)
        self.assertIn(self.golden["id"], table)
        rows = list(csv.DictReader(io.StringIO(self.run_ok("store", "list", "-o", "csv"))))
        self.assertEqual(rows[1]["models"], "synth:example, synth:example (f16)")

    def test_show(self):
        self.fill()
        shown = json.loads(self.run_ok("store", "show", self.golden["id"], "-o", "json"))
        self.assertEqual(shown, self.golden)
        text = self.run_ok("store", "show", self.golden["id"])
        self.assertIn("| tg32 | ternary  |", text)
        self.assertIn("energy not measured: powercap: package-0 did not move", text)
        self.assert_refused("store", "show", self.golden["id"][:8], says="ambiguous")
        self.assert_refused("store", "show", "ffff", says='no record "ffff"')

    def test_export(self):
        self.fill()
        lines = self.run_ok("store", "export").splitlines()
        self.assertEqual([json.loads(line) for line in lines], [self.golden, self.other])
        self.assertEqual(json.loads(self.run_ok("store", "export", "-o", "json", self.other["id"])),
                         [self.other])
        out = self.path("out.json")
        self.assertEqual(self.run_ok("store", "export", "-o", "json", "--out", out), "")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(json.load(file), [self.golden, self.other])
        self.assertEqual([name for name in os.listdir(self.folder) if "tmp" in name], [])

    def test_a_failed_export_leaves_what_was_there(self):
        self.fill()
        out = self.write("out.jsonl", "precious")
        self.assert_refused("store", "export", "ffff", "--out", out, says="ffff")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.assert_refused("store", "export", "--out", self.path("no/where"), says="no/where")
        os.mkdir(self.path("folder"))
        self.assert_refused("store", "export", "--out", self.path("folder"), says="folder")
        self.assertEqual([name for name in os.listdir(self.folder) if "tmp" in name], [])

    def test_a_bad_file_imports_nothing(self):
        good = json.dumps(self.golden)
        cases = {
            "empty": "",
            "text": "hello",
            "second line": good + "\n{\"schema\": 1}\n",
            "cut": good[:-20],
            "other schema": json.dumps({**self.golden, "schema": "tern.record/9"}),
            "array": "[" + good + ", 3]",
        }
        for name, text in cases.items():
            with self.subTest(name):
                path = self.write("bad", text)
                self.assert_refused("store", "import", path, says=path)
        self.assert_refused("store", "import", self.path("none"), says="No such file")
        self.assert_refused("store", "import", self.folder, says="folder")
        self.assertEqual(self.run_ok("store", "list"), "no records yet\n")

    def test_bad_stores(self):
        text = self.write("text.db", "this is no database, whatever its name says\n" * 10)
        self.assert_refused("store", "list", "--db", text, says=[text, "SQLite"])
        self.assert_refused("store", "list", "--db", self.folder, says="folder")
        self.assert_refused("store", "list", "--db", self.path("none.db"), says="no store")
        self.assert_refused("store", "import", GOLDEN, "--db", self.path("no/t.db"), says="could not")
        self.assert_refused("store", "list", "-o", "yaml", says=["md", "json", "csv", "yaml"])
        env = {"XDG_DATA_HOME": "/dev/null"}
        self.assert_refused("store", "import", GOLDEN, env=env, says="/dev/null")


if __name__ == "__main__":
    unittest.main()
