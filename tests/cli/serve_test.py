"""`tern serve` from outside: start, fetch, bad input, malformed bytes, signals."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import unittest

import sample_records
from run_tern import TernTest, command


class Serve(TernTest):
    def setUp(self):
        super().setUp()
        self.db = self.path("t.db")
        records = [sample_records.bench_record(1), sample_records.eval_record(2)]
        self.run_ok("store", "import", sample_records.write(self.path("records.jsonl"), records), "--db", self.db)

    def start(self, *args):
        process = subprocess.Popen(command("TERN_BINARY", "serve", "--port", "0", *args),
                                   env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        url = process.stdout.readline().strip()
        self.assertRegex(url, r"^http://127\.0\.0\.1:[0-9]+/$")
        return process, int(url.rstrip("/").rsplit(":", 1)[1])

    def get(self, port, path, **headers):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def raw(self, port, data):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
            return answer

    def test_the_stored_runs(self):
        _, port = self.start("--db", self.db)
        status, page = self.get(port, "/")
        self.assertEqual(status, 200)
        self.assertIn("<title>Tern</title>", page)
        self.assertIn("Chart", self.get(port, "/chart.js")[1])
        status, text = self.get(port, "/api/runs")
        self.assertEqual(status, 200)
        runs = json.loads(text)
        self.assertEqual([run["tests"] for run in runs["runs"]], ["piqa", "pp512, tg128"])
        status, text = self.get(port, "/api/runs/" + runs["runs"][1]["id"])
        run = json.loads(text)
        stored = json.loads(self.run_ok("store", "export", runs["runs"][1]["id"], "--db", self.db))
        self.assertEqual([trial["elapsed_ns"] for trial in run["trials"]],
                         [trial["elapsed_ns"] for trial in stored["trials"]])
        joules = [trial["energy"]["domains"]["package-0"]["uj"] / 1e6 for trial in stored["trials"]]
        for trial, expected in zip(run["trials"], joules):
            self.assertAlmostEqual(trial["energy"]["joules"], expected)
        self.assertEqual(self.get(port, "/api/runs/00")[0], 404)

    def test_a_run_that_is_being_written(self):
        _, port = self.start("--db", self.db)
        writer = subprocess.Popen(command("TERN_STORE_WRITER", self.db), stdout=subprocess.PIPE, text=True)
        self.addCleanup(writer.communicate)
        self.addCleanup(writer.kill)
        for _ in range(3):
            writer.stdout.readline()
        status, text = self.get(port, "/api/runs")
        self.assertEqual(status, 200, text)
        newest = json.loads(text)["runs"][0]
        self.assertGreaterEqual(newest["trials"], 1)
        self.assertEqual(self.get(port, "/api/runs/" + newest["id"])[0], 200)

    def test_a_busy_port(self):
        _, port = self.start("--db", self.db)
        self.assert_refused("serve", "--db", self.db, "--port", port, says=(f"port {port} is busy", "--port 0"))

    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                process, port = self.start("--db", self.db)
                idle = socket.create_connection(("127.0.0.1", port))
                self.addCleanup(idle.close)
                self.assertEqual(self.get(port, "/")[0], 200)
                process.send_signal(number)
                stdout, stderr = process.communicate(timeout=120)
                self.assertEqual(process.returncode, 0, stderr)
                self.assertEqual(stdout, "")

    def test_malformed_bytes_do_not_end_it(self):
        process, port = self.start("--db", self.db)
        refused = (b"\r\n\r\n", b"GET\r\n\r\n", b"\x00\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                   b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b"A" * 100_000)
        for data in refused:
            with self.subTest(data[:40]):
                answer = self.raw(port, data)
                head, _, body = answer.partition(b"\r\n\r\n")
                self.assertRegex(head, rb"^HTTP/1\.1 [45]\d\d ")
                self.assertIn(b"Content-Security-Policy: default-src 'none'", head)
                self.assertTrue(json.loads(body)["error"])
        for data in (b"", b"GET / HTTP/1.1\r\nHost"):
            self.assertEqual(self.raw(port, data), b"")
        self.assertEqual(self.get(port, "/")[0], 200)
        self.assertIsNone(process.poll())

    def test_the_host_header(self):
        _, port = self.start("--db", self.db)
        self.assertEqual(self.get(port, "/", Host=f"localhost:{port}")[0], 200)
        self.assertEqual(self.get(port, "/", Host=f"rebound.example:{port}")[0], 403)

    def test_no_store_yet(self):
        _, port = self.start()
        self.assertEqual(json.loads(self.get(port, "/api/runs")[1])["total"], 0)
        self.assertFalse(os.path.exists(self.path("data")))

    def test_bad_input(self):
        not_a_store = self.path("text")
        with open(not_a_store, "w", encoding="utf-8") as file:
            file.write("not a database, and long enough to be told from an empty one\n" * 20)
        self.assert_refused("serve", "--db", self.path("missing.db"), says="there is no store at")
        self.assert_refused("serve", "--db", not_a_store, says="text")
        self.assert_refused("serve", "--db", self.db, "--host", "0.0.0.0", says="--allow-remote")
        self.assert_refused("serve", "--db", self.db, "--host", "example.org", says="expected localhost or an IP")
        self.assert_refused("serve", "--db", self.db, "--port", "70000", says="--port")
        self.assert_refused("serve", "--db", self.db, "--port", "x", says="--port")
        self.assert_refused("serve", "--db", self.db, "--assets", self.folder, says="--assets")
        self.assert_refused("serve", "--db", self.db, "extra")
        self.assertFalse(os.path.exists(self.path("missing.db")))


if __name__ == "__main__":
    unittest.main()
