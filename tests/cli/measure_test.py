"""tern measure: the command as its user would run it, its figures, and what happens when something fails."""

import bisect
import contextlib
import csv
import io
import json
import math
import os
import pty
import signal
import statistics
import subprocess
import sys
import unittest
import urllib.request

import jsonschema

from run_tern import TernTest, command, tern

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ["TERN_SOURCE_DIR"]
EMULATED = bool(os.environ.get("TERN_EMULATOR"))
INCLUDED = ("intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl:1:0")


class Writer:
    """A powercap tree whose counters move; truth() is what they showed between two moments."""

    def __init__(self, root):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "powercap_writer.py"), root],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.result = None

    def stop(self):
        if self.result is None:
            self.result = json.loads(self.process.communicate()[0])
            self.times = [time for time, _ in self.result["log"]]
        return self.result

    def truth(self, begin_ns, end_ns, zones=INCLUDED):
        log, names = self.stop()["log"], self.result["zones"]
        first, last = (log[max(bisect.bisect(self.times, at) - 1, 0)][1] for at in (begin_ns, end_ns))
        return sum(last[names.index(zone)] - first[names.index(zone)] for zone in zones)


class Measure(TernTest):
    def setUp(self):
        super().setUp()
        self.db = self.path("t.db")
        self.root = self.path("root")
        os.mkdir(self.root)

    def measure(self, *args, options=(), stdin=None, code=0, **more):
        result = tern("measure", "--sysroot", self.root, "--db", self.db, *options, "--", *args,
                      env=self.env, stdin=stdin, **more)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def record(self, *args, options=(), **more):
        result = self.measure(*args, options=("-o", "json", "--report", self.path("r.json"), *options), **more)
        with open(self.path("r.json"), encoding="utf-8") as file:
            record = json.load(file)
        os.remove(self.path("r.json"))
        return record, result

    def writer(self):
        writer = Writer(self.root)
        self.addCleanup(writer.stop)
        return writer

    def stored(self):
        if not os.path.exists(self.db):
            return []
        return [json.loads(line) for line in self.run_ok("store", "export", "--db", self.db).splitlines()]

    def assert_valid(self, record):
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(record)], [])

    def still_tree(self, unit_uj=61):
        """One package whose counter does not move; it counts in units of so many microjoules."""
        folder = os.path.join(self.root, "sys/class/powercap/intel-rapl:0")
        os.makedirs(folder)
        for name, text in (("name", "package-0"), ("energy_uj", "1000000"),
                           ("max_energy_range_uj", str(unit_uj * (2**32 - 1)))):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text + "\n")


class Joules(Measure):
    def test_the_truth_within_one_per_cent_and_every_excluded_domain_by_name(self):
        # A machine busy with other things may hold up the writer or the reader at an edge: once in a while.
        for attempt in range(3):
            self.root = self.path(f"root{attempt}")
            os.mkdir(self.root)
            writer = self.writer()
            out = self.measure("sleep", "2", options=("--report", "-", "-o", "json")).stdout
            writer.stop()
            record = json.loads(out)
            trial, = record["trials"]
            energy = trial["energy"]
            joules = sum(domain["uj"] for domain in energy["domains"].values() if domain["included"]) / 1e6
            end_ns = trial["start_unix_ns"] + trial["elapsed_ns"]
            error = joules / writer.truth(trial["start_unix_ns"], end_ns) - 1
            if abs(error) < 0.01:
                break
        self.assertLess(abs(error), 0.01)
        self.assert_valid(record)
        self.assertEqual(record["trials"], self.stored()[-1]["trials"])
        self.assertEqual(energy["status"], "measured")
        self.assertEqual(energy["source"], "powercap")
        self.assertEqual(energy["coverage"], "2 of 2 packages + dram")
        excluded = {name: domain["why"] for name, domain in energy["domains"].items() if not domain["included"]}
        self.assertEqual(excluded, {"package-0/core": "inside the package", "psys": "contains the packages",
                                    "intel-rapl-mmio:0/package-0": "repeats package-0"})
        for name, zone in (("package-1", "intel-rapl:1"), ("psys", "intel-rapl:2")):
            truth = writer.truth(trial["start_unix_ns"], end_ns, [zone])
            self.assertLess(abs(energy["domains"][name]["uj"] / 1e6 / truth - 1), 0.02, name)
        # 70 J are left in package-1, and it draws 60 W: the window must have held a wrap.
        self.assertGreater(energy["domains"]["package-1"]["uj"], 70e6)
        self.assertIn(f"meters were read under {self.root}, not on this machine", record["reasons"])

    def test_idle_power_gives_dynamic_energy_beside_the_total(self):
        self.writer()
        record, _ = self.record("sleep", "0.5", options=("--idle", "1", "-r", "2"))
        self.assert_valid(record)
        for trial in record["trials"]:
            self.assertGreater(trial["energy"]["idle_w"], 100)
            self.assertLess(trial["energy"]["idle_w"], 220)
        idle = record["protocol"]["idle"]
        self.assertEqual(idle["seconds"], 1)
        self.assertEqual([block["status"] for block in idle["blocks"]], ["measured"])
        shown = self.run_ok("store", "show", record["id"], "--db", self.db)
        self.assertLess(shown.index("| energy, J "), shown.index("| dynamic energy, J "))
        self.assertIn("idle power: ", shown)
        self.assertIn("not in the total: psys: contains the packages", shown)

    def test_a_window_that_the_meter_cannot_resolve(self):
        self.still_tree()
        record, _ = self.record("true")
        self.assert_valid(record)
        energy = record["trials"][0]["energy"]
        self.assertEqual(energy["status"], "not_measured")
        self.assertIn("the counter did not move in the window of", energy["why"])

    def test_a_counter_that_stands_still(self):
        self.still_tree()
        record, _ = self.record("sleep", "0.3")
        self.assertIn("did not move in the window", record["trials"][0]["energy"]["why"])

    def test_few_updates_are_said_to_be_few(self):
        self.writer()
        text = self.measure("sleep", "0.03").stderr
        self.assertIn("energy: measured by powercap", text)
        window_s = self.stored()[0]["trials"][0]["energy"]["window_s"]
        if window_s >= 0.1:
            self.skipTest(f"the machine took {window_s} s for a sleep of 0.03 s: that is no short window")
        self.assertRegex(text, "shorter than 100 updates of the meter.*% of the energy")

    def test_without_a_meter_there_is_a_reason_and_no_number(self):
        record, _ = self.record("true", options=("--idle", "600"))
        self.assert_valid(record)
        self.assertEqual(record["trials"][0]["energy"]["status"], "not_measured")
        self.assertIn("powercap does not exist", record["trials"][0]["energy"]["why"])
        self.assertIn("why", record["protocol"]["idle"])
        shown = self.run_ok("store", "show", record["id"], "--db", self.db)
        self.assertRegex(shown, r"\| energy, J +\| +n/m \|")
        # Once is enough, though idle power lacks for the same reason.
        self.assertEqual(shown.count(record["trials"][0]["energy"]["why"]), 1)

    def test_required_energy(self):
        result = self.measure("true", options=("--require-energy",), code=6)
        self.assertIn("wall time, s", result.stderr)
        self.assertIn("--require-energy: the energy of repetition 1 was not measured: ", result.stderr)
        self.assertEqual(self.stored()[0]["status"], "ok")
        self.measure("sh", "-c", "exit 9", options=("--require-energy",), code=9)
        self.writer()
        self.measure("sleep", "0.3", options=("--require-energy",))


class Command(Measure):
    def test_exit_codes_pass_through(self):
        for script, code in (("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("kill -KILL $$", 137),
                             ("kill -TERM $$", 143)):
            with self.subTest(script):
                record, _ = self.record("sh", "-c", script, code=code)
                self.assert_valid(record)
                usage = record["trials"][0]["command"]
                self.assertEqual(usage["exit_code"], code)
                self.assertEqual(usage["status"], "failed" if code else "ok")
                self.assertEqual(usage.get("signal", 0), max(code - 128, 0))

    def test_what_cannot_be_executed(self):
        data = self.path("data.txt")
        with open(data, "w", encoding="ascii") as file:
            file.write("echo no shell here\n")
        for argv, code, says in ((["no-such-command-anywhere"], 127, "not found in PATH"),
                                 ([self.path("nowhere")], 127, "No such file"),
                                 ([data], 126, "Permission denied"),
                                 ([self.folder], 126, "Permission denied")):
            with self.subTest(argv):
                self.assert_refused("measure", "--db", self.db, "--", *argv, code=code, says=says)
        os.chmod(data, 0o755)
        self.assert_refused("measure", "--db", self.db, "--", data, code=126, says="Exec format error")
        self.assertEqual(self.stored(), [])

    def test_usage_and_own_failures_are_125(self):
        for args, says in (((), "--"), (("sleep", "1"), "sleep"), (("--",), "a command"), (("--bogus", "--", "true"), "--bogus"),
                           (("-r", "0", "--", "true"), "-r"), (("--idle", "nan", "--", "true"), "--idle"),
                           (("--delay", "-1", "--", "true"), "--delay"), (("-o", "yaml", "--", "true"), "yaml"),
                           (("--sysroot", self.path("none"), "--", "true"), "--sysroot"),
                           (("--db", self.folder, "--", "true"), "folder"),
                           (("--no-store", "--db", self.db, "--", "true"), "--no-store"),
                           (("--report", self.path("no/where"), "--", "true"), "no/where")):
            with self.subTest(args):
                self.assert_refused("measure", *args, code=125, says=says)
        self.assert_refused("measure", "--report", self.path("no/where"), "--", "touch", self.path("ran"), code=125)
        self.assertFalse(os.path.exists(self.path("ran")), "the report's place was tried too late")

    def test_streams_and_arguments_are_the_commands_own(self):
        report = self.path("report.md")
        result = self.measure("sh", "-c", "cat; echo problem >&2", stdin="line\nno newline",
                              options=("--report", report))
        self.assertEqual(result.stdout, "line\nno newline")
        self.assertEqual(result.stderr, "problem\n")
        with open(report, encoding="utf-8") as file:
            self.assertIn("| wall time, s", file.read())
        words = ["--some_flag=a_b", "-ub", "", "--", "a b", "-o", "yaml"]
        result = self.measure("printf", "%s|", *words)
        self.assertEqual(result.stdout, "".join(word + "|" for word in words))
        self.assertIn("| wall time, s", result.stderr)

    @unittest.skipIf(EMULATED, "the emulator's own descriptors and signals would show")
    def test_the_command_inherits_what_it_would_without_us(self):
        script = "ls /proc/self/fd; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; pwd; env | grep ^XDG"
        direct = subprocess.run(["sh", "-c", script], env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=True).stdout
        result = subprocess.run(command("TERN_BINARY", "measure", "--", "sh", "-c", script), stdin=subprocess.DEVNULL,
                                env={**os.environ, **self.env}, capture_output=True, text=True, check=True)
        self.assertEqual(result.stdout, direct)

    def test_a_closed_stream_stays_closed(self):
        line = " ".join(map(str, command("TERN_BINARY", "measure", "--report", self.path("r.md"), "--", "sh", "-c")))
        script = "'if echo x; then exit 1; else exit 0; fi'"
        result = subprocess.run(["sh", "-c", f"{line} {script} >&-"], env={**os.environ, **self.env},
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_usage_of_the_tree_that_was_waited_for(self):
        eater = "b = bytearray(150 << 20); b[::4096] = b'x' * len(b[::4096])\nfor i in range(3000000): pass"
        record, _ = self.record("sh", "-c", f"'{sys.executable}' -c \"{eater}\"; true")
        trial, = record["trials"]
        usage = trial["command"]
        self.assertGreater(usage["peak_rss_bytes"], 150 << 20)
        self.assertGreater(usage["user_ns"], 10_000_000)
        self.assertEqual(trial["cpu_ns"], usage["user_ns"] + usage["system_ns"])
        # Nothing of ours passes for the command's: either less, or said not to be known.
        small = self.record("true")[0]["trials"][0]["command"]
        self.assertTrue(small.get("peak_rss_bytes", 0) < 100 << 20)
        self.assertEqual("peak_rss_bytes" in small, "why_no_peak_rss" not in small)

    def test_help(self):
        out = self.run_ok("help", "measure")
        self.assertEqual(out, self.run_ok("measure", "--help"))
        for word in ("-- COMMAND", "--idle", "--report", "--require-energy", "--warmup", "--no-store", "125", "127"):
            self.assertIn(word, out)

    def test_no_secrets_of_the_environment(self):
        self.env["SECRET_TOKEN"] = "hunter2-in-the-environment"
        record, _ = self.record("true")
        self.assertNotIn("hunter2", json.dumps(record))
        subject, = record["subjects"]
        self.assertEqual((subject["engine"], subject["argv"]), ("command", ["true"]))


class Series(Measure):
    def test_repetitions_have_mean_spread_and_interval(self):
        record, result = self.record("sh", "-c", "echo out", options=("-r", "4", "--warmup", "2", "--delay", "0.01"))
        self.assert_valid(record)
        self.assertEqual(result.stdout, "out\n" * 6)
        self.assertEqual([trial["order_index"] for trial in record["trials"]], [0, 1, 2, 3])
        self.assertEqual((record["protocol"]["repetitions"], record["protocol"]["warmup"]), (4, 2))
        shown = self.run_ok("store", "show", record["id"], "--db", self.db)
        cells = [line.split("|") for line in shown.splitlines() if line.startswith("| wall time, s")][0]
        times = [trial["elapsed_ns"] / 1e9 for trial in record["trials"]]
        mean = sum(times) / 4
        sd = (sum((t - mean) ** 2 for t in times) / 3) ** 0.5
        half = 3.182446305 * sd / 2  # Student's t, 3 degrees of freedom, 97.5 %
        self.assertAlmostEqual(float(cells[2]), mean, delta=mean * 1e-4)
        self.assertAlmostEqual(float(cells[3]), sd, delta=sd * 1e-2)
        low, high = map(float, cells[4].split(" to "))
        self.assertAlmostEqual(high - low, 2 * half, delta=half * 1e-2)
        self.assertEqual(cells[5].strip(), "4")

    def test_one_repetition_has_no_interval(self):
        out = self.measure("true").stderr
        self.assertRegex(out, r"\| wall time, s +\| +[0-9.e-]+ \| +n/m \| +n/m \|")

    def test_a_failure_ends_the_series_and_is_kept(self):
        script = f"echo run >> {self.path('runs')}; test $(wc -l < {self.path('runs')}) -lt 3 || exit 5"
        record, _ = self.record("sh", "-c", script, options=("-r", "9"), code=5)
        self.assert_valid(record)
        self.assertEqual(record["status"], "failed")
        self.assertEqual([trial["command"]["status"] for trial in record["trials"]], ["ok", "ok", "failed"])
        self.assertEqual(record["trials"][2]["command"]["why"], "it exited with 5")
        self.assertIn("repetition 3 of 9 failed: it exited with 5", record["reasons"])
        self.assertEqual(self.stored(), [record])
        shown = self.run_ok("store", "show", record["id"], "--db", self.db)
        self.assertIn("2 of 9 repetitions succeeded, exit code 5", shown)
        wall = [line for line in shown.splitlines() if line.startswith("| wall time, s")][0]
        self.assertEqual(wall.split("|")[5].strip(), "2", "a failed repetition is no sample")

    def test_a_failed_warm_up_measures_nothing(self):
        result = self.measure("sh", "-c", "exit 3", options=("--warmup", "1", "-r", "2"), code=3)
        self.assertIn("warm-up 1 of 1 failed: it exited with 3", result.stderr)
        self.assertEqual(self.stored(), [])

    def test_a_command_that_vanishes_in_mid_series(self):
        program = self.path("once")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nrm \"$0\"\n")
        os.chmod(program, 0o755)
        record, _ = self.record(program, options=("-r", "3"), code=127)
        self.assertEqual((len(record["trials"]), record["status"]), (1, "failed"))
        self.assertIn("No such file", record["reasons"][-1])

    def test_csv_and_jsonl(self):
        out = self.measure("true", options=("-r", "2", "-o", "csv", "--report", "-")).stdout
        rows = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual([row["repetition"] for row in rows], ["0", "1"])
        for row in rows:
            self.assertEqual(row["command"], "true")
            self.assertGreater(float(row["wall_s"]), 0)
            self.assertEqual((row["energy_status"], row["energy_j"]), ("not_measured", ""))
            self.assertTrue(row["why_no_energy"])
        line = self.measure("true", options=("-o", "jsonl", "--report", "-")).stdout
        self.assertEqual([json.loads(line)], self.stored()[-1:])
        self.assertEqual(line.count("\n"), 1)

    def test_nothing_is_kept_where_nothing_is_to_be(self):
        result = tern("measure", "--no-store", "--", "true", env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("was not kept", result.stderr)
        self.assertFalse(os.path.exists(self.path("data")))

    def test_counters_are_numbers_or_reasons(self):
        record, _ = self.record("true")
        counters = record["trials"][0]["counters"]
        self.assertIn("cycles", counters)
        for name, counter in counters.items():
            self.assertEqual("value" in counter, "why" not in counter, name)
            self.assertNotEqual(counter.get("value"), 0, name)


class Places(Measure):
    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk_costs_neither_output_nor_record(self):
        result = self.measure("echo", "precious", options=("--report", "/dev/full"), code=125)
        self.assertEqual(result.stdout, "precious\n")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn("/dev/full: No space left", result.stderr)
        self.assertEqual(self.stored()[0]["status"], "ok")
        with open("/dev/full", "w") as full:
            process = tern("measure", "--no-store", "--report", "-", "--", "true", env=self.env, stdout=full)
        self.assertEqual(process.returncode, 125)
        self.assertIn("stdout: No space left", process.stderr)

    def test_a_report_file_appears_whole(self):
        report = self.path("r.md")
        with open(report, "w", encoding="ascii") as file:
            file.write("the old one")
        self.measure("sh", "-c", f"cat {report}; exit 4", options=("--report", report), code=4)
        with open(report, encoding="utf-8") as file:
            self.assertIn("exit code 4", file.read())
        self.assertEqual([name for name in os.listdir(self.folder) if ".tmp-" in name], [])

    def test_a_reader_that_went_away(self):
        process = subprocess.Popen(command("TERN_BINARY", "measure", "--no-store", "--report", "-", "--", "true"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.close()
        text = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 125, text)
        self.assertIn("stdout: Broken pipe", text)


class Signals(Measure):
    def start(self, *args, **more):
        process = subprocess.Popen(
            command("TERN_BINARY", "measure", "--db", self.db, "--sysroot", self.root, "-r", "3",
                    "--report", self.path("r.md"), "--", *args),
            env={**os.environ, **self.env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, **more)

        def end():  # the command too, should it have been left behind
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

        self.addCleanup(end)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_signals_are_passed_on_and_the_report_comes(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                process = self.start("sh", "-c", "echo ready; exec sleep 600")
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=60), 128 + number)
                with open(self.path("r.md"), encoding="utf-8") as file:
                    self.assertIn(f"repetition 1 of 3 failed: it was ended by {number.name}", file.read())

    def test_a_command_that_outlives_a_signal_ends_the_series(self):
        process = self.start("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143)
        record, = self.stored()
        self.assertEqual((record["status"], len(record["trials"])), ("failed", 1))
        self.assertIn("stopped by SIGTERM after 1 of 3 repetitions", record["reasons"])

    def test_an_ignored_signal_stays_ignored(self):
        process = self.start("sh", "-c", "echo ready; read line; exit 0", stdin=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        process.communicate("go\n", timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(self.stored()[0]["trials"]), 3)

    def test_ctrl_c_reaches_the_command_once(self):
        # Taken one by one, so that none can hide behind another; 30 s are patience, not a measure.
        program = ("import signal\nwaited = {signal.SIGINT}\nsignal.pthread_sigmask(signal.SIG_BLOCK, waited)\n"
                   "print('ready', flush=True)\nn = 0\n"
                   "while signal.sigtimedwait(waited, 30 if n < 5 else 0.5):\n"
                   "    n += 1\n    print('interrupt', n, flush=True)\nraise SystemExit(n - 5)")
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(self.env)
            words = command("TERN_BINARY", "measure", "--db", self.db, "--", sys.executable, "-c", program)
            os.execvp(words[0], words)
        shown = b""
        for expected in [b"ready"] + [b"interrupt %d" % n for n in range(1, 5)]:
            while expected not in shown:
                shown += os.read(terminal, 4096)
            os.write(terminal, b"\x03")
        try:
            while chunk := os.read(terminal, 4096):
                shown += chunk
        except OSError:  # how a terminal without a program reads
            pass
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
        self.assertIn(b"interrupt 5", shown)
        self.assertNotIn(b"interrupt 6", shown)
        self.assertIn(b"| wall time, s", shown)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertEqual(self.stored()[0]["status"], "ok")


class Readers(Measure):
    """Whoever reads records must live with one that has no tokens."""

    def test_list_show_compare_and_gate(self):
        records = [self.record("sleep", "0.01", options=("-r", "2"))[0] for _ in range(2)]
        row = json.loads(self.run_ok("store", "list", "-o", "json", "--db", self.db))[0]
        self.assertEqual((row["tests"], row["trials"]), ("sleep 0.01", 2))
        shown = self.run_ok("store", "show", records[0]["id"], "--db", self.db)
        self.assertIn("sleep 0.01: 2 of 2 repetitions succeeded, exit code 0", shown)
        self.assertNotIn("| t/s", shown)
        other = self.path("other.db")
        self.run_ok("bench", "-m", "synth:tiny", "-p", "8", "-n", "2", "-r", "1", "--db", other)
        bench = json.loads(self.run_ok("store", "export", "--db", other))
        with open(self.path("bench.jsonl"), "w", encoding="utf-8") as file:
            file.write(json.dumps(bench) + "\n")
        self.run_ok("store", "import", self.path("bench.jsonl"), "--db", self.db)
        # The newest run of a model is judged, not the newest record.
        self.record("true")
        result = tern("gate", "--against", "latest", "--db", self.db, env=self.env)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn(bench["id"], result.stdout)

    def test_two_commands_compared(self):
        self.writer()
        short, long = (self.record("sleep", seconds, options=("-r", "3"))[0] for seconds in ("0.3", "0.6"))
        text = self.run_ok("compare", long["id"], short["id"], "--db", self.db)
        self.assertIn("- A: sleep 0.6; record " + long["id"], text)
        self.assertIn("unpaired: drift between the runs is not controlled", text)
        self.assertNotIn("nan", text)
        compared = json.loads(self.run_ok("compare", long["id"], short["id"], "--db", self.db, "-o", "json"))
        rows = {row["metric"]: row for row in compared["rows"]}
        self.assertEqual(set(rows), {"wall time", "CPU time", "energy"})
        seconds = {"wall time": lambda trial: trial["elapsed_ns"] / 1e9,
                   "CPU time": lambda trial: (trial["command"]["user_ns"] + trial["command"]["system_ns"]) / 1e9,
                   "energy": lambda trial: sum(domain["uj"] for domain in trial["energy"]["domains"].values()
                                               if domain["included"]) / 1e6}
        for metric, value in seconds.items():
            row = rows[metric]
            sides = [[value(trial) for trial in record["trials"]] for record in (long, short)]
            self.assertEqual((row["pairing"], row["n_a"], row["n_b"]), ("unpaired", 3, 3))
            self.assertAlmostEqual(row["a"], statistics.mean(sides[0]))
            self.assertAlmostEqual(row["b"], statistics.mean(sides[1]))
            ratio = row["ratio"]
            self.assertAlmostEqual(ratio["value"], math.exp(statistics.mean(map(math.log, sides[0])) -
                                                            statistics.mean(map(math.log, sides[1]))))
            self.assertLess(ratio["low"], ratio["value"])
            self.assertGreater(ratio["high"], ratio["value"])
        self.assertEqual(rows["energy"]["unit"], "J")
        self.assertGreater(rows["energy"]["ratio"]["u_cmp"], 0)
        result = tern("gate", long["id"], short["id"], "--db", self.db, env=self.env)
        self.assertEqual(result.returncode, 4, result.stdout + result.stderr)
        self.assertIn("wall time the command: unpaired", result.stdout)

    def test_commands_without_joules_are_compared_in_time(self):
        records = [self.record("sleep", "0.01", options=("-r", "2"))[0] for _ in range(2)]
        compared = json.loads(self.run_ok("compare", *(record["id"] for record in records), "--db", self.db,
                                          "-o", "json"))
        self.assertIn("wall time", [row["metric"] for row in compared["rows"]])
        self.assertEqual(compared["rows"][0]["test"], "sleep 0.01")
        self.assertIn("powercap does not exist", [missing["why"] for missing in compared["missing"]
                                                  if missing["metric"] == "energy"][0])

    def test_the_dashboard(self):
        record, _ = self.record("sleep", "0.01", options=("-r", "2"))
        process = subprocess.Popen(command("TERN_BINARY", "serve", "--port", "0", "--db", self.db),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        url = process.stdout.readline().strip()
        runs = json.load(urllib.request.urlopen(url + "api/runs", timeout=60))
        self.assertEqual(runs["runs"][0]["tests"], "sleep 0.01")
        run = json.load(urllib.request.urlopen(url + "api/runs/" + record["id"], timeout=60))
        self.assertEqual(run["notes"], [])
        self.assertEqual([trial["command"]["exit_code"] for trial in run["trials"]], [0, 0])
        wall = run["command"]["figures"][0]
        self.assertEqual((wall["name"], wall["n"]), ("wall time, s", 2))
        self.assertEqual(wall, runs["runs"][0]["command"][0])
        self.assertIn("energy: not measured: ", run["command"]["notes"][0])
        for trial in run["trials"]:
            self.assertNotIn("tokens_per_s", trial)


if __name__ == "__main__":
    unittest.main()
