"""`tern bench` as a user meets it: rows, record and store agree, and bad input costs nothing."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import unittest

import jsonschema

from fake_plug import FakePlug
from run_tern import TernTest, command, tern

SOURCE = os.environ["TERN_SOURCE_DIR"]
TINY = ("-m", "synth:tiny", "-p", "16", "-n", "4", "-r", "2")


class Bench(TernTest):
    def setUp(self):
        super().setUp()
        self.db = self.path("t.db")

    def bench(self, *args):
        # Nobody waits for idle windows here, where there is a meter.
        return self.run_ok("bench", *args, "--idle", "0", "--db", self.db)

    def records(self):
        return [json.loads(line) for line in self.run_ok("store", "export", "--db", self.db).splitlines()]

    def assert_valid(self, record):
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(record)], [])

    def test_rows_of_both_subjects_on_one_and_two_threads(self):
        rows = json.loads(self.bench(*TINY, "-pg", "8,2", "-t", "1,2", "-o", "json"))
        self.assertEqual(len(rows), 2 * 3 * 2)
        self.assertEqual({(row["n_prompt"], row["n_gen"]) for row in rows}, {(16, 0), (0, 4), (8, 2)})
        hashes = {}
        for row in rows:
            ours = row["tern"]
            self.assertEqual(ours["schema"], "tern.record/1")
            self.assertEqual(len(row["samples_ns"]), 2)
            self.assertGreater(min(row["samples_ns"]), 0)
            self.assertGreater(ours["bytes_per_token"], 0)
            self.assertIn(ours["energy"]["status"], ("measured", "attributed", "not_measured"))
            if ours["energy"]["status"] == "not_measured":
                self.assertEqual(set(ours["energy"]), {"status", "why"})
            self.assertEqual("ratio_to_baseline" in ours, ours["subject"] == "ternary")
            hashes.setdefault(ours["subject"], set()).add(ours["logits_hash"])
        # One answer: threads do not change it, the other arithmetic does.
        self.assertEqual({name: len(found) for name, found in hashes.items()}, {"ternary": 1, "baseline": 1})
        self.assertNotEqual(hashes["ternary"], hashes["baseline"])

        records = self.records()
        self.assertEqual({record["id"] for record in records}, {row["tern"]["record"] for row in rows})
        self.assertEqual(sorted(record["protocol"]["threads"] for record in records), [1, 2])
        for record in records:
            samples = sorted(ns for row in rows if row["tern"]["record"] == record["id"] for ns in row["samples_ns"])
            self.assertEqual(sorted(trial["elapsed_ns"] for trial in record["trials"]), samples)

    def test_the_record_is_valid_and_the_stored_one(self):
        record = json.loads(self.bench(*TINY, "-d", "8", "--phases", "--roofline", "-o", "json", "--record"))
        self.assert_valid(record)
        self.assertEqual(record["status"], "ok")
        self.assertEqual([subject["name"] for subject in record["subjects"]], ["ternary", "baseline"])
        order = [(trial["test"], trial["subject"]) for trial in record["trials"]]
        abba = ["ternary", "baseline", "baseline", "ternary"]
        self.assertEqual(order, [("pp16 @ d8", name) for name in abba] + [("tg4 @ d8", name) for name in abba])
        self.assertEqual(self.records(), [record])

    def test_strict_refuses_an_unfit_environment_and_keeps_the_record(self):
        args = (*TINY, "--baseline", "none", "-o", "json")
        loose = json.loads(self.bench(*args))
        fitness = loose[0]["tern"]["environment"]
        (record,) = self.records()
        self.assert_valid(record)
        self.assertEqual(record["environment"]["fitness"], fitness)
        self.assertEqual(record["status"], "ok")
        self.assertEqual([reason for reason in record["reasons"] if reason.startswith("unfit environment: ")],
                         ["unfit environment: " + reason for reason in fitness["reasons"]])
        self.assertEqual(fitness["fit"], not fitness["reasons"])
        self.assertEqual(record["tern"]["optimized"], not any("not optimised" in why for why in fitness["reasons"]))
        strict = tern("bench", *args, "--strict", "--db", self.db, env=self.env)
        record = max(self.records(), key=lambda kept: kept["id"])
        fit = record["environment"]["fitness"]["fit"]
        self.assertEqual(strict.returncode, 0 if fit else 5, strict.stderr)
        self.assertEqual(record["status"], "ok" if fit else "unfit")
        self.assertEqual(len(record["trials"]), 4)
        self.assertEqual(len(json.loads(strict.stdout)), 2)
        if not fit:
            self.assertIn("--strict: the environment was unfit: ", strict.stderr)
            self.assertIn("unfit environment: ", self.run_ok("store", "show", record["id"], "--db", self.db))
            self.assertIn("\nunfit environment: ", self.bench(*args[:-2]))

    def test_sequences_side_by_side_are_tests_of_their_own(self):
        rows = json.loads(self.bench(*TINY, "-npl", "1,3", "-t", "2", "-o", "json"))
        shape = [(row["n_prompt"], row["n_gen"], row["tern"]["sequences"]) for row in rows]
        self.assertEqual(shape, [(16, 0, 1)] * 2 + [(0, 4, 1)] * 2 + [(0, 4, 3)] * 2)
        self.assertEqual(len({row["tern"]["logits_hash"] for row in rows}), 2)
        self.assertLess(rows[4]["tern"]["bytes_per_token"], rows[2]["tern"]["bytes_per_token"])
        record = self.records()[0]
        self.assertEqual([(test["name"], test["sequences"]) for test in record["protocol"]["tests"]],
                         [("pp16", 1), ("tg4", 1), ("tg4 x3", 3)])
        self.assertEqual({trial["tokens"] for trial in record["trials"] if trial["test"] == "tg4 x3"}, {12})

    def test_roofline_places_every_test_and_is_kept(self):
        rows = json.loads(self.bench(*TINY, "-t", "2", "--roofline", "-o", "json"))
        for row in rows:
            place = row["tern"]["roofline"]
            self.assertEqual([limits["threads"] for limits in place["limits"]], [1, 2])
            self.assertIn(place["bound_by"], ("memory", "arithmetic"))
            self.assertGreater(place["ceiling_ts"], 0)
            self.assertEqual(place["compute_share"], row["tern"]["compute_share"])
        record = self.records()[0]
        self.assertEqual([limits["threads"] for limits in record["limits"]["by_threads"]], [1, 2])
        self.assertGreater(record["trials"][0]["operations"]["int8"], 0)
        self.assertIn("ceiling, t/s", self.run_ok("store", "show", record["id"], "--db", self.db))
        plain = self.bench(*TINY)
        self.assertIn("% of peak", plain)
        self.assertNotIn("ceiling", plain)

    def test_bf16_products_are_asked_for_and_named(self):
        rows = json.loads(self.run_ok("machine", "-o", "json"))["kernels"]
        inexact = [row["name"] for row in rows if row["usable"] and not row["exact"]]
        if not inexact:
            self.assert_refused("bench", *TINY, "--db", self.db, "--kernels", "auto+bf16", says=["--kernels: "])
            self.skipTest("no row here multiplies BF16 by instructions of its own")
        args = ("-m", "synth:tiny", "-p", "16", "-n", "2", "-r", "1", "--baseline", "f16,bf16", "-o", "json", "--record")
        exact = json.loads(self.bench(*args, "--kernels", inexact[0].removesuffix("+bf16")))
        bf16 = json.loads(self.bench(*args, "--kernels", "auto+bf16"))
        self.assertEqual(bf16["tern"]["kernels"], inexact[0])
        self.assert_valid(bf16)
        hashes = [{trial["subject"]: trial["logits_hash"] for trial in record["trials"]} for record in (exact, bf16)]
        for subject in ("ternary", "baseline"):
            self.assertEqual(hashes[0][subject], hashes[1][subject])
        self.assertEqual(hashes[0]["baseline:bf16"], hashes[0]["baseline"])
        self.assertNotEqual(hashes[1]["baseline:bf16"], hashes[0]["baseline:bf16"])
        for record, has in ((exact, False), (bf16, True)):
            self.assertEqual("bf16_ops_per_s" in record["limits"], has)
            for trial in record["trials"]:
                self.assertEqual(trial["operations"].get("bf16", 0) > 0, has and trial["subject"] == "baseline:bf16")
        text = self.bench(*TINY, "--baseline", "bf16", "--kernels", "auto+bf16", "--roofline")
        for part in (", BF16 ", "BF16 dot, Gflop/s"):
            self.assertIn(part, text)

    def test_phases_add_up_and_are_kept(self):
        rows = json.loads(self.bench(*TINY, "-t", "2", "--phases", "-o", "json"))
        self.assertEqual(len(rows), 4)
        for row in rows:
            phases = row["tern"]["phases"]
            self.assertGreater(phases["qkv"]["ms_per_token"], 0)
            self.assertIn("wait", phases)
            self.assertAlmostEqual(sum(phase["share"] for phase in phases.values()), 1)
        record = self.records()[0]
        self.assertEqual(len(record["trials"]), 2 * 2 * 2)  # the extra passes are no trials
        self.assertEqual([(part["subject"], part["test"]) for part in record["phases"]],
                         [(name, test) for test in ("pp16", "tg4") for name in ("ternary", "baseline")])
        self.assertIn("| qkv ", self.run_ok("store", "show", record["id"], "--db", self.db))
        self.assertNotIn("phases", json.loads(self.bench(*TINY, "-o", "json"))[0]["tern"])

    def test_ternary_weights_of_either_size_give_one_answer(self):
        tiny = ("-m", "synth:tiny", "-p", "0", "-n", "2", "-r", "1", "-o", "json", "--record")
        ids, bytes_moved, hashes = {}, {}, set()
        for bits in ("2", "1.6", "auto"):
            record = json.loads(self.bench(*tiny, "--ternary-bits", bits))
            self.assert_valid(record)
            ternary, baseline = record["subjects"]
            layout = ternary["ternary_layout"]
            self.assertIn(layout["bits"], (2, 1.6) if bits == "auto" else (float(bits),))
            self.assertTrue(layout["why"])
            self.assertEqual("autotune" in layout, "measured" in layout["why"])
            self.assertNotIn("ternary_layout", baseline)
            trials = {trial["subject"]: trial for trial in record["trials"]}
            hashes.add(trials["ternary"]["logits_hash"])
            ids[bits] = record["id"]
            bytes_moved[bits] = (ternary["bytes"], trials["ternary"]["bytes_moved"])
        self.assertEqual(len(hashes), 1)
        weights = 2 * (4 * 256 * 256 - 2 * 128 * 256 + 3 * 256 * 512)
        saved = bytes_moved["2"][0] - bytes_moved["1.6"][0]
        self.assertLess(saved, weights / 20)  # a fifth of 2 bits, less what is no whole group
        self.assertGreater(saved, weights / 30)
        self.assertEqual(bytes_moved["2"][1] - bytes_moved["1.6"][1], 2 * saved)  # two tokens

        # The same model, so the two runs compare; what differs is said.
        text = self.run_ok("compare", ids["2"], ids["1.6"], "--unpaired", "--db", self.db)
        self.assertIn("bits of a ternary weight differ: 2 in A, 1.6 in B", text)
        text = self.run_ok("compare", ids["1.6"], "--db", self.db)
        self.assertNotIn("bits of a ternary weight", text)

    def test_the_table_names_the_bits_of_ternary_weights(self):
        text = self.bench("-m", "synth:tiny", "-p", "4", "-n", "0", "-r", "1", "--ternary-bits", "1.6")
        self.assertIn("ternary weights: ternary 1.6 bits each in memory (as set; synth:tiny)", text)

    def test_twins_of_other_types(self):
        for baseline in ("bf16", "q8_0", "q4_0"):
            rows = json.loads(self.bench(*TINY, "--baseline", baseline, "-o", "json"))
            self.assertEqual({row["model_type"] for row in rows}, {"tiny ternary", f"tiny {baseline} twin"})
            self.assertIn("ratio_to_baseline", rows[0]["tern"])
        bf16, q8_0, q4_0 = sorted(self.records(), key=lambda record: record["id"])
        self.assertIn("BF16", bf16["subjects"][1]["derived_from"])
        sizes = [record["subjects"][1]["bytes"] for record in (bf16, q8_0, q4_0)]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertEqual(len(set(sizes)), 3)

    def check_schema(self, record):
        self.assert_valid(record)

    def test_several_baselines_in_one_run(self):
        several = ("--baseline", "f16,bf16,q8_0")
        names = ["ternary", "baseline", "baseline:bf16", "baseline:q8_0"]
        rows = json.loads(self.bench(*TINY[:6], "-r", "4", *several, "-t", "1,2", "-o", "json"))
        self.assertEqual([row["tern"]["subject"] for row in rows], names * 4)
        self.assertEqual([row["model_type"] for row in rows[:4]],
                         ["tiny ternary", "tiny f16 twin", "tiny bf16 twin", "tiny q8_0 twin"])
        for row in rows:
            ours = row["tern"]
            ternary = ours["subject"] == "ternary"
            self.assertEqual("ratio_to_baseline" in ours, ternary)
            self.assertEqual("ratios_to_baselines" in ours, ternary)
            if ternary:
                ratios = ours["ratios_to_baselines"]
                self.assertEqual([ratio["subject"] for ratio in ratios], names[1:])
                self.assertEqual({**ours["ratio_to_baseline"], "subject": "baseline"}, ratios[0])
                self.assertTrue(all(ratio["low"] < ratio["value"] < ratio["high"] for ratio in ratios))

        records = self.records()
        self.assertEqual(len(records), 2)
        for record in records:
            self.check_schema(record)
            self.assertEqual([subject["name"] for subject in record["subjects"]], names)
            self.assertEqual(["derived_from" in subject for subject in record["subjects"]], [False] + [True] * 3)
            for subject, told in zip(record["subjects"][1:], ("FP16", "BF16", "q8_0")):
                self.assertTrue(subject["derived_from"].endswith(told), subject["derived_from"])
            rounds = record["protocol"]["order"].split()
            ran = [record["trials"][i:i + 4] for i in range(0, 32, 4)]
            self.assertEqual(["".join("ABCD"[names.index(trial["subject"])] for trial in some) for some in ran],
                             rounds * 2)
            for place in range(4):  # four rounds are a whole cycle
                self.assertEqual({some[place]["subject"] for some in ran[:4]}, set(names))

        # The ratios are those of the trials.
        one_thread = next(record for record in records if record["protocol"]["threads"] == 1)
        times = {(trial["subject"], trial["pair"]): trial["elapsed_ns"] for trial in one_thread["trials"]
                 if trial["test"] == "pp16"}
        printed = next(row["tern"] for row in rows if row["tern"]["record"] == one_thread["id"])
        for ratio in printed["ratios_to_baselines"]:
            product = 1.0
            for pair in range(4):
                product *= times[ratio["subject"], pair] / times["ternary", pair]
            self.assertAlmostEqual(ratio["value"], product ** (1 / 4), places=6)

        id_ = one_thread["id"]
        shown = self.run_ok("store", "show", id_, "--db", self.db)
        self.assertEqual([line.split(" | ")[1].strip() for line in shown.splitlines() if line.startswith("| pp16")],
                         names)
        note = "B is baseline; name both sides"
        self.assertIn(note, self.run_ok("compare", id_, "--db", self.db))
        chosen = self.run_ok("compare", f"{id_}@ternary", f"{id_}@baseline:q8_0", "--db", self.db)
        self.assertIn("- B: baseline:q8_0,", chosen)
        self.assertNotIn(note, chosen)
        gated = tern("gate", id_, "--db", self.db, env=self.env)
        self.assertEqual(gated.returncode, 4, gated.stderr)  # four pairs show nothing, and say so
        self.assertIn(note, gated.stdout)
        self.assertIn("too few pairs", gated.stdout)

    def test_several_baselines_with_everything_else(self):
        record = json.loads(self.bench(
            "-m", "synth:tiny", "-p", "8", "-n", "2", "-pg", "4,2", "-d", "4", "-npl", "1,2", "-r", "1", "-t", "2",
            "--baseline", "bf16,q4_0", "--phases", "--roofline", "--head", "q6_k", "--ternary-bits", "1.6",
            "-o", "json", "--record"))
        self.check_schema(record)
        names = ["ternary", "baseline", "baseline:q4_0"]
        tests = [test["name"] for test in record["protocol"]["tests"]]
        self.assertEqual(len(tests), 5)
        expected = [(name, test) for test in tests for name in names]
        self.assertEqual([(part["subject"], part["test"]) for part in record["phases"]], expected)
        self.assertEqual([(trial["subject"], trial["test"]) for trial in record["trials"]], expected)
        self.assertEqual([subject["head"] for subject in record["subjects"]], ["q6_k"] * 3)
        self.assertTrue(all(trial["energy"]["status"] != "not_measured" or trial["energy"]["why"]
                            for trial in record["trials"]))
        text = self.run_ok("store", "show", record["id"], "--db", self.db)
        for part in ("| baseline:q4_0 |", "ceiling, t/s", "| qkv "):
            self.assertIn(part, text)

    def test_the_table_has_a_ratio_for_each_baseline(self):
        text = self.bench(*TINY, "--baseline", "f16,bf16,q8_0", "-t", "1,2")
        for name, twin in (("baseline", "f16"), ("baseline:bf16", "bf16"), ("baseline:q8_0", "q8_0")):
            self.assertIn(f"against {name} (tiny {twin} twin):", text)
            table = text[text.index(f"| ternary / {name} t/s |"):].split("\n\n")[0]
            self.assertEqual([line.split()[1] for line in table.splitlines()[2:]], ["pp16", "tg4"] * 2)

    def test_several_baselines_in_flat_formats(self):
        result = tern("bench", *TINY, "-o", "sql", "-oe", "csv", "--baseline", "f16,bf16", "--db", self.db,
                      env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        base = sqlite3.connect(":memory:")
        base.executescript(result.stdout)
        base.executescript(result.stdout)
        ratios = base.execute(
            "SELECT llama_bench.n_prompt, tern_baseline, tern_ratio.tern_ratio, tern_bench.tern_ratio, "
            "tern_subject FROM tern_ratio JOIN tern_bench USING (llama_bench_rowid) "
            "JOIN llama_bench ON llama_bench.rowid = llama_bench_rowid").fetchall()
        self.assertEqual([row[:2] for row in ratios],
                         [(prompt, name) for prompt in (16, 0) for name in ("baseline", "baseline:bf16")] * 2)
        self.assertEqual({row[4] for row in ratios}, {"ternary"})
        self.assertTrue(all(row[2] == row[3] for row in ratios if row[1] == "baseline"))
        lines = [line for line in result.stderr.splitlines() if not line.startswith("tern bench:")]
        table = list(csv.DictReader(io.StringIO("\n".join(lines))))
        self.assertEqual(len(table), 6)
        for row in table:
            self.assertEqual(bool(row["tern_ratio baseline:bf16"]), row["tern_subject"] == "ternary")
            self.assertNotIn(None, row)

    def test_baselines_that_do_not_fit_together_are_refused(self):
        self.assert_refused("bench", "-m", "synth:tiny", "-p", "1", "-n", "0", "-d", "2000000000", "--baseline",
                            "f16,q8_0", "--db", self.db,
                            says=("the FP16 and Q8_0 twins of synth:tiny together need", "to spare"))
        self.assertEqual(self.records(), [])

    def test_sigint_with_several_baselines_keeps_what_was_done(self):
        process = self.start_long_run("--baseline", "f16,bf16")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn("pp64", stdout)
        (record,) = self.records()
        self.assertEqual(record["status"], "failed")
        self.assertIn("interrupted by SIGINT", record["reasons"])
        self.assertGreaterEqual(len(record["trials"]), 2)
        self.assertIn("pp64", self.run_ok("store", "show", record["id"], "--db", self.db))

    def test_a_requantised_head_is_part_of_the_subject(self):
        rows = json.loads(self.bench(*TINY, "--head", "q6_k", "-o", "json"))
        self.assertEqual({row["model_type"] for row in rows},
                         {"tiny ternary, q6_k head", "tiny f16 twin, q6_k head"})
        stored = json.loads(self.bench(*TINY, "-o", "json"))
        self.assertLess(rows[0]["model_size"], stored[0]["model_size"])
        self.assertTrue({row["tern"]["logits_hash"] for row in rows}.isdisjoint(
            {row["tern"]["logits_hash"] for row in stored}))
        heads = []
        for record in self.records():
            self.assert_valid(record)
            heads.append([subject.get("head") for subject in record["subjects"]])
        self.assertCountEqual(heads, [["q6_k", "q6_k"], [None, None]])

    def test_a_greedy_head_decodes_the_same_tokens_from_fewer_bytes(self):
        fast = json.loads(self.bench(*TINY, "-npl", "1,2", "--greedy-head", "-o", "json"))
        full = json.loads(self.bench(*TINY, "-npl", "1,2", "-o", "json"))
        for ours, theirs in zip(fast, full):
            self.assertEqual(ours["tern"]["logits_hash"], theirs["tern"]["logits_hash"])
            self.assertEqual(ours["model_type"], theirs["model_type"])
            self.assertTrue(ours["tern"]["greedy_head"])
            self.assertNotIn("greedy_head", theirs["tern"])
            check = self.assertLess if ours["n_gen"] else self.assertEqual
            check(ours["tern"]["bytes_per_token"], theirs["tern"]["bytes_per_token"])
        first, second = self.records()
        self.assert_valid(first)
        self.assertEqual({subject.get("greedy_head") for subject in first["subjects"]}, {True})
        # The same models, so the two runs compare; what differs is said.
        text = self.run_ok("compare", first["id"], second["id"], "--unpaired", "--db", self.db)
        self.assertIn("output heads in decoding differ: searched in A, complete in B", text)
        self.assertIn("greedy head: decoding searches", self.bench(*TINY, "--greedy-head"))

    def test_skipped_zeros_are_named_with_every_figure(self):
        model = ["-m", "synth:tiny:zeros=0.8", *TINY[2:]]
        fast = json.loads(self.bench(*model, "-npl", "1,2", "--skip-zeros", "-o", "json"))
        full = json.loads(self.bench(*model, "-npl", "1,2", "-o", "json"))
        for ours, theirs in zip(fast, full):
            self.assertEqual(ours["tern"]["logits_hash"], theirs["tern"]["logits_hash"])
            self.assertIn("zeros=0.8", ours["model_type"])
            self.assertIn("skip_zeros", ours["tern"])
            self.assertNotIn("skip_zeros", theirs["tern"])
            fewer = ours["n_gen"] and ours["tern"]["sequences"] == 1
            check = self.assertLess if fewer else self.assertEqual
            check(ours["tern"]["bytes_per_token"], theirs["tern"]["bytes_per_token"])
            self.assertAlmostEqual(ours["tern"]["skip_zeros"]["up_rows_read"], 0.2, delta=0.05)
            self.assertLess(ours["tern"]["skip_zeros"]["down_columns_read"], 0.25)
        first, second = self.records()
        self.assert_valid(first)
        self.assertIn("skipped zeros: one sequence of ternary decodes from ",
                      self.run_ok("store", "show", first["id"], "--db", self.db))
        self.assertEqual(["skip_zeros" in subject for subject in first["subjects"]], [True, True])
        text = self.run_ok("compare", first["id"], second["id"], "--unpaired", "--db", self.db)
        self.assertIn("zeros of squared ReLU differ: skipped in A, read in B", text)
        text = self.bench(*model, "--skip-zeros", "--baseline", "bf16,q8_0")
        self.assertIn("skipped zeros: one sequence of ternary decodes from ", text)
        self.assertIn("skipped zeros: one sequence of baseline decodes from ", text)
        # A baseline in blocks reads everything.
        self.assertEqual(text.count("skipped zeros: "), 2)
        self.assert_refused("bench", "-m", "synth:tiny:zeros=1", says="expected zeros from 0.5 to less than 1")

    def test_other_formats_hold_the_same_rows(self):
        result = tern("bench", *TINY, "-o", "sql", "-oe", "csv", "--baseline", "none", "--db", self.db, env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        base = sqlite3.connect(":memory:")
        base.executescript(result.stdout)
        base.executescript(result.stdout)  # results of a second run go into the same tables
        rows = base.execute("SELECT n_prompt, tern_subject, tern_ratio, tern_ratio_why FROM llama_bench "
                            "JOIN tern_bench ON llama_bench_rowid = llama_bench.rowid").fetchall()
        self.assertEqual(rows, [(16, "ternary", None, "--baseline none was given"),
                                (0, "ternary", None, "--baseline none was given")] * 2)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("tern bench:")]
        table = list(csv.DictReader(io.StringIO("\n".join(lines))))
        self.assertEqual([row["n_gen"] for row in table], ["0", "4"])

    def test_the_quick_look(self):
        text = self.bench("--quick", "-m", "synth:tiny")
        for part in ("pp128", "tg32", "ternary / baseline t/s", "95 % interval", "logits hash:", "build: "):
            self.assertIn(part, text)

    def test_an_estimate_stands_apart(self):
        rows = json.loads(self.bench(*TINY, "--estimate", "-o", "json"))
        for row in rows:
            estimate = row["tern"]["estimate"]
            self.assertGreater(estimate["bytes_j_per_token"], 0)
            self.assertGreater(estimate["linear_j_per_token"], 0)
            self.assertTrue(estimate["caveats"])
            if row["tern"]["energy"]["status"] == "not_measured":
                self.assertEqual(set(row["tern"]["energy"]), {"status", "why"})
        record = self.records()[0]
        self.assert_valid(record)
        self.assertEqual(len(record["estimate"]["tests"]), 4)  # of two tests and two subjects
        for trial in record["trials"]:
            self.assertNotIn("estimate", trial)
            self.assertNotIn("estimate", trial["energy"])
        text = self.bench(*TINY, "--estimate")
        self.assertIn("| ESTIMATE of", text)
        self.assertIn("estimate: a model and no measurement", text)
        self.assertNotIn("estimate", self.bench(*TINY))
        self.assertNotIn("estimate", self.run_ok("store", "show", record["id"], "--db", self.db))
        # What is no measurement satisfies nobody who requires one.
        if record["trials"][0]["energy"]["status"] == "not_measured":
            result = tern("bench", *TINY, "--estimate", "--require-energy", "--db", self.db, env=self.env)
            self.assertEqual(result.returncode, 6, result.stderr)

    def test_idle_power_is_not_waited_for_without_a_meter(self):
        machine = json.loads(self.run_ok("machine", "-o", "json"))
        if any(meter["usable"] for meter in machine["meters"]):
            self.skipTest("this machine has a meter")
        self.run_ok("bench", *TINY, "--idle", "3600", "--db", self.db)
        record = self.records()[0]
        self.assert_valid(record)
        self.assertNotIn("idle", record)
        self.assertNotIn("meter", record)

    def need_programs_of_this_machine(self):
        if os.environ.get("TERN_EMULATOR"):
            self.skipTest("a meter that is asked over a network blocks SIGPIPE, which kills all the same under an emulator")

    def test_what_the_meter_costs_is_measured_in_pairs(self):
        self.need_programs_of_this_machine()
        with FakePlug() as plug:
            arguments = (*TINY, "--meter", plug.meter, "--meter-cost", "3")
            row = json.loads(self.bench(*arguments, "-o", "json"))[0]
            text = self.bench(*arguments)
        cost = row["tern"]["meter_cost"]
        self.assertEqual((cost["subject"], cost["test"], cost["pairs"]), ("ternary", "tg4", 3))
        self.assertLess(cost["low"], cost["share_of_speed"])
        self.assertGreater(cost["high"], cost["share_of_speed"])
        self.assertRegex(text, r"the meter costs -?[0-9.]+ % of decode speed \(-?[0-9.]+ to -?[0-9.]+ %, 3 pairs")
        record = self.records()[0]
        self.assert_valid(record)
        self.assertEqual({trial["subject"] for trial in record["trials"]}, {"ternary", "baseline"})
        sides = [trial["subject"] for trial in record["meter_cost"]["trials"]]
        on, off = "meter on", "meter off"
        self.assertEqual(sides, [on, off, off, on, on, off])
        self.assertIn(cost["notes"][0], self.run_ok("store", "show", record["id"], "--db", self.db))

    def test_what_no_meter_costs_is_not_measured(self):
        result = tern("bench", *TINY, "--meter", "shelly:http://127.0.0.1:1", "--meter-cost", "--idle", "0",
                      "--db", self.db, env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the meter's cost: not measured: shelly: http://127.0.0.1:1", result.stdout)
        record = self.records()[0]
        self.assert_valid(record)
        self.assertEqual(set(record["meter_cost"]), {"status", "why"})

    def test_the_machine_settles_before_idle_windows(self):
        self.need_programs_of_this_machine()
        with FakePlug() as plug:
            self.run_ok("bench", *TINY, "--meter", plug.meter, "--idle", "2", "--db", self.db)
        record = self.records()[0]
        self.assert_valid(record)
        self.assertEqual([part["when"] for part in record["settling"]], ["before", "after"])
        self.assertLessEqual(max(part["rest_s"] for part in record["settling"]), 6)
        for part in record["settling"]:
            self.assertEqual("excess_c" in part, part["ended"] != "no_sensor")
        if record["settling"][1]["ended"] == "no_sensor":
            self.assertEqual([part["rest_s"] for part in record["settling"]], [0, 2])

    def test_required_energy(self):
        meters = json.loads(self.run_ok("machine", "-o", "json"))["meters"]
        usable = any(meter["usable"] for meter in meters)
        result = tern("bench", *TINY, "--require-energy", "--db", self.db, env=self.env)
        self.assertIn(result.returncode, (0, 6) if usable else (6,), result.stderr)
        if not usable:
            self.assertEqual(result.stdout, "")
            self.assertIn("--require-energy", result.stderr)

    def test_bad_input_is_refused_before_anything_is_written(self):
        for bad in (("-t", "0"), ("-p", "-5"), ("-o", "yaml"), ("-ngl", "1"), ("--kernels", "quantum"),
                    ("-m", "synth:none"), ("-m", self.path("none.gguf")), ("-p", "0", "-n", "0"), ("-b", "x"),
                    ("--ternary-bits", "1.58"), ("--head", "f16"), ("--head", "q8_0", "--greedy-head"),
                    ("--meter-cost", "1"), ("--meter-cost", "x"), ("--skip-zeros", "-ub", "4,1"), ("--skip-zeros", "-b", "1"),
                    ("--baseline", "f16,f16"),
                    ("--baseline", "none,f16"), ("--baseline", "f16,"), ("--baseline", "auto,bf16"),
                    ("--baseline", "f16,synth:tiny")):
            with self.subTest(bad):
                self.assert_refused("bench", *TINY[:2], *bad, "--db", self.db)
        self.assert_refused("bench", says="-m")
        self.assertFalse(os.path.exists(self.db))
        self.assertFalse(os.path.exists(self.path("data")))

    def test_a_store_that_cannot_be_written(self):
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        self.assert_refused("bench", *TINY, "--db", self.path("file/t.db"))

    def test_a_damaged_model_leaves_no_record(self):
        for content in (b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64, b"no model"):
            with self.subTest(content):
                path = self.path("bad.gguf")
                with open(path, "wb") as file:
                    file.write(content)
                self.assert_refused("bench", "-m", path, "--db", self.db)
        self.assertEqual(self.records(), [])

    def start_long_run(self, *args):
        """A run of hours, after its third trial has begun."""
        process = subprocess.Popen(
            command("TERN_BINARY", "bench", "-m", "synth:tiny", "-p", "64", "-n", "0", "-r", "1000000", "--progress",
                    "--idle", "0", *args, "--db", self.db),
            env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("tern bench: 3/"):
                return process
        self.fail("the run ended before its third trial")

    def test_sigint_keeps_what_was_done(self):
        process = self.start_long_run()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn("interrupted by SIGINT", stderr)
        self.assertIn("pp64", stdout)
        (record,) = self.records()
        self.assertEqual(record["status"], "failed")
        self.assertIn("interrupted by SIGINT", record["reasons"])
        self.assertGreaterEqual(len(record["trials"]), 2)

    def test_sigkill_keeps_what_was_done(self):
        process = self.start_long_run()
        process.kill()
        process.communicate(timeout=120)
        (record,) = self.records()
        self.assertEqual(record["status"], "running")
        self.assertGreaterEqual(len(record["trials"]), 2)
        self.assertEqual([trial["order_index"] for trial in record["trials"]], list(range(len(record["trials"]))))


if __name__ == "__main__":
    unittest.main()
