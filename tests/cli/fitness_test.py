"""What makes a run unfit, on a made-up machine whose clock, load, steal, throttling and settings are the test's own:
bench, eval and measure say it, keep their figures, and --strict exits with 5. A machine that stays as it is gives no
such reason."""

import contextlib
import json
import os
import threading
import unittest

import jsonschema

from confined import ConfinedTest
from eval_test import GOALS, Eval

SOURCE = os.environ["TERN_SOURCE_DIR"]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPU = "devices/system/cpu/cpu0/"


class Machine(ConfinedTest, Eval):
    """Ten CPUs whose seconds pass as fast as the test can write them."""

    def setUp(self):
        super().setUp()
        self.write_piqa(GOALS * 60)  # a few questions are answered between two ticks of the clock below
        self.seconds = 0
        self.steal_share = 0.0
        self.foreign_cpus = 0.0
        self.moving = {}  # path below /sys: number after so many seconds
        self.stat = self.bind("/proc/stat", "")
        self.uptime = self.bind("/proc/uptime", "")
        self.sys(CPU + "thermal_throttle/package_throttle_count", "7\n")
        self.sys(CPU + "thermal_throttle/package_throttle_total_time_ms", "1200\n")
        self.sys(CPU + "cpufreq/scaling_governor", "performance\n")
        self.sys(CPU + "cpufreq/scaling_max_freq", "3000000\n")
        self.advance()

    @staticmethod
    def overwrite(path, text):
        """In place and at once: it is bound over another file and read meanwhile."""
        with open(path, "r+b", buffering=0) as file:
            file.write(text.encode())

    def advance(self):
        self.seconds += 1
        busy, steal = (int(share * self.seconds * TICKS_PER_S) for share in (self.foreign_cpus, self.steal_share))
        cpus = "".join(f"cpu{i} 0\n" for i in range(10))
        self.overwrite(self.stat, f"cpu  {busy:012d} 0 0 1000 0 0 0 {steal:012d} 0 0\n{cpus}")
        self.overwrite(self.uptime, f"{self.seconds + 1000:012d}.00 0.00\n")

    @contextlib.contextmanager
    def time_passes(self):
        done = threading.Event()

        def tick():
            while not done.wait(0.01):
                self.advance()
                for path, number in self.moving.items():
                    self.overwrite(os.path.join(self.path("sys"), path), f"{number(self.seconds):012d}\n")

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def commands(self):
        db = ("--db", self.path("t.db"))
        return {
            "measure": ("measure", *db, "{}", "--", "sleep", "0.2"),
            "bench": ("bench", "-m", "synth:tiny", "-p", "8", "-n", "2", "-r", "3", "--baseline", "none", "--idle",
                      "0", *db, "{}"),
            "eval": ("eval", "--data", self.data, "--tasks", "piqa", *self.model, *db, "{}"),
        }

    def run_strict(self, name, *options):
        """The exit code, stderr, and the record that was kept."""
        words = self.commands()[name]
        at = words.index("{}")
        with self.time_passes():
            result = self.confined(*words[:at], *options, *words[at + 1:])
        records = [json.loads(line) for line in
                   self.run_ok("store", "export", "--db", self.path("t.db")).splitlines()]
        return result.returncode, result.stderr, max(records, key=lambda record: record["id"])

    def assert_unfit(self, says):
        for name in self.commands():
            with self.subTest(name):
                code, text, record = self.run_strict(name, "--strict")
                self.assertEqual(code, 5, text)
                self.assertIn("--strict: the environment was unfit: ", text)
                self.assertRegex("\n".join(record["environment"]["fitness"]["reasons"]), says)
                self.assertRegex("\n".join(record["reasons"]), "unfit environment: .*" + says)
                self.assertEqual(record["status"], "unfit")
                self.assertTrue(record["trials"] or record["evals"])
                self.assert_valid(record)

    def assert_valid(self, record):
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(record)], [])

    def test_load(self):
        self.foreign_cpus = 3.0
        self.assert_unfit(r"other programs kept \d\.\d\d of 10 CPUs busy during the run")

    def test_steal(self):
        self.steal_share = 0.5  # of one CPU: 5 % of ten
        self.assert_unfit(r"the hypervisor gave \d\.\d % of the CPU time")

    def test_throttling(self):
        self.moving = {CPU + "thermal_throttle/package_throttle_count": lambda now: 7 + now,
                       CPU + "thermal_throttle/package_throttle_total_time_ms": lambda now: 1200 + 10 * now}
        self.assert_unfit(r"throttled \d+ times by heat \(package\), for [\d.]+ s in all")

    def test_a_frequency_limit(self):
        self.moving = {CPU + "cpufreq/scaling_max_freq": lambda now: 3000000 - now}
        self.assert_unfit(r"frequency limit .* changed from \d+\.\d+ to \d+\.\d+")

    def test_a_machine_that_stays_as_it_is(self):
        for name in self.commands():
            with self.subTest(name):
                code, text, record = self.run_strict(name, "--strict")
                # A build for debugging is unfit for a run of its own code, and for nobody else's.
                reasons = [reason for reason in record["environment"]["fitness"]["reasons"]
                           if name == "measure" or "not optimised" not in reason]
                self.assertEqual(reasons, [])
                self.assertEqual(code, 5 if record["status"] == "unfit" else 0, text)
                if name == "measure":
                    self.assertEqual(record["status"], "ok")
                self.assertEqual(record["environment"]["after"]["throttle_times"]["package"],
                                 {"seconds": 1.2, "from": "thermal_throttle/package_throttle_total_time_ms"})

    def test_without_strict_the_reasons_are_kept_and_the_exit_code_is_the_runs(self):
        self.steal_share = 0.5
        for name in self.commands():
            with self.subTest(name):
                code, text, record = self.run_strict(name)
                self.assertEqual((code, record["status"]), (0, "ok"), text)
                self.assertFalse(record["environment"]["fitness"]["fit"])

    def test_joules_that_are_required_come_first(self):
        self.steal_share = 0.5
        for name in self.commands():
            with self.subTest(name):
                words = self.commands()[name]
                at = words.index("{}")
                result = self.confined(*words[:at], "--strict", "--require-energy", *words[at + 1:])
                self.assertEqual(result.returncode, 6, result.stderr)

    def test_the_commands_own_code_comes_before_both(self):
        self.steal_share = 0.5
        with self.time_passes():
            result = self.confined("measure", "--no-store", "--strict", "--require-energy", "--", "sh", "-c",
                                   "sleep 0.2; exit 9")
        self.assertEqual(result.returncode, 9, result.stderr)


if __name__ == "__main__":
    unittest.main()
