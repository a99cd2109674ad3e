"""--meter FILE: the log that another program writes meanwhile, merged into the run by clock."""

import json
import os
import subprocess
import sys
import time
import unittest

import jsonschema

from meter_log_writer import steady_trace
from run_tern import TernTest, tern

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ["TERN_SOURCE_DIR"]
WATTS = 40  # of the writer


class MeterLog(TernTest):
    def setUp(self):
        super().setUp()
        self.db = self.path("t.db")
        self.log = self.path("the log")

    def writer(self, kind="ptdaemon", *options):
        process = subprocess.Popen([sys.executable, os.path.join(HERE, "meter_log_writer.py"), self.log, kind, *options],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        word, begin = process.stdout.readline().split()
        self.assertEqual(word, "ready")
        time.sleep(0.3)  # so that the log begins before the run
        return process, float(begin)

    def measure(self, meter, *options, argv=("sleep", "1"), code=0):
        result = tern("measure", "--meter", meter, "--db", self.db, "-o", "json", "--report", "-", *options, "--", *argv,
                      env=self.env)
        self.assertEqual(result.returncode, code, result.stderr)
        record = json.loads(result.stdout)
        with open(os.path.join(SOURCE, "harness/record.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(record)], [])
        return record

    def assert_measured(self, energy, source):
        self.assertEqual(energy["status"], "measured", energy)
        self.assertEqual(energy["source"], source)
        joules = energy["domains"]["wall"]["uj"] / 1e6
        # The power is constant, so that neither samples nor ends can matter: only the length of the window.
        self.assertLess(abs(joules / (WATTS * energy["window_s"]) - 1), 1e-3)

    def assert_not_measured(self, record, says):
        for trial in record["trials"]:
            self.assertEqual(trial["energy"]["status"], "not_measured")
            self.assertIn(says, trial["energy"]["why"])
            self.assertFalse([domain for domain in trial["energy"].get("domains", {}).values() if "uj" in domain])


class Measure(MeterLog):
    def test_each_kind_of_log_gives_the_known_power(self):
        for kind, meter in (("ptdaemon", "ptdaemon"), ("table", "ptdaemon"), ("trace", "trace")):
            with self.subTest(kind):
                process, _ = self.writer(kind)
                record = self.measure(f"{meter}:{self.log}", "-r", "2")
                process.communicate()
                self.assertEqual(len(record["trials"]), 2)
                for trial in record["trials"]:
                    self.assert_measured(trial["energy"], f"external {meter}")
                    self.assertGreater(trial["energy"]["window_s"], 0.999 * trial["elapsed_ns"] / 1e9)
                clock = "CLOCK_MONOTONIC_RAW" if kind == "trace" else "+0 s added to it"
                self.assertIn(clock, record["meter"]["detail"])
                self.assertIn(self.log, record["meter"]["detail"])
                self.assertTrue([reason for reason in record["reasons"] if clock in reason], record["reasons"])

    def test_the_window_of_the_run_and_no_other(self):
        _, begin = self.writer("ptdaemon", "--ramp")
        record = self.measure(f"ptdaemon:{self.log}", argv=("sleep", "2"))
        trial, = record["trials"]
        first = trial["start_unix_ns"] / 1e9 - begin
        last = first + trial["elapsed_ns"] / 1e9
        truth = 10 * (last - first) + 20 * (last**2 - first**2) / 2
        self.assertEqual(trial["energy"]["status"], "measured", trial["energy"])
        # The meter is on for a little longer than the command runs; a busy machine makes that more.
        spare = trial["energy"]["window_s"] - (last - first)
        joules = trial["energy"]["domains"]["wall"]["uj"] / 1e6
        self.assertGreater(joules, truth * 0.99)
        self.assertLess(joules, (truth + spare * (10 + 20 * (last + spare))) * 1.01)

    def test_a_stated_offset_sets_the_logs_clock_right(self):
        self.writer("ptdaemon", "--ahead", "7200")
        record = self.measure(f"ptdaemon:{self.log}@-7200")
        self.assert_measured(record["trials"][0]["energy"], "external ptdaemon")
        self.assertIn("-7200 s added to it", record["meter"]["detail"])
        record = self.measure(f"ptdaemon:{self.log}")
        self.assert_not_measured(record, "before the log's first sample")

    def test_a_log_that_is_flushed_late_is_waited_for(self):
        self.writer("ptdaemon", "--flush", "2")
        record = self.measure(f"ptdaemon:{self.log}", argv=("sleep", "0.5"))
        self.assert_measured(record["trials"][0]["energy"], "external ptdaemon")

    def test_a_log_that_ended_is_not_waited_for_for_ever(self):
        for kind, meter in (("ptdaemon", "ptdaemon"), ("trace", "trace")):
            process, _ = self.writer(kind)
            process.communicate()
            record = self.measure(f"{meter}:{self.log}", "-r", "3", "--require-energy", argv=("sleep", "0.1"), code=6)
            self.assert_not_measured(record, "after the log's last sample")

    def test_a_log_that_breaks_in_mid_run(self):
        self.writer()
        spoil = f"sleep 0.5; printf 'certainly no sample\\n' >> '{self.log}'; sleep 0.5"
        self.assert_not_measured(self.measure(f"ptdaemon:{self.log}", argv=("sh", "-c", spoil)), "expected Time,MM-DD-YYYY")
        record = self.measure(f"ptdaemon:{self.log}")
        self.assert_not_measured(record, "expected Time,MM-DD-YYYY")

    def test_holes_and_clocks_that_go_back(self):
        now = time.time()

        def log(*times):
            with open(self.log, "w", encoding="ascii") as file:
                file.write("unix_s,watts\n" + "".join(f"{now + at:.3f},40\n" for at in times))
            return f"ptdaemon:{self.log}"

        around = [-20 + i for i in range(20)] + [600 + i for i in range(20)]
        self.assert_not_measured(self.measure(log(*around), argv=("sleep", "1.1")), "no sample for 601 s inside the window")
        self.assert_not_measured(self.measure(log(-3, -2, -1, -2, 600)), "line 5: expected a time after the sample before it")
        self.assert_not_measured(self.measure(log(-3, 600), argv=("true",)), "shorter than the 603 s between two samples")

    def test_what_is_no_log(self):
        for name, content, says in (("none", None, "No such file"), ("", None, "plain file"),
                                    ("bytes", bytes(range(256)), "line 1: expected"),
                                    ("words", b"hello\n", "line 1: expected")):
            with self.subTest(name):
                if content is not None:
                    with open(self.path(name), "wb") as file:
                        file.write(content)
                for kind in ("ptdaemon", "trace"):
                    self.assert_not_measured(self.measure(f"{kind}:{self.path(name)}", argv=("true",)), says)
        self.assert_refused("measure", "--meter", "ptdaemon:x@+1e9", "--", "true", code=125, says="@±SECONDS")


class Bench(MeterLog):
    def test_trials_have_the_joules_of_their_windows(self):
        with open(self.log, "w", encoding="ascii") as file:
            file.write(steady_trace(WATTS))
        self.run_ok("bench", "-m", "synth:tiny", "-p", "64", "-n", "16", "-r", "2", "--baseline", "none", "--idle", "0",
                    "--meter", f"trace:{self.log}", "--db", self.db)
        record = json.loads(self.run_ok("store", "export", "--db", self.db))
        self.assertEqual(record["meter"]["source"], "external trace")
        self.assertIn("CLOCK_MONOTONIC_RAW", record["meter"]["detail"])
        self.assertEqual(len(record["trials"]), 4)
        for trial in record["trials"]:
            if "between two samples" not in trial["energy"].get("why", ""):  # of a very fast machine
                self.assert_measured(trial["energy"], "external trace")

    def test_energy_that_is_required_of_a_log_that_is_not_there(self):
        self.assert_refused("bench", "-m", "synth:tiny", "--require-energy", "--meter", f"trace:{self.log}", code=6,
                            says=("--require-energy", "No such file"))


if __name__ == "__main__":
    unittest.main()
