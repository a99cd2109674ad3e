"""tern eval from outside: what is asked, and tasks that are descriptions."""

import hashlib
import json
import math
import os
import unittest

import jsonschema

from eval_test import DATASETS, GOALS, LONG, ORACLE, PROBLEMS, SOURCE, VOCABULARY, Eval


class Prompts(Eval):
    def prompts(self, *args):
        out = self.eval("--print-prompts", *args)
        self.assertTrue(out.isascii())
        return [json.loads(line) for line in out.splitlines()]

    def test_texts_need_no_model(self):
        lines = self.prompts("--tasks", "gsm8k", "--num_fewshot", "0", "--limit", "2")
        self.assertEqual(lines[1], {"doc_id": 1, "prompt": f"Question: {PROBLEMS[1][0]}\nAnswer:"})

    def test_a_seed_draws_other_examples(self):
        def prompts(*seed):
            return [line["prompt"] for line in self.prompts("--tasks", "gsm8k", *seed)]

        usual = prompts()
        self.assertEqual(prompts("--seed", "0,1234,1234,1234"), usual)
        self.assertEqual(prompts("--seed", "1234"), usual)
        other = prompts("--seed", "7")
        self.assertNotEqual(other, usual)
        self.assertEqual(prompts("--seed", "1,2,3,7"), other)
        for seed in ("x", "1,2", "1,2,3,4,5", "1,2,3,", "1.5"):
            self.refused("--tasks", "gsm8k", "--data", self.data, "--print-prompts", "--seed", seed,
                         says=["--seed", f'"{seed}"'])

    def test_choices_come_with_their_ids(self):
        lines = self.prompts("--tasks", "piqa", *self.model)
        self.assertEqual(len(lines), len(GOALS))
        self.assertEqual(lines[2]["context"], "Question: caf\u00e9 table that wobbles\nAnswer:")
        self.assertEqual(lines[0]["continuations"], [" leave the lid on", " leave the lid off "])
        self.assertEqual(lines[0]["context_ids"][:4], [258, *b"Que"])
        self.assertEqual(lines[1]["continuation_ids"][0][:4], [*b" put"])
        self.refused("--tasks", "piqa", "--print-prompts", "--data", self.data, says="--tokenizer")

    def test_several_tasks_are_told_apart(self):
        lines = self.prompts("--tasks", "piqa,gsm8k", "--limit", "1", *self.model)
        self.assertEqual([line["task"] for line in lines], ["piqa", "gsm8k"])

    @unittest.skipUnless(os.path.exists(VOCABULARY), "no vectors")
    @LONG
    def test_oracle_prompts(self):
        out = self.run_ok("eval", "--print-prompts", "--tasks", "gsm8k", "--data", DATASETS, "-m", VOCABULARY)
        lines = [json.loads(line) for line in out.splitlines()]
        with open(f"{ORACLE}/evals/gsm8k_5shot_index.jsonl", encoding="utf-8") as file:
            for entry in map(json.loads, file):
                prompt = lines[entry["doc_id"]]["prompt"].encode()
                self.assertEqual(hashlib.sha256(prompt).hexdigest(), entry["prompt_sha256"])
        out = self.run_ok("eval", "--print-prompts", "--tasks", "piqa", "--data", DATASETS, "-m", VOCABULARY)
        lines = [json.loads(line) for line in out.splitlines()]
        with open(f"{ORACLE}/evals/piqa_pairs.jsonl", encoding="utf-8") as file:
            for entry in map(json.loads, file):
                line = lines[entry["doc_id"]]
                self.assertEqual(line, {key: entry[key] for key in line})


class Described(Eval):
    """Tasks that are descriptions, those of the program and a user's."""

    QUIZ = {"task": "quiz", "version": 1, "output_type": "multiple_choice",
            "data": {"test": "quiz/test.jsonl", "columns": {"ask": "string", "of": "list", "right": "integer"}},
            "doc_to_text": "{{ask}}", "doc_to_choice": "{{of}}", "doc_to_target": "{{right}}"}

    def setUp(self):
        super().setUp()
        for folder in ("quiz", "winogrande", "wikitext", "mmlu/anatomy"):
            os.makedirs(os.path.join(self.data, folder))
        self.write_lines("datasets/quiz/test.jsonl", [{"ask": "2 and 2?", "of": ["4", "five"], "right": 0}])
        self.quiz = self.path("quiz.json")
        self.describe(self.QUIZ)

    def describe(self, description):
        with open(self.quiz, "w", encoding="utf-8") as file:
            json.dump(description, file)

    def test_a_users_task(self):
        out = self.eval_json("--tasks", self.quiz, "--log_samples", *self.model)
        sample = out["samples"]["quiz"][0]
        self.assertEqual(sample["arguments"]["gen_args_1"], {"arg_0": "2 and 2?", "arg_1": " five"})
        self.assertEqual(sample["doc"], {"ask": "2 and 2?", "of": ["4", "five"], "right": 0})
        self.assertIn(out["results"]["quiz"]["acc,none"], (0, 1))
        self.assertIn("quiz/test.jsonl: no sha256 of it is known here", " ".join(out["tern"]["reasons"]))

    def test_what_is_wrong_with_it_is_said(self):
        args = ["--tasks", self.quiz, "--data", self.data, *self.model]
        self.describe({**self.QUIZ, "doc_to_txt": ""})
        self.refused(*args, says=["quiz.json", "doc_to_txt"])
        self.describe({**self.QUIZ, "doc_to_text": "{{ask"})
        self.refused(*args, says=["quiz.json", "doc_to_text", "}}"])
        self.describe(self.QUIZ)
        with open(os.path.join(self.data, "quiz/test.jsonl"), "a", encoding="utf-8") as file:
            file.write('{"ask": "?", "of": ["a"], "right": 1}\n')
        self.refused(*args, says=["quiz/test.jsonl, line 2", "from 0 to 0, got 1"])
        self.refused("--tasks", self.path("none.json"), "--data", self.data, *self.model, says="none.json")

    def test_contexts_and_long_texts(self):
        db = self.path("t.db")
        self.write_lines("datasets/winogrande/dev.jsonl",
                         [{"sentence": "Ann beat Bo, so _ won.", "option1": "Ann", "option2": "Bo", "answer": "1"}])
        pages = ["one two three " * 90, "four"]
        self.write_lines("datasets/wikitext/test.jsonl", [{"page": page} for page in pages])
        out = self.eval_json("--tasks", "winogrande,wikitext", "--db", db, "-c", "300", "--log_samples", *self.model)
        self.assertEqual([v["arg_0"] for v in out["samples"]["winogrande"][0]["arguments"].values()],
                         ["Ann beat Bo, so Ann", "Ann beat Bo, so Bo"])
        samples = out["samples"]["wikitext"]
        self.assertGreater(len(samples[0]["resps"]), 1)  # windows
        total = sum(s["byte_perplexity"][0] for s in samples)
        size = sum(len(page) for page in pages)
        self.assertAlmostEqual(out["results"]["wikitext"]["bits_per_byte,none"], -total / size / math.log(2))
        self.assertEqual(out["results"]["wikitext"]["word_perplexity_stderr,none"], "N/A")
        shown = self.run_ok("store", "show", self.record(db)["id"], "--db", db)
        perplexity = out["results"]["wikitext"]["word_perplexity,none"]
        self.assertIn(f"| wikitext   | ternary | word_perplexity,none | 2         | {perplexity:.4f}", shown)
        record = self.record(db)
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([e.message for e in validator.iter_errors(record)], [])

    def test_a_group_is_its_tasks(self):
        self.refused("--tasks", "mmlu_stem", "--data", self.data, *self.model, says="mmlu/abstract_algebra/test.jsonl")
        with open(os.path.join(SOURCE, "evals/tasks/mmlu.json"), encoding="utf-8") as file:
            subjects = json.load(file)["each"]["mmlu_social_sciences"]
        row = {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 2}
        for subject in ["anatomy", *subjects]:
            os.makedirs(os.path.join(self.data, "mmlu", subject), exist_ok=True)
            for split in ("dev", "test"):
                self.write_lines(f"datasets/mmlu/{subject}/{split}.jsonl", [row] * (1 + len(subject) % 2))
        out = self.eval_json("--tasks", "mmlu_social_sciences", *self.model)
        results = out["results"]
        group = out["groups"]["mmlu_social_sciences"]
        self.assertEqual(group, results["mmlu_social_sciences"])
        sizes = [results[f"mmlu_{subject}"]["sample_len"] for subject in subjects]
        right = sum(n * results[f"mmlu_{s}"]["acc,none"] for n, s in zip(sizes, subjects))
        self.assertEqual(group["sample_len"], sum(sizes))
        self.assertAlmostEqual(group["acc,none"], right / sum(sizes))
        self.assertEqual(sorted(out["group_subtasks"]["mmlu_social_sciences"]),
                         sorted(f"mmlu_{subject}" for subject in subjects))
        out = self.eval("--print-prompts", "--tasks", "mmlu_anatomy", "--num_fewshot", "1", *self.model)
        self.assertEqual(json.loads(out.splitlines()[0])["context"],
                         "The following are multiple choice questions (with answers) about anatomy.\n\n"
                         + "Which?\nA. a\nB. b\nC. c\nD. d\nAnswer:" + " C\n\n"
                         + "Which?\nA. a\nB. b\nC. c\nD. d\nAnswer:")


if __name__ == "__main__":
    unittest.main()
