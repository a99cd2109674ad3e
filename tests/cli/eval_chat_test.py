"""tern eval in conversations: what the model reads, what the files say of it, and what is refused."""

import hashlib
import json
import unittest

from eval_test import PROBLEMS, Eval

BITNET = ("{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | trim + "
          "'<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}")
CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
          "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def question(problem):
    return f"Question: {problem[0]}\nAnswer:"


class Chat(Eval):
    def setUp(self):
        super().setUp()
        self.template = self.path("bitnet.jinja")
        with open(self.template, "w", encoding="utf-8") as file:
            file.write(BITNET)
        self.chat = [*self.model, "--apply_chat_template", self.template]

    def prompts(self, *args):
        return [json.loads(line) for line in self.eval("--print-prompts", *args).splitlines()]

    def test_prompts_are_rendered(self):
        asked = self.prompts("--tasks", "gsm8k", "--limit", "2", "--num_fewshot", "1", *self.chat)
        examples = [f"User: {question(p)}<|eot_id|>Assistant: {p[1]}<|eot_id|>" for p in PROBLEMS]
        for line, problem in zip(asked, PROBLEMS):
            last = f"User: {question(problem)}<|eot_id|>Assistant: "
            self.assertIn(line["prompt"], [example + last for example in examples])

    def test_one_message_and_an_instruction(self):
        asked = self.prompts("--tasks", "gsm8k", "--limit", "1", "--num_fewshot", "1", *self.chat,
                             "--fewshot_as_multiturn", "false", "--system_instruction", "Be brief.")
        self.assertRegex(asked[0]["prompt"],
                         r"^System: Be brief\.<\|eot_id\|>User: Question: [^|]*#### \d+\n\n"
                         r"Question: [^|]*Answer:<\|eot_id\|>Assistant: $")

    def test_without_a_model_messages_are_printed(self):
        asked = self.prompts("--tasks", "gsm8k", "--limit", "1", "--num_fewshot", "0", "--apply_chat_template")
        self.assertEqual(asked, [{"doc_id": 0, "messages": [{"role": "user", "content": question(PROBLEMS[0])}]}])

    def test_choices_follow_the_opening_of_the_answer(self):
        asked, = self.prompts("--tasks", "piqa", "--limit", "1", *self.chat)
        self.assertEqual(asked["context"], "User: Question: keep soup warm\nAnswer:<|eot_id|>Assistant: ")
        self.assertEqual(asked["continuations"][0], "leave the lid on")

    def test_results_say_how_it_was_asked(self):
        db = self.path("t.db")
        out = self.eval_json("--tasks", "piqa,gsm8k_bitnet", "--limit", "2", "--log_samples", "--db", db, *self.chat)
        self.assertEqual(out["chat_template"], BITNET)
        self.assertEqual(out["chat_template_sha"], hashlib.sha256(BITNET.encode()).hexdigest())
        self.assertIs(out["fewshot_as_multiturn"], True)
        self.assertIsNone(out["system_instruction"])
        prompt = out["samples"]["gsm8k_bitnet"][0]["arguments"]["gen_args_0"]["arg_0"]
        self.assertEqual(prompt.count("User: "), 5)
        self.assertTrue(prompt.endswith(f"{question(PROBLEMS[0])}<|eot_id|>Assistant: "))
        identity = self.record(db)["protocol"]["identity"]
        self.assertEqual(identity["chat_template"], {"format": "bitnet", "sha256": out["chat_template_sha"]})

    def test_nothing_of_it_where_nobody_asked(self):
        out = self.eval_json("--tasks", "piqa", "--limit", "1", *self.model)
        for key in ("chat_template", "chat_template_sha", "fewshot_as_multiturn", "system_instruction"):
            self.assertIsNone(out[key])

    def test_parts_are_merged(self):
        db = self.path("t.db")
        args = ["--tasks", "piqa", *self.chat]
        whole = self.eval_json(*args, "--db", self.path("whole.db"))
        ids = [self.eval_json(*args, "--shard", shard, "--db", db)["tern"]["record"] for shard in ("1/2", "2/2")]
        merged = self.eval_json("--merge", *ids, "--db", db, "--log_samples")
        self.assertEqual(merged["results"], whole["results"])
        # No template is at hand: the messages stand for the text.
        self.assertEqual(merged["samples"]["piqa"][0]["arguments"]["gen_args_0"]["arg_0"],
                         [{"role": "user", "content": "Question: keep soup warm\nAnswer:"}])

    def test_another_template_is_another_evaluation(self):
        other = self.path("chatml.jinja")
        with open(other, "w", encoding="utf-8") as file:
            file.write(CHATML)
        records = {}
        for name, template in (("bitnet", self.template), ("chatml", other)):
            path = self.path(f"{name}.db")
            self.eval("--tasks", "piqa", "--limit", "1", "--db", path, *self.model, "--apply_chat_template", template)
            records[name] = self.record(path)["protocol"]["identity"]
        self.assertEqual({key for key in records["bitnet"] if records["bitnet"][key] != records["chatml"][key]},
                         {"chat_template"})

    def test_refusals(self):
        args = ["--tasks", "gsm8k_bitnet", "--data", self.data]
        self.refused(*args, *self.model, says=["chat_template in ", "expected a template", "got none"])
        unknown = self.path("other.jinja")
        with open(unknown, "w", encoding="utf-8") as file:
            file.write("{{ messages }}")
        self.refused(*args, *self.model, "--apply_chat_template", unknown,
                     says=["other.jinja", "expected one of bitnet", "an unknown one"])
        self.refused(*args, *self.model, "--apply_chat_template", self.path("none.jinja"), says="none.jinja")
        self.refused(*args, *self.chat, "--fewshot_as_multiturn", "maybe", says="--fewshot_as_multiturn")


if __name__ == "__main__":
    unittest.main()
