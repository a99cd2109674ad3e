"""tern eval from outside: scores, answers made elsewhere, prompts, kill -9 and --resume, refusals."""

import json
import os
import subprocess
import unittest

import jsonschema

from meter_log_writer import steady_trace
from run_tern import TernTest, command, tern
from tokenize_test import tokenizer_json

SOURCE = os.environ["TERN_SOURCE_DIR"]
ORACLE = os.path.join(SOURCE, "../shared/oracle")
DATASETS = os.path.join(SOURCE, "../shared/datasets")
# Left out where sanitizers or emulation make everything many times slower; other presets run them.
SHORT = "TERN_SHORT_TESTS" in os.environ
LONG = unittest.skipIf(SHORT, "a short run")
VOCABULARY = os.path.join(ORACLE, "tokenizer/llama3-vocab.gguf")

PROBLEMS = [
    (f"Mia has {n} plums and buys {n + 2} more. How many plums has she now?",
     f"She has {n} + {n + 2} = <<{n}+{n + 2}={2 * n + 2}>>{2 * n + 2} plums.\n#### {2 * n + 2}")
    for n in range(3, 11)
]
GOALS = [
    ("keep soup warm", "leave the lid on", "leave the lid off ", 0),
    ("dry a wet shoe", "put it in a pond", "put it near a heater", 1),
    ("caf\u00e9 table that wobbles", "fold paper under the short leg", "saw the table in half", 0),
    ("sharpen a pencil", "use a spoon", "use a sharpener", 1),
    ("see in the dark", "light a lamp", "close the curtains", 0),
    ("cool a drink", "add ice", "add salt", 0),
]


class Eval(TernTest):
    def setUp(self):
        super().setUp()
        self.data = self.path("datasets")
        os.makedirs(os.path.join(self.data, "gsm8k"))
        os.makedirs(os.path.join(self.data, "piqa"))
        rows = [{"question": q, "answer": a} for q, a in PROBLEMS]
        self.write_lines("datasets/gsm8k/test.jsonl", rows)
        self.write_lines("datasets/gsm8k/train.jsonl", rows[::-1])
        self.write_piqa(GOALS)
        self.tokenizer = self.path("tokenizer.json")
        with open(self.tokenizer, "w", encoding="utf-8") as file:
            json.dump(self.padded_tokenizer(), file)
        self.model = ["-m", "synth:tiny", "--tokenizer", self.tokenizer]

    def write_piqa(self, goals):
        self.write_lines("datasets/piqa/valid.jsonl", [{"goal": g, "sol1": a, "sol2": b} for g, a, b, _ in goals])
        with open(self.path("datasets/piqa/valid-labels.lst"), "w", encoding="utf-8") as file:
            file.writelines(f"{label}\n" for _, _, _, label in goals)

    @staticmethod
    def padded_tokenizer():
        """The tokenizer of tokenize_test with as many tokens as synth:tiny has."""
        document = tokenizer_json()
        for token in range(260, 512):
            document["model"]["vocab"][f"never{token}"] = token
        return document

    def write_lines(self, name, rows):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        return self.path(name)

    def eval(self, *args):
        return self.run_ok("eval", "--data", self.data, *args)

    def eval_json(self, *args):
        return json.loads(self.eval("-o", "json", *args))

    def refused(self, *args, says, **options):
        self.assert_refused("eval", *args, says=says, **options)

    def record(self, db):
        return json.loads(self.run_ok("store", "export", "--db", db).splitlines()[0])


class Scores(Eval):
    def test_table(self):
        out = self.eval("--tasks", "piqa,gsm8k", "--limit", "2", *self.model)
        head, _, *table = out.splitlines()
        self.assertIn("limit: 2, num_fewshot: None", head)
        header = [cell.strip() for cell in table[0].strip("|").split("|")]
        self.assertEqual(header, ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "",
                                  "Stderr", "J/question", "questions/s"])
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:6]]
        self.assertEqual([row[:5] for row in rows], [
            ["piqa", "1", "none", "0", "acc"],
            ["", "", "none", "0", "acc_norm"],
            ["gsm8k", "3", "flexible-extract", "5", "exact_match"],
            ["", "", "strict-match", "5", "exact_match"],
        ])
        if rows[0][9] == "n/m":
            self.assertIn("J/question not measured (n/m): ", out)
        self.assertIn("piqa/valid.jsonl", out)  # it is not the published file

    def test_results_and_record(self):
        db = self.path("t.db")
        out = self.eval_json("--tasks", "piqa,gsm8k", "--db", db, "--log_samples", *self.model)
        piqa, gsm8k = out["results"]["piqa"], out["results"]["gsm8k"]
        self.assertEqual(gsm8k["sample_len"], len(PROBLEMS))
        samples = out["samples"]["piqa"]
        self.assertEqual(piqa["acc,none"], sum(s["acc"] for s in samples) / len(GOALS))
        self.assertEqual({(s["prompt_tokens"], s["gen_tokens"]) for s in samples}, {(None, None)})
        self.assertGreater(min(s["gen_tokens"] for s in out["samples"]["gsm8k"]), 0)
        self.assertEqual({s["filter"] for s in out["samples"]["gsm8k"]},
                         {"strict-match", "flexible-extract"})
        for sample, (_, first, second, label) in zip(samples, GOALS):
            first_ll, second_ll = (float(r[0]) for r in sample["filtered_resps"])
            self.assertEqual(sample["acc"], float((second_ll > first_ll) == label))
            normed = second_ll / len(second) > first_ll / len(first)
            self.assertEqual(sample["acc_norm"], float(normed == label))
        record = self.record(db)
        self.assertEqual(record["id"], out["tern"]["record"])
        self.assertEqual(record["status"], "ok")
        self.assertEqual([(e["task"], len(e["items"])) for e in record["evals"]],
                         [("piqa", len(GOALS)), ("gsm8k", len(PROBLEMS))])
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([e.message for e in validator.iter_errors(record)], [])
        shown = self.run_ok("store", "show", record["id"], "--db", db)
        self.assertRegex(shown, rf"\| piqa +\| ternary \| acc,none +\| {len(GOALS)} +\| {piqa['acc,none']:.4f}")
        # The copy of a record elsewhere is the record.
        with open(self.path("r.json"), "w", encoding="utf-8") as file:
            json.dump(record, file)
        self.run_ok("store", "import", self.path("r.json"), "--db", self.path("other.db"))
        self.assertEqual(self.record(self.path("other.db")), record)

    def test_joules_of_a_log_that_another_program_writes(self):
        db, log = self.path("t.db"), self.path("log")
        with open(log, "w", encoding="ascii") as file:
            file.write(steady_trace(40))
        self.eval("--tasks", "piqa", "--limit", "2", "--db", db, "--meter", f"trace:{log}", *self.model)
        record = self.record(db)
        self.assertEqual(record["meter"]["source"], "external trace")
        self.assertIn(log, record["meter"]["detail"])
        for item in record["evals"][0]["items"]:
            energy = item["energy"]
            if "between two samples" in energy.get("why", ""):  # of a very fast machine
                continue
            self.assertEqual(energy["status"], "measured", energy)
            self.assertAlmostEqual(energy["domains"]["wall"]["uj"] / 1e6 / energy["window_s"], 40, delta=0.1)

    @LONG
    def test_one_answer_everywhere(self):
        def answers(*args):
            out = self.eval_json("--tasks", "piqa,gsm8k", "--limit", "2", "--log_samples",
                                 *self.model, *args)
            return [s["resps"] for task in ("piqa", "gsm8k") for s in out["samples"][task]]

        expected = answers("-t", "1")
        for args in (["-t", "2"], ["--kernels", "scalar"], ["-ub", "5"], ["--greedy-head", "--skip-zeros"]):
            with self.subTest(args):
                self.assertEqual(answers(*args), expected)
        self.assertNotEqual(answers("--fp16-twin"), expected)
        self.assertNotEqual(answers("--head", "q6_k"), expected)

    def test_batches_answer_as_single_questions_do(self):
        tasks = ["piqa"] if SHORT else ["piqa", "gsm8k"]

        def run(*args):
            db = self.path(f"batch{len(os.listdir(self.folder))}.db")
            out = self.eval_json("--tasks", ",".join(tasks), "--limit", "6", "--num_fewshot", "0", "--log_samples",
                                 "--db", db, *self.model, *args)
            return out, self.record(db)

        def answers(out):
            return [s["resps"] for task in tasks for s in out["samples"][task]]

        alone, record = run()
        self.assertEqual(record["protocol"]["identity"]["batch_size"], 1)
        self.assertFalse(any("batch" in item for e in record["evals"] for item in e["items"]))
        for batch in ("3", "16", "auto"):
            with self.subTest(batch):
                out, record = run("--batch_size", batch)
                self.assertEqual(answers(out), answers(alone))
                self.assertEqual(out["results"], alone["results"])
                self.assertEqual(out["config"]["batch_size"], "3" if batch == "3" else "6")
                items = [item for e in record["evals"] for item in e["items"]]
                self.assertEqual(len(items), 6 * len(tasks))
                most = max(item["batch"]["questions"] for item in items if "batch" in item)
                self.assertEqual(most, 3 if batch == "3" else 6)
                for item in items:
                    # The joules of a batch are shared out, never measured for one item, and never without a reason.
                    if "batch" in item:
                        self.assertIn(item["energy"]["status"], ("attributed", "not_measured"))
                        self.assertTrue(item["energy"]["why"])
                    self.assertGreater(item["elapsed_ns"], 0)
                with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
                    validator = jsonschema.Draft7Validator(json.load(file))
                self.assertEqual([e.message for e in validator.iter_errors(record)], [])

    def test_a_baseline_answers_the_same_questions(self):
        db = self.path("pair.db")
        out = self.eval_json("--tasks", "piqa", "--baseline", "auto", "--batch_size", "4", "--db", db, *self.model)
        twin = self.eval_json("--tasks", "piqa", "--fp16-twin", *self.model)
        [baseline] = out["tern"]["baselines"]
        self.assertEqual(baseline["subject"], "baseline")
        self.assertEqual(baseline["results"], twin["results"])
        record = self.record(db)
        self.assertEqual([s["name"] for s in record["subjects"]], ["ternary", "baseline"])
        self.assertEqual([(e["subject"], len(e["items"])) for e in record["evals"]],
                         [("ternary", len(GOALS)), ("baseline", len(GOALS))])
        by_doc = [{item["doc_id"]: item["results"][0]["metrics"]["acc"] for item in e["items"]}
                  for e in record["evals"]]
        acc = next(p for p in out["tern"]["paired"] if p["metric"] == "acc")
        self.assertEqual(acc["questions"], len(GOALS))
        self.assertEqual(acc["right_alone"], sum(by_doc[0][d] > by_doc[1][d] for d in by_doc[0]))
        self.assertEqual(acc["right_alone_against"], sum(by_doc[1][d] > by_doc[0][d] for d in by_doc[0]))
        text = self.eval("--tasks", "piqa", "--limit", "2", "--baseline", "auto", *self.model)
        for part in ("subject=ternary", "subject=baseline", "McNemar's exact test", "95 % interval"):
            self.assertIn(part, text)

    def test_output_path(self):
        folder = self.path("out/below")
        out = self.eval_json("--tasks", "piqa", "--limit", "3", "--baseline", "auto", "--log_samples",
                             "--output_path", folder, *self.model)
        self.assertEqual(sorted(os.listdir(folder)), ["synth__tiny", "synth__tiny__baseline"])
        for name, acc in (("synth__tiny", out["results"]["piqa"]),
                          ("synth__tiny__baseline", out["tern"]["baselines"][0]["results"]["piqa"])):
            results, samples = sorted(os.listdir(os.path.join(folder, name)))
            self.assertRegex(results, r"^results_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}\.json$")
            self.assertEqual(samples, results.replace("results", "samples_piqa").replace(".json", ".jsonl"))
            with open(os.path.join(folder, name, results), encoding="utf-8") as file:
                written = json.load(file)
            self.assertEqual(written["results"]["piqa"], acc)
            self.assertIn("piqa", written["task_hashes"])
            with open(os.path.join(folder, name, samples), encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual([line["doc_id"] for line in lines], [0, 1, 2])
            self.assertEqual(sum(line["acc"] for line in lines) / 3, acc["acc,none"])
            for key in ("arguments", "resps", "doc_hash", "joules", "seconds"):
                self.assertIn(key, lines[0])
        self.eval("--tasks", "piqa", "--limit", "1", "--output_path", self.path("one/r.json"), *self.model)
        [name] = os.listdir(self.path("one"))
        self.assertRegex(name, r"^r_\d{4}-.*\.json$")
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        self.refused("--tasks", "piqa", "--data", self.data, "--output_path", self.path("file"), *self.model,
                     says=["--output_path", "file"])

    def test_shards_are_merged(self):
        args = ["--tasks", "piqa" if SHORT else "piqa,gsm8k", "--num_fewshot", "0", "--log_samples", *self.model]
        whole = self.eval_json(*args)
        files = []
        for i in range(1, 4):
            db = self.path(f"shard{i}.db")
            out = self.eval_json(*args, "--shard", f"{i}/3", "--batch_size", str(i), "--db", db)
            self.assertEqual([s["doc_id"] for s in out["samples"]["piqa"]], [i - 1, i + 2])
            files.append(self.path(f"shard{i}.json"))
            with open(files[-1], "w", encoding="utf-8") as file:
                json.dump(self.record(db), file)
        db = self.path("merged.db")
        out = self.eval_json("--merge", *files, "--log_samples", "--db", db)
        self.assertEqual(out["results"], whole["results"])
        self.assertEqual(out["task_hashes"], whole["task_hashes"])
        self.assertTrue(any("differ in batch_size" in reason for reason in out["tern"]["reasons"]))
        record = self.record(db)
        self.assertEqual(record["id"], out["tern"]["record"])
        self.assertEqual(record["status"], "ok")
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([e.message for e in validator.iter_errors(record)], [])

        result = tern("eval", "--data", self.data, "--merge", *files[1:], "-o", "json", "--db", db, env=self.env)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("piqa (ternary): 2 of 6 documents are missing: 0, 3", result.stderr)
        self.assertEqual(json.loads(result.stdout)["tern"]["status"], "failed")
        with open(files[0], encoding="utf-8") as file:
            other = json.load(file)
        other["protocol"]["identity"]["head"] = "q8_0"
        other["id"] = other["id"][:-4] + "0000"
        with open(self.path("other.json"), "w", encoding="utf-8") as file:
            json.dump(other, file)
        self.refused("--data", self.data, "--merge", self.path("other.json"), *files[1:],
                     says=["differ in head", "q8_0", "stored"])
        self.refused("--data", self.data, "--merge", files[0], files[0], says="named twice")
        self.refused("--data", self.data, "--merge", self.path("nowhere"), says="nowhere")

    def test_the_tokenizer_is_said_aloud(self):
        result = tern("eval", "--data", self.data, "--tasks", "piqa", "--limit", "1", *self.model, env=self.env)
        self.assertIn("tern eval: tokenizer of synth:tiny: llama-bpe, from tokenizer.json", result.stderr)

    def test_a_context_too_small_is_found_before_anything_is_asked(self):
        result = subprocess.run(
            command("TERN_BINARY", "eval", "--data", self.data, "--tasks", "piqa,gsm8k", "--limit", "2",
                    "-c", "256", "-o", "json", *self.model), text=True,
            env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("gsm8k: expected a context of more than the 256 tokens", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_long_prompts_are_said_aloud(self):
        args = ["--tasks", "gsm8k", "--limit", "3", "-c", "300", *self.model]
        result = subprocess.run(
            command("TERN_BINARY", "eval", "--data", self.data, *args), text=True,
            env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("longer than the context of 300", result.stderr)
        self.assertIn("the prompts of 3 of 3 questions were longer", result.stdout)

    def test_refusals(self):
        base = ["--data", self.data, *self.model]
        self.refused(*base, says="--tasks")
        self.refused("--tasks", "arc", *base, says=["gsm8k, ", "piqa, ", '"arc"'])
        self.refused("--tasks", "piqa", "--num_fewshot", "3", *base, says="piqa/train.jsonl")
        self.refused("--tasks", "piqa,piqa", *base, says="named twice")
        self.refused("--tasks", "piqa", "--limit", "2.5", *base, says=["--limit", "2.5"])
        self.refused("--tasks", "piqa", "--log_samples", *base, says=["-o json", "--output_path"])
        for batch in ("0", "many", "4x", "2000"):
            self.refused("--tasks", "piqa", "--batch_size", batch, *base, says=["--batch_size", f'"{batch}"'])
        self.refused("--tasks", "piqa", "--baseline", "auto", "--fp16-twin", *base, says="got both")
        self.refused("--tasks", "piqa", "--baseline", "f16,none", *base, says="--baseline")
        self.refused("--tasks", "piqa", "--shard", "3/2", *base, says=["--shard", '"3/2"'])
        self.refused("--tasks", "piqa", "--shard", "1/2", "--print-prompts", *base, says="--shard")
        self.refused("--merge", "x", *base, says="--merge")
        self.refused("--merge", "x", "--data", self.data, "--print-prompts", says="got several")
        self.refused("--tasks", "piqa", "-c", "100000", *base, says=["--ctx-size", "4096"])
        self.refused("--tasks", "piqa", "--data", self.data, says="-m")
        self.refused("--tasks", "piqa", "--data", self.data, "-m", "synth:tiny", says="--tokenizer")
        self.refused("--tasks", "piqa", *self.model, "--data", self.path("nowhere"), says="--data")
        self.assertFalse(os.path.exists(self.path("data/tern/tern.db")))

    def test_missing_data(self):
        os.makedirs(self.path("empty/below"))
        self.refused("--tasks", "piqa", *self.model, "--data", self.path("empty"), says="piqa")
        result = subprocess.run(
            command("TERN_BINARY", "eval", "--tasks", "gsm8k", *self.model), text=True,
            cwd=self.path("empty/below"), env={**os.environ, **self.env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 2)
        self.assertIn(os.path.join(self.env["XDG_DATA_HOME"], "tern/datasets/gsm8k"), result.stderr)
        self.assertIn("../shared/datasets/gsm8k", result.stderr)

    def test_a_line_that_does_not_parse(self):
        with open(self.path("datasets/piqa/valid.jsonl"), "a", encoding="utf-8") as file:
            file.write('{"goal": "x"\n')
        self.refused("--tasks", "piqa", "--data", self.data, *self.model,
                     says=["piqa/valid.jsonl", f"line {len(GOALS) + 1}"])

    def test_a_tokenizer_that_does_not_fit(self):
        document = self.padded_tokenizer()
        document["model"]["vocab"].pop("never300")
        document["model"]["vocab"]["never512"] = 512
        path = self.write_lines("t.json", [document])
        args = ["--tasks", "piqa", "--data", self.data, "-m", "synth:tiny", "--tokenizer", path]
        self.refused(*args, says="tokenizer")
        document = self.padded_tokenizer()
        document["model"].pop("merges")
        self.write_lines("t.json", [document])
        self.refused(*args, says="merges")


class Responses(Eval):
    def score(self, rows, *args):
        path = self.write_lines("answers.jsonl", rows)
        return self.eval_json("--tasks", "gsm8k", "--responses", path, *args)

    def test_scores(self):
        answers = [" 8 plums\n#### 8", "so #### 9 ", "12", "nothing"]
        rows = [{"doc_id": i, "response": text} for i, text in enumerate(answers)]
        out = self.score(rows[::-1], "--log_samples")
        scores = out["results"]["gsm8k"]
        self.assertEqual(scores["exact_match,strict-match"], 0.25)
        self.assertEqual(scores["exact_match,flexible-extract"], 0.5)
        self.assertEqual(out["n-samples"]["gsm8k"], {"original": 8, "effective": 4})
        filtered = {(s["doc_id"], s["filter"]): s["filtered_resps"] for s in out["samples"]["gsm8k"]}
        self.assertEqual(filtered[1, "strict-match"], ["9"])
        self.assertEqual(filtered[2, "strict-match"], ["[invalid]"])
        self.assertEqual(filtered[2, "flexible-extract"], ["12"])
        self.assertFalse(os.path.exists(self.path("data/tern/tern.db")))  # no run, no record

    def test_limit_and_table(self):
        path = self.write_lines("answers.jsonl", [{"doc_id": i, "response": "8"} for i in range(5)])
        out = self.eval("--tasks", "gsm8k", "--limit", "2", "--responses", path)
        self.assertIn("|0.5000|", out)
        self.assertIn("made elsewhere", out)

    def test_examples_need_not_be_there(self):
        os.remove(self.path("datasets/gsm8k/train.jsonl"))
        out = self.score([{"doc_id": 0, "response": "#### 8"}])
        self.assertEqual(out["results"]["gsm8k"]["exact_match,strict-match"], 1.0)

    def test_bad_lines_are_named(self):
        good = {"doc_id": 0, "response": "8"}
        for row, says in [
            ({"doc_id": 99, "response": ""}, "from 0 to 7"),
            ({"doc_id": -1, "response": ""}, "from 0 to 7"),
            (good, "answered in line 1"),
            ({"doc_id": 1}, "response"),
            ({"response": ""}, "doc_id"),
            ({"doc_id": "1", "response": ""}, "doc_id"),
            ([1], "doc_id"),
        ]:
            with self.subTest(row):
                path = self.write_lines("answers.jsonl", [good, row])
                self.refused("--tasks", "gsm8k", "--data", self.data, "--responses", path,
                             says=["line 2", says])
        with open(self.path("answers.jsonl"), "w", encoding="utf-8") as file:
            file.write('{"doc_id": 0, "response": "8"}\n\n{"doc_id": 1, "resp')
        args = ["--data", self.data, "--responses", self.path("answers.jsonl")]
        self.refused("--tasks", "gsm8k", *args, says="line 3")
        self.refused("--tasks", "piqa", *args, says="log-likelihoods")
        self.refused("--tasks", "piqa,gsm8k", *args, says="one task")
        self.refused("--tasks", "gsm8k", "--data", self.data, "--responses", self.path("no"),
                     says="no")

    @unittest.skipUnless(os.path.exists(f"{ORACLE}/evals/gsm8k_scored_model_solutions.jsonl"), "no vectors")
    @LONG
    def test_oracle_solutions(self):
        with open(f"{DATASETS}/gsm8k/example_model_solutions.jsonl", encoding="utf-8") as file:
            solutions = [json.loads(line) for line in file]
        with open(f"{ORACLE}/evals/summary.json", encoding="utf-8") as file:
            summary = json.load(file)
        for model in ("6b_finetuning", "175b_verification"):
            rows = [{"doc_id": i, "response": s[model]["solution"]} for i, s in enumerate(solutions)]
            path = self.write_lines("answers.jsonl", rows)
            out = json.loads(self.run_ok("eval", "--data", DATASETS, "--tasks", "gsm8k", "-o", "json",
                                         "--responses", path))["results"]["gsm8k"]
            for name in ("strict-match", "flexible-extract"):
                expected = summary[f"gsm8k_{model}"][f"raw.{name}"]
                self.assertAlmostEqual(out[f"exact_match,{name}"], expected["mean"], delta=1e-12)
                self.assertAlmostEqual(out[f"exact_match_stderr,{name}"], expected["stderr"], delta=1e-12)


class Resume(Eval):
    ARGS = ["--tasks", "piqa,gsm8k", "-o", "json", "--log_samples"]

    def answers(self, out):
        timed = ("seconds", "joules")
        samples = {task: [{k: v for k, v in s.items() if k not in timed} for s in rows]
                   for task, rows in out["samples"].items()}
        return out["results"], samples

    def start_and_kill(self, db, lines):
        """Kills the run when it has announced that many items."""
        process = subprocess.Popen(
            command("TERN_BINARY", "eval", "--data", self.data, *self.ARGS, *self.model, "--db", db,
                    "--progress"),
            env={**os.environ, **self.env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seen = 0
        for line in process.stderr:
            seen += "ETA" in line
            if seen == lines:
                break
        process.kill()
        process.communicate()
        self.assertEqual(seen, lines)

    def test_strict_refuses_an_unfit_environment_and_keeps_the_record(self):
        db = self.path("strict.db")
        result = tern("eval", "--data", self.data, "--tasks", "piqa", "--limit", "1", "-o", "json", *self.model,
                      "--db", db, "--strict", env=self.env)
        out = json.loads(result.stdout)
        record = self.record(db)
        fitness = record["environment"]["fitness"]
        self.assertEqual(result.returncode, 0 if fitness["fit"] else 5, result.stderr)
        self.assertEqual(record["status"], "ok" if fitness["fit"] else "unfit")
        self.assertEqual(out["tern"]["status"], record["status"])
        self.assertEqual(len(record["evals"][0]["items"]), 1)
        said = [reason for reason in out["tern"]["reasons"] if reason.startswith("unfit environment: ")]
        self.assertEqual(said, ["unfit environment: " + reason for reason in fitness["reasons"]])

    def test_kill_and_resume(self):
        whole = json.loads(self.eval(*self.ARGS, *self.model))
        total = len(GOALS) + len(PROBLEMS)
        for lines in (2, len(GOALS) + 3):
            with self.subTest(lines):
                db = self.path(f"t{lines}.db")
                self.start_and_kill(db, lines)
                cut = self.record(db)
                self.assertEqual(cut["status"], "running")
                there = [item for e in cut["evals"] for item in e["items"]]
                # At least what was announced as done; the item in flight may have ended before the signal.
                self.assertGreaterEqual(len(there), lines - 1)
                self.assertLess(len(there), total)
                # The layout of the weights decides no answer, so it may be another one.
                bits = ("--ternary-bits", "1.6" if lines == 2 else "2")
                skip = ("--skip-zeros",) if lines == 2 else ()
                out = json.loads(self.eval(*self.ARGS, *self.model, "--db", db, "--resume", *bits, *skip))
                self.assertEqual(out["tern"]["record"], cut["id"])
                self.assertEqual(self.answers(out), self.answers(whole))
                self.assertEqual(len(self.run_ok("store", "export", "--db", db).splitlines()), 1)
                record = self.record(db)
                self.assertEqual(record["status"], "ok")
                said = [reason for reason in record["reasons"] if "ternary weights had 2 bits" in reason]
                self.assertEqual(len(said), 1 if lines == 2 else 0)
                said = [reason for reason in record["reasons"] if "--skip-zeros was off" in reason]
                self.assertEqual(len(said), 1 if lines == 2 else 0)
                items = [item for e in record["evals"] for item in e["items"]]
                self.assertEqual([item["doc_id"] for item in items],
                                 [*range(len(GOALS)), *range(len(PROBLEMS))])
                for item in there:
                    self.assertIn(item, items)  # as it was: not asked again

    def test_another_configuration_starts_anew(self):
        db = self.path("t.db")
        self.start_and_kill(db, 2)
        other = [*self.ARGS, *self.model, "--db", db, "--resume", "--limit", "2"]
        result = subprocess.run(command("TERN_BINARY", "eval", "--data", self.data, *other), text=True,
                                env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("differs in: tasks; this one starts from the first question", result.stderr)
        self.assertEqual(len(self.run_ok("store", "export", "--db", db).splitlines()), 2)


if __name__ == "__main__":
    unittest.main()
