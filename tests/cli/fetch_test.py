"""`tern model fetch` and `tern eval --fetch` against servers on loopback that behave, break off, lie and refuse."""

import hashlib
import http.server
import json
import os
import resource
import shutil
import threading
import unittest

from run_tern import TernTest, tern

COMMIT = "c0ffee" * 6 + "c0ff"
TOKEN = "hf_test"
WEIGHTS = bytes(range(256)) * 1024  # 256 KiB
CONFIG = b'{"a": 1}'
SOURCE = os.environ["TERN_SOURCE_DIR"]


def small(name, content):
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"rfilename": name, "size": len(content), "blobId": blob}


def large(name, content):
    lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}


class Server:
    """A server whose answers a test sets: `paths` maps a path to a function of the handler."""

    def __init__(self, test):
        owner = self
        self.requests = []  # (path, headers)
        self.paths = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                owner.requests.append((path, dict(self.headers)))
                self.close_connection = True
                owner.paths.get(path, lambda handler: answer(handler, 404, b""))(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def ranges(self, path):
        return [headers.get("Range") for asked, headers in self.requests if asked == path]


def answer(handler, status, body, headers=(), length=None):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def serve(content, ranges=True):
    def get(handler):
        begin = 0
        if ranges and handler.headers.get("Range"):
            begin = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                return answer(handler, 416, b"")
            where = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            return answer(handler, 206, content[begin:], [("Content-Range", where)])
        return answer(handler, 200, content)

    return get


def redirect(location):
    return lambda handler: answer(handler, 302, b"", [("Location", location)])


class FetchTest(TernTest):
    def setUp(self):
        super().setUp()
        self.hub = Server(self)
        self.env.update(HF_ENDPOINT=self.hub.url, HF_TOKEN="", HOME=self.folder)
        self.publish([small("config.json", CONFIG), large("model.safetensors", WEIGHTS)])
        self.hub.paths[self.resolved("config.json")] = serve(CONFIG)
        self.hub.paths[self.resolved("model.safetensors")] = serve(WEIGHTS)

    def publish(self, files, revision="main"):
        body = json.dumps({"sha": COMMIT, "siblings": files}).encode()
        path = f"/api/models/o/n/revision/{revision}"
        self.hub.paths[path] = lambda handler: answer(handler, 200, body)

    def resolved(self, name):
        return f"/o/n/resolve/{COMMIT}/{name}"

    def fetched(self, name):
        return self.path(f"data/tern/models/o/n/{name}")

    def content(self, name):
        with open(self.fetched(name), "rb") as file:
            return file.read()

    def test_a_repository_arrives_whole_and_a_second_call_asks_for_no_file(self):
        path = self.run_ok("model", "fetch", "o/n").strip()
        self.assertEqual(path, self.path("data/tern/models/o/n"))
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)
        self.assertEqual(self.content("config.json"), CONFIG)
        with open(self.fetched("tern.origin.json")) as file:
            self.assertEqual(json.load(file)["commit"], COMMIT)
        self.assertEqual(
            sorted(os.listdir(path)), ["config.json", "model.safetensors", "tern.origin.json"]
        )
        self.hub.requests.clear()
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual([p for p, _ in self.hub.requests], ["/api/models/o/n/revision/main"])

    def test_a_broken_transfer_goes_on_where_it_ended(self):
        path = self.resolved("model.safetensors")
        whole = serve(WEIGHTS)
        half = len(WEIGHTS) // 2
        broken = iter([True])

        def get(handler):
            if next(broken, False):
                return answer(handler, 200, WEIGHTS[:half], length=len(WEIGHTS))
            return whole(handler)

        self.hub.paths[path] = get
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)
        self.assertEqual(self.hub.ranges(path), [None, f"bytes={half}-"])

    def part(self, content):
        """What an earlier process, killed, has left."""
        checksum = hashlib.sha256(WEIGHTS).hexdigest()[:12]
        os.makedirs(self.path("data/tern/models/o/n"))
        with open(self.fetched(f"model.safetensors.{checksum}.part"), "wb") as file:
            file.write(content)

    def test_what_a_killed_process_left_is_used(self):
        self.part(WEIGHTS[:1000])
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)
        self.assertEqual(self.hub.ranges(self.resolved("model.safetensors")), ["bytes=1000-"])

    def test_a_server_without_ranges_starts_again(self):
        self.part(WEIGHTS[:1000])
        self.hub.paths[self.resolved("model.safetensors")] = serve(WEIGHTS, ranges=False)
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)

    def test_a_complete_part_only_lacks_its_name(self):
        self.part(WEIGHTS)
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)
        self.assertEqual(self.hub.ranges(self.resolved("model.safetensors")), [])

    def refused(self, *args, **options):
        """assert_refused, but notes about files that came before may stand on stderr."""
        says = options.pop("says")
        result = tern("model", "fetch", "o/n", *args, env=self.env, **options)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(result.stdout, "")
        for part in says:
            self.assertIn(part, result.stderr.splitlines()[-1])

    def test_other_content_is_thrown_away(self):
        other = b"x" + WEIGHTS[1:]
        self.hub.paths[self.resolved("model.safetensors")] = serve(other)
        got = hashlib.sha256(other).hexdigest()
        self.refused(says=["model.safetensors: expected sha256", got])
        self.assertEqual(os.listdir(self.path("data/tern/models/o/n")), ["config.json"])

    def test_a_file_longer_or_shorter_than_said(self):
        path = self.resolved("model.safetensors")
        self.hub.paths[path] = serve(WEIGHTS + b"x")
        self.refused(says=[f"expected {len(WEIGHTS)} bytes, got more"])
        shutil.rmtree(self.path("data"))
        self.hub.paths[path] = serve(WEIGHTS[:-1])
        self.refused(says=[f"expected {len(WEIGHTS)} bytes, got {len(WEIGHTS) - 1}"])
        self.assertFalse(os.path.exists(self.fetched("model.safetensors")))

    def test_a_file_of_the_users_is_not_overwritten(self):
        self.run_ok("model", "fetch", "o/n")
        with open(self.fetched("config.json"), "w") as file:
            file.write("mine")
        self.refused(says=["config.json is there and is not the published file"])
        self.assertEqual(self.content("config.json"), b"mine")

    def test_the_token_goes_to_the_hub_and_not_where_it_redirects(self):
        cdn = Server(self)
        cdn.paths["/w"] = serve(WEIGHTS)
        self.hub.paths[self.resolved("model.safetensors")] = redirect(cdn.url + "/w?signature=1")
        self.env["HF_TOKEN"] = TOKEN
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)
        for _, headers in self.hub.requests:
            self.assertEqual(headers.get("Authorization"), "Bearer " + TOKEN)
        self.assertEqual([h.get("Authorization") for _, h in cdn.requests], [None])

    def test_redirects_without_end(self):
        path = self.resolved("config.json")
        self.hub.paths[path] = redirect(path)
        self.refused(says=["at most 10 redirects"])

    def test_refusals_say_what_to_do(self):
        for status, says in ((401, "HF_TOKEN"), (404, "no such thing")):
            self.hub.paths["/api/models/o/n/revision/main"] = lambda h, s=status: answer(h, s, b"")
            self.assert_refused("model", "fetch", "o/n", code=1, says=[f"status {status}", says])
        self.env["HF_TOKEN"] = TOKEN
        self.hub.paths["/api/models/o/n/revision/main"] = lambda h: answer(h, 403, b"")
        self.assert_refused("model", "fetch", "o/n", code=1, says=["the token does not open it"])

    def test_offline(self):
        self.env["HF_ENDPOINT"] = "http://127.0.0.1:9"  # discard: nobody listens
        self.assert_refused("model", "fetch", "o/n", code=1, says=["127.0.0.1:9", "no connection"])
        self.assertFalse(os.path.exists(self.path("data")))

    def test_a_server_that_falls_silent(self):
        hold = threading.Event()
        self.addCleanup(hold.set)

        def get(handler):
            answer(handler, 200, b"{", length=100)
            handler.wfile.flush()
            hold.wait(60)

        self.hub.paths["/api/models/o/n/revision/main"] = get
        self.assert_refused("model", "fetch", "o/n", "--timeout", "0.3", code=1, says="broke off, or paused")

    def test_hostile_names_stay_out(self):
        self.publish([small("../../evil.json", CONFIG)])
        self.assert_refused("model", "fetch", "o/n", code=1, says="stay in their folder")

    def test_a_full_disk(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        import signal
        import subprocess

        from run_tern import command

        result = subprocess.run(
            command("TERN_BINARY", "model", "fetch", "o/n"),
            env={**os.environ, **self.env},
            preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), limit()),
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("cannot write: File too large", result.stderr.splitlines()[-1])
        self.assertFalse(os.path.exists(self.fetched("model.safetensors")))
        self.run_ok("model", "fetch", "o/n")
        self.assertEqual(self.content("model.safetensors"), WEIGHTS)

    def test_choices(self):
        self.publish([large("a.gguf", WEIGHTS), large("b.gguf", CONFIG)])
        self.hub.paths[self.resolved("b.gguf")] = serve(CONFIG)
        self.assert_refused("model", "fetch", "o/n", code=2, says=["a.gguf, b.gguf", "--file"])
        self.assertIn("b.gguf", self.run_ok("model", "fetch", "o/n", "--list"))
        path = self.run_ok("model", "fetch", "o/n", "--file", "b.*", "--out", self.path("m"))
        self.assertEqual(path.strip(), self.path("m/b.gguf"))

    def test_a_bad_command_line(self):
        self.assert_refused("model", "fetch", "no-owner", says="OWNER/NAME")
        self.env["HF_ENDPOINT"] = "http://hub.example"
        self.assert_refused("model", "fetch", "o/n", says="expected https")


class DatasetsTest(TernTest):
    FILES = {
        "gsm8k": ["gsm8k/test.jsonl", "gsm8k/train.jsonl"],
        "piqa": ["piqa/valid-labels.lst", "piqa/valid.jsonl"],
    }

    def setUp(self):
        super().setUp()
        self.mirror = Server(self)
        self.env["TERN_DATASETS_MIRROR"] = self.mirror.url + "/m"

    def test_a_file_that_is_not_the_published_one(self):
        for file in self.FILES["piqa"]:
            self.mirror.paths["/m/" + file] = serve(b"{}\n")
        self.assert_refused("eval", "--fetch", "--tasks", "piqa", code=1, says="expected sha256")
        self.assertEqual(os.listdir(self.path("data/tern/datasets/piqa")), [])

    def test_the_public_files(self):
        public = os.path.join(SOURCE, "../shared/datasets")
        if not os.path.isdir(public):
            self.skipTest("no public datasets beside this checkout")
        for file in (*self.FILES["piqa"], *self.FILES["gsm8k"]):
            with open(os.path.join(public, file), "rb") as opened:
                self.mirror.paths["/m/" + file] = serve(opened.read())
        folder = self.run_ok("eval", "--fetch", "--tasks", "piqa").strip()
        self.assertEqual(folder, self.path("data/tern/datasets"))
        self.run_ok("eval", "--fetch", "--tasks", "piqa")
        self.assertEqual(len(self.mirror.requests), 2)
        # Tasks that ask from the same files.
        self.run_ok("eval", "--fetch", "--tasks", "gsm8k_cot,gsm8k_bitnet")
        self.assertEqual(len(self.mirror.requests), 4)
        self.assert_refused("eval", "--fetch", "--tasks", "arc_easy", says=["arc", "no public file"])


if __name__ == "__main__":
    unittest.main()
