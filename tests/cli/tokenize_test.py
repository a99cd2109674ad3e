"""tern model tokenize and generate: JSON strings to ids and back, text in and out, refusals."""

import json
import os
import unittest

from run_tern import TernTest

REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BOS, EOT = 258, 259


def alphabet():
    """GPT-2's letter for each byte."""
    shifted = iter(range(256, 512))
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    return [chr(byte if byte in visible else next(shifted)) for byte in range(256)]


def tokenizer_json():
    """The bytes are the ids 0 to 255, then "he" and " w", then two special tokens."""
    letters = alphabet()
    space = letters[32]
    vocab = {letter: byte for byte, letter in enumerate(letters)}
    vocab.update({"he": 256, space + "w": 257})
    return {
        "added_tokens": [
            {"id": BOS, "content": "<|begin_of_text|>", "special": True},
            {"id": EOT, "content": "<|eot_id|>", "special": True},
        ],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": REGEX}, "behavior": "Isolated"},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|begin_of_text|>"}}, {"Sequence": {"id": "A"}}],
        },
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["h e", space + " w"]},
    }


def sentencepiece_json():
    """<unk>, <s>, </s>, the mark of a space, the bytes from 4 on, then "h", "e" and "he"."""
    mark = "\u2581"
    vocab = ["<unk>", "<s>", "</s>", mark, *(f"<0x{byte:02X}>" for byte in range(256)), "h", "e", "he"]

    def replace(old, new):
        return {"type": "Replace", "pattern": {"String": old}, "content": new}

    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    return {
        "added_tokens": [{"id": i, "content": vocab[i], "special": True} for i in range(3)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": mark}, replace(" ", mark)],
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [replace(mark, " "), {"type": "ByteFallback"}, {"type": "Fuse"}, strip],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "byte_fallback": True,
            "vocab": {text: i for i, text in enumerate(vocab)},
            "merges": ["h e"],
        },
    }


class Tokenizing(TernTest):
    def setUp(self):
        super().setUp()
        self.tokenizer = self.write("tokenizer.json", tokenizer_json())

    def write(self, name, document):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(document, file)
        return self.path(name)

    def lines(self, *args, stdin):
        return [json.loads(line) for line in self.run_ok("model", *args, stdin=stdin).splitlines()]


class Tokenize(Tokenizing):
    def encode(self, *texts, special=False):
        stdin = "".join(json.dumps(text) + "\n" for text in texts)
        args = ["tokenize", "--tokenizer", self.tokenizer] + ["--special"] * special
        return [line["ids"] for line in self.lines(*args, stdin=stdin)]

    def test_ids_of_each_line(self):
        ids = self.encode("he we", "", "\u4e2d\n", "x<|eot_id|>")
        self.assertEqual(ids[:3], [[256, 257, 101], [], [0xE4, 0xB8, 0xAD, 10]])
        self.assertEqual(ids[3], list(b"x<|eot_id|>"))
        self.assertEqual(self.encode("x<|eot_id|>", special=True), [[120, EOT]])

    def test_model_folder(self):
        out = self.lines("tokenize", "-m", self.folder, stdin='"he"\n')
        self.assertEqual(out, [{"ids": [256]}])

    def test_nothing_in_nothing_out(self):
        self.assertEqual(self.encode(), [])

    def test_decode_goes_back(self):
        texts = ["he we", "", "\u4e2d\n\u2028\U0001f600", "a<|eot_id|>"]
        stdin = "".join(json.dumps({"ids": ids}) + "\n" for ids in self.encode(*texts, special=True))
        args = ["tokenize", "--tokenizer", self.tokenizer, "--decode"]
        self.assertEqual(self.lines(*args, stdin=stdin), texts)
        # A bare list will do; half a character cannot stand in JSON.
        self.assertEqual(self.lines(*args, stdin="[104,256]\n[228,184]\n"), ["hhe", "\ufffd"])

    def test_add_special_puts_bos(self):
        args = ["tokenize", "--tokenizer", self.tokenizer, "--add-special"]
        self.assertEqual(self.lines(*args, stdin='"he"\n""\n'), [{"ids": [BOS, 256]}, {"ids": [BOS]}])

    def test_sentencepiece(self):
        path = self.write("pieces.json", sentencepiece_json())
        args = ["tokenize", "--tokenizer", path]
        out = self.lines(*args, stdin='"he he"\n"x\u00e9"\n"<s>he"\n')
        byte = 4
        self.assertEqual(
            [line["ids"] for line in out],
            [[3, 262, 3, 262], [3, byte + 0x78, byte + 0xC3, byte + 0xA9], [3, *(byte + b for b in b"<s>"), 262]],
        )
        self.assertEqual(self.lines(*args, "--special", stdin='"<s>he"\n'), [{"ids": [1, 3, 262]}])
        back = self.lines(*args, "--decode", stdin="[3,262,3,262]\n[1,3,262]\n[3,199]\n")
        self.assertEqual(back, ["he he", "<s> he", "\ufffd"])

    def test_bad_lines_print_nothing(self):
        args = ["model", "tokenize", "--tokenizer", self.tokenizer]
        for bad in ("he", "[1]", "", '"\\ud800"', '"a" "b"'):
            says = ("standard input, line 2", "a JSON string")
            self.assert_refused(*args, stdin='"fine"\n' + bad + "\n", says=says)
        for bad in ('"a"', '{"id":[1]}', "[1.5]", "[-1]", "[260]", "[[1]]"):
            says = ("standard input, line 2", "expected")
            self.assert_refused(*args, "--decode", stdin="[1]\n" + bad + "\n", says=says)

    def test_no_tokenizer(self):
        self.assert_refused("model", "tokenize", stdin="", says="expected -m MODEL or --tokenizer")
        self.assert_refused("model", "tokenize", "-m", "synth:tiny", stdin="", says="synthetic")
        lacking = tokenizer_json()
        del lacking["model"]["merges"]
        path = self.write("lacking.json", lacking)
        self.assert_refused(
            "model", "tokenize", "--tokenizer", path, stdin="", says=("model.merges", "no such key")
        )


class Generate(Tokenizing):
    def generate(self, *args):
        return self.run_ok("model", "generate", "-m", "synth:tiny", "-n", "12", *args)

    def test_prompt_is_bos_and_its_ids(self):
        text = ["--ignore-eos", "--tokenizer", self.tokenizer, "--prompt"]
        from_text = self.generate(*text, "he<|eot_id|>", "--ids")
        self.assertEqual(from_text, self.generate("--tokens", f"{BOS},256,{EOT}", "--ids"))
        self.assertEqual(from_text, self.generate("--tokens", f"{BOS},256,{EOT}", "--ids", "--greedy-head"))
        self.assertEqual(from_text, self.generate("--tokens", f"{BOS},256,{EOT}", "--ids", "--skip-zeros"))
        # BOS is not doubled.
        self.assertEqual(from_text, self.generate(*text, "<|begin_of_text|>he<|eot_id|>", "--ids"))
        self.assertEqual(len(json.loads(self.generate(*text, "", "--ids"))), 12)
        # The end of a turn ends the text.
        stopped = json.loads(self.generate(*text[1:], "he<|eot_id|>", "--ids"))
        self.assertEqual(stopped, json.loads(from_text)[:len(stopped)])
        self.assertEqual(stopped.index(EOT), len(stopped) - 1)

    def test_a_message_is_put_into_the_chat_template(self):
        folder = self.path("chat")
        os.makedirs(folder)
        self.write("chat/tokenizer.json", tokenizer_json())
        with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as file:
            file.write("{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | "
                       "trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}")
        answer = self.generate("--tokenizer", folder, "--chat", "--prompt", "he", "--ids")
        self.assertEqual(answer, self.generate("--tokenizer", folder, "--prompt",
                                               "User: he<|eot_id|>Assistant: ", "--ids"))
        self.assert_refused("model", "generate", "-m", "synth:tiny", "--chat", "--tokens", "1", says="--chat")
        self.assert_refused("model", "generate", "-m", "synth:tiny", "--chat", "--prompt", "x",
                            "--tokenizer", self.tokenizer, says="chat_template")

    def test_text_is_what_the_ids_say(self):
        # Ids of this network that the tokenizer lacks have no text.
        ids = json.loads(self.generate("--tokens", "1,2,3", "--ids"))
        pieces = {256: b"he", 257: b" w"}
        data = b"".join(pieces.get(i, bytes([i]) if i < 256 else b"") for i in ids)
        out = self.generate("--tokens", "1,2,3", "--tokenizer", self.tokenizer)
        self.assertEqual(out, data.decode(errors="replace") + "\n")

    def test_refusals(self):
        generate = ["model", "generate", "-m", "synth:tiny"]
        self.assert_refused(*generate, says="got neither")
        self.assert_refused(*generate, "--tokens", "1", "--prompt", "x", says="got both")
        self.assert_refused(*generate, "--prompt", "x", says="no tokenizer")
        self.assert_refused(*generate, "--tokens", "1", says="no tokenizer")
        far = tokenizer_json()
        far["added_tokens"].append({"id": 1_000_000, "content": "<far>"})
        path = self.write("far.json", far)
        self.assert_refused(
            *generate, "--prompt", "x", "--tokenizer", path, says=("do not belong together", "1000001")
        )


@unittest.skipUnless(
    os.path.isdir(os.path.join(os.environ.get("TERN_SOURCE_DIR", ""), "../shared/oracle")),
    "no reference models",
)
class ReferenceModel(TernTest):
    def test_text_in_text_out(self):
        models = os.path.join(os.environ["TERN_SOURCE_DIR"], "../shared/oracle/models/tiny-a")
        outputs = set()
        for model in ("tiny-a.i2_s.gguf", "hf-packed"):
            outputs.add(
                self.run_ok(
                    "model", "generate", "-m", os.path.join(models, model), "--prompt", "She", "-n", 8
                )
            )
        self.assertEqual(len(outputs), 1)


if __name__ == "__main__":
    unittest.main()
