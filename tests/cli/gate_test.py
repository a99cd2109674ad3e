"""`tern compare` and `tern gate` as CI meets them: every verdict with its exit code, the files they write, and
what they refuse. Records are made by hand, because no test may depend on how fast this machine is; models are
measured only to see that measuring works."""

import csv
import io
import json
import os
import unittest
import xml.etree.ElementTree as ElementTree

from run_tern import TernTest, tern

PASS, USAGE, REGRESSION, INCONCLUSIVE = 0, 2, 3, 4


def trial(subject, pair, order_index, seconds, joules, u_cmp=None):
    energy = {"status": "not_measured", "why": "no meter in this example"}
    if joules:
        energy = {"status": "measured", "source": "powercap", "coverage": "1 of 1 packages", "window_s": seconds,
                  "updates": 9, "domains": {"package-0": {"uj": 5e7 * seconds, "included": True}}}
        if u_cmp is not None:
            energy.update(u_abs=5 * seconds, u_cmp=50 * seconds * u_cmp)
    return {"subject": subject, "test": "tg16", "pair": pair, "order_index": order_index,
            "start_unix_ns": 1767225600000000000 + order_index, "elapsed_ns": int(seconds * 1e9), "tokens": 16,
            "energy": energy, "logits_hash": "0123456789abcdef" if subject == "ternary" else "fedcba9876543210"}


def record(number=1, pairs=10, loss=0.0, joules=False, noise=0.002, u_cmp=None):
    """A study of two subjects in ABBA order; the first one loses `loss` of its speed."""
    trials = []
    for pair in range(pairs):
        order = ("ternary", "baseline") if pair % 2 == 0 else ("baseline", "ternary")
        for subject in order:
            seconds = 1 + noise * ((pair * 7 + 3 * (subject == "ternary")) % 5 - 2)
            if subject == "ternary":
                seconds /= 1 - loss
            trials.append(trial(subject, pair, len(trials), seconds, joules, u_cmp))
    return {
        "schema": "tern.record/1", "id": f"01900000-0000-7000-8000-{number:012x}",
        "created": f"2026-01-{number:02}T00:00:00.000Z",
        "tern": {"version": "0", "commit": "0a1b2c3d4e5f", "compiler": "", "flags": "", "build_type": "Release",
                 "optimized": True, "kernels": "avx2"},
        "machine": {"hash": "a" * 64, "architecture": "x86_64", "cpu": {"name": "Example CPU"}, "topology": {},
                    "caches": []},
        "environment": {}, "protocol": {"order": "ABBA", "threads": 4},
        "subjects": [{"name": "ternary", "model": "m.gguf", "description": "tiny i2_s", "bytes": 700},
                     {"name": "baseline", "model": "m.gguf", "description": "tiny f16", "bytes": 4800}],
        "trials": trials, "evals": [], "status": "ok", "reasons": []}


class Gate(TernTest):
    def setUp(self):
        super().setUp()
        self.db = self.path("t.db")
        self.files = 0

    def write(self, *records):
        self.files += 1
        path = self.path(f"records{self.files}.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(document) + "\n" for document in records)
        return path

    def store(self, *records):
        self.run_ok("store", "import", self.write(*records), "--db", self.db)

    def gate(self, code, *args):
        result = tern("gate", *args, env=self.env)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def test_the_three_verdicts_on_true_pairs(self):
        self.assertIn("tern gate: pass", self.gate(PASS, self.write(record())))
        self.assertIn("tern gate: regression", self.gate(REGRESSION, self.write(record(loss=0.05))))
        self.assertIn("too few pairs", self.gate(INCONCLUSIVE, self.write(record(pairs=5, loss=0.3))))
        self.assertIn("neither shown nor excluded", self.gate(INCONCLUSIVE, self.write(record(noise=0.05))))
        # The same record the other way round: the slower side is now the reference.
        path = self.write(record(loss=0.05))
        self.gate(PASS, path + "@baseline", path + "@ternary")

    def test_alpha_and_the_minimum_effect_are_the_users(self):
        slower = self.write(record(loss=0.05))
        self.gate(PASS, slower, "--min-effect", "10%")
        self.gate(REGRESSION, slower, "--min-effect", "0.04")
        self.gate(INCONCLUSIVE, slower, "--alpha", "0.001")
        self.gate(REGRESSION, self.write(record(pairs=6, loss=0.3)), "--alpha", "0.05")

    def test_separate_runs_are_unpaired(self):
        now, before = self.write(record(2, loss=0.05)), self.write(record(1))
        self.assertIn("unpaired", self.gate(INCONCLUSIVE, now, before))
        self.assertIn("drift between the runs is not controlled", self.gate(REGRESSION, now, before, "--unpaired"))
        self.gate(PASS, before, now, "--unpaired")
        self.gate(REGRESSION, now, "--against", before, "--unpaired")

    def test_against_the_latest(self):
        self.assertIn("no history", self.gate(INCONCLUSIVE, "--against", "latest"))  # not even a store
        other = record(1)
        other["machine"]["hash"] = "b" * 64
        failed = record(2)
        failed["status"] = "failed"
        self.store(other, failed, record(3, loss=0.05))
        text = self.gate(INCONCLUSIVE, "--against", "latest", "--unpaired", "--db", self.db)
        self.assertIn("no history", text)
        self.store(record(4))
        self.gate(PASS, "--against", "latest", "--unpaired", "--db", self.db)
        self.store(record(5, loss=0.1))
        text = self.gate(REGRESSION, "--against", "latest", "--unpaired", "--db", self.db)
        self.assertIn(record(4)["id"], text)
        # A record that is named is judged against what came before it.
        self.gate(PASS, record(4)["id"], "--against", "latest", "--unpaired", "--db", self.db)

    def test_an_unfit_environment_is_never_green(self):
        unfit = record()
        unfit.update(status="unfit", reasons=["governor powersave"])
        self.assertIn("unfit environment: governor powersave", self.gate(INCONCLUSIVE, self.write(unfit)))
        running = record()
        running["status"] = "running"
        self.assertIn("unfinished", self.gate(INCONCLUSIVE, self.write(running)))

    def test_energy(self):
        self.assertIn("no meter in this example", self.gate(INCONCLUSIVE, self.write(record()), "--metric", "energy"))
        self.gate(PASS, self.write(record(joules=True)), "--metric", "energy")
        self.gate(REGRESSION, self.write(record(loss=0.05, joules=True)), "--metric", "energy")
        mixed = record(joules=True)
        mixed["trials"][3]["energy"]["coverage"] = "1 of 2 packages"
        self.assertIn("unequal coverage", self.gate(INCONCLUSIVE, self.write(mixed), "--metric", "energy"))

    def test_energy_is_no_surer_than_the_meter(self):
        def energy(code, **more):
            return self.gate(code, self.write(record(joules=True, **more)), "--metric", "energy")

        # A counter of 5 % on each side cannot show 5 %, however well the pairs agree; 60 % it can.
        text = energy(INCONCLUSIVE, loss=0.05, u_cmp=0.05)
        self.assertIn("the meter may be wrong by 7.07 % of this ratio", text)
        self.assertIn("of the repetitions alone it is 1.0", text)
        energy(INCONCLUSIVE, u_cmp=0.05)
        energy(REGRESSION, loss=0.6, u_cmp=0.05)
        self.assertNotIn("may be wrong by", energy(REGRESSION, loss=0.05, u_cmp=0.0004).splitlines()[0])
        energy(PASS, u_cmp=0.0004)
        self.assertIn("not every trial has the uncertainty of its meter", energy(PASS))
        path = self.write(record(joules=True, u_cmp=0.05))
        row = json.loads(self.run_ok("compare", path, "-o", "json"))["rows"][1]
        self.assertLess(row["ratio"]["low"], row["ratio"]["low_repetitions"])
        self.assertGreater(row["ratio"]["high"], row["ratio"]["high_repetitions"])
        self.assertAlmostEqual(row["ratio"]["u_cmp"], 0.0707, places=4)
        rows = list(csv.DictReader(io.StringIO(self.run_ok("compare", path, "-o", "csv"))))
        self.assertEqual([bool(row["u_cmp"]) for row in rows], [False, True])

    def test_accuracy(self):
        def evaluated(number, right):
            document = record(number)
            items = [{"doc_id": i, "results": [{"filter": "none", "metrics": {"acc": float(i % 10 < right)}}]}
                     for i in range(1000)]
            document["evals"] = [{"task": "piqa", "subject": "ternary", "num_fewshot": 0, "items": items}]
            return document

        self.store(evaluated(1, 7), evaluated(2, 6))
        self.gate(REGRESSION, "--against", "latest", "--metric", "accuracy", "--db", self.db)
        self.gate(PASS, evaluated(1, 7)["id"], evaluated(2, 6)["id"], "--metric", "accuracy", "--db", self.db)
        self.gate(INCONCLUSIVE, self.write(record()), "--metric", "accuracy")

    def test_junit_and_markdown(self):
        junit, summary = self.path("gate.xml"), self.path("summary.md")
        with open(summary, "w", encoding="utf-8") as file:
            file.write("what another step wrote\n")
        expected = ((PASS, record(), None), (REGRESSION, record(loss=0.05), "failure"),
                    (INCONCLUSIVE, record(pairs=2), "skipped"))
        for code, document, tag in expected:
            self.gate(code, self.write(document), "--junit", junit, "--markdown", summary)
            suite = ElementTree.parse(junit).getroot().find("testsuite")
            (case,) = suite.findall("testcase")
            self.assertEqual([child.tag for child in case], [tag] if tag else [])
            self.assertEqual(suite.get("failures"), str(int(tag == "failure")))
            self.assertEqual(suite.get("skipped"), str(int(tag == "skipped")))
        with open(summary, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("what another step wrote\n"))
        for verdict in ("pass", "regression", "inconclusive"):
            self.assertIn(f"tern gate: {verdict}", text)
        self.gate(INCONCLUSIVE, "--against", "latest", "--junit", junit)
        self.assertIn("no history", ElementTree.parse(junit).getroot().find(".//skipped").get("message"))

    def test_compare_informs_and_does_not_fail(self):
        path = self.write(record(loss=0.05))
        self.assertIn("regression", self.run_ok("compare", path))
        document = json.loads(self.run_ok("compare", path, "-o", "json"))
        self.assertEqual(document["verdict"], "regression")
        self.assertAlmostEqual(document["rows"][0]["ratio"]["value"], 0.95, places=3)
        rows = list(csv.DictReader(io.StringIO(self.run_ok("compare", path, "-o", "csv"))))
        self.assertEqual([row["verdict"] for row in rows], ["regression"])
        lines = self.run_ok("compare", path, "-o", "jsonl").splitlines()
        self.assertEqual([json.loads(line)["test"] for line in lines], ["tg16"])
        self.store(record(1), record(2))
        self.assertIn("the newest of 2 records", self.run_ok("compare", self.db, record(1)["id"], "--db", self.db))

    def test_models_are_measured_now(self):
        run = ("-p", "0", "-n", "2", "-t", "1", "-r", "8", "--db", self.db)
        result = tern("gate", "--aa", "-m", "synth:tiny", *run, env=self.env)
        self.assertIn(result.returncode, (PASS, REGRESSION, INCONCLUSIVE), result.stderr)
        self.assertIn("tern gate: ", result.stdout)
        document = json.loads(self.run_ok("compare", "-m", "synth:tiny", "-m", "synth:tiny", *run, "-o", "json"))
        self.assertEqual([document["a"]["subject"], document["b"]["subject"]], ["candidate", "reference"])
        self.assertEqual((document["rows"][0]["pairing"], document["rows"][0]["n_a"]), ("paired", 8))
        result = tern("gate", "-m", "synth:tiny", "--baseline", "synth:tiny", *run, env=self.env)
        self.assertIn(result.returncode, (PASS, REGRESSION, INCONCLUSIVE), result.stderr)
        records = [json.loads(line) for line in self.run_ok("store", "export", "--db", self.db).splitlines()]
        self.assertEqual([r["protocol"]["command"] for r in records], ["gate", "compare", "gate"])
        for kept in records:
            order = [t["subject"] for t in kept["trials"]]
            self.assertEqual(order, ["candidate", "reference", "reference", "candidate"] * 4)

    def test_records_that_cannot_be_compared(self):
        path = self.write(record(1))

        def other(says, **changes):
            document = record(2)
            for key, value in changes.items():
                document[key].update(value) if isinstance(value, dict) else document.update({key: value})
            for command in ("compare", "gate"):
                self.assert_refused(command, path, self.write(document), says=says)

        other("different machines", machine={"hash": "b" * 64})
        other("the model is", subjects=[{"name": "ternary", "model": "m.gguf", "description": "big i2_s"}])
        renamed = record(2)["trials"]
        for one in renamed:
            one["test"] = "tg32"
        other("no test in common", trials=renamed)
        self.assert_refused("compare", path, path, says="two sides")
        self.assert_refused("compare", path + "@nobody", says=("ternary, baseline", "nobody"))

    def test_malformed_records(self):
        for content, says in (("", "no record"), ("{", "line 1"), ("[1]", "record 1"), ("{}", "schema"),
                              (json.dumps({**record(), "trials": [{}]}), "trial"),
                              (json.dumps({**record(), "subjects": []}), "no subject")):
            with self.subTest(content[:20]):
                path = self.path("bad.json")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
                self.assert_refused("gate", path, says=says)
        broken = record()
        broken["trials"][0]["elapsed_ns"] = -1
        self.assert_refused("compare", self.write(broken), says="expected a positive time")

    def test_usage(self):
        path = self.write(record())
        for bad, says in (((), "what is to be judged"), ((path, "--alpha", "0"), "--alpha"),
                          ((path, "--alpha", "x"), "--alpha"), ((path, "--min-effect", "200%"), "--min-effect"),
                          ((path, "--metric", "beauty"), "speed, energy or accuracy"), ((path, "-o", "yaml"), "-o"),
                          ((path, "-o", "sql"), "-o"), ((path, "-m", "synth:tiny"), "either records or models"),
                          ((path, "-r", "5"), "-m MODEL"), (("-m", "synth:tiny"), "--baseline"),
                          (("-m", "synth:tiny", "--baseline", "none"), "--baseline"),
                          (("-m", "synth:none", "--baseline", "synth:tiny"), "-m"), (("--aa",), "--aa"),
                          (("--aa", "-m", "synth:tiny", "-t", "1,2"), "2 combinations"), (("nothing",), "nothing"),
                          ((path + "@",), "behind @"), (("--against", "latest", "--db", self.path("none.db")), "--db"),
                          ((path, "--junit", self.path("no/gate.xml")), "--junit"),
                          ((path, "--markdown", self.folder), "--markdown")):
            with self.subTest(bad):
                self.assert_refused("gate", *bad, says=says)
        self.assert_refused("compare", says="what is to be compared")
        self.assert_refused("compare", "-m", "synth:tiny", says="two models")
        self.assertFalse(os.path.exists(self.path("data")))


if __name__ == "__main__":
    unittest.main()
