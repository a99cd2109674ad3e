"""The published JSON Schema accepts the golden record and what the program writes, and refuses the rest."""

import copy
import json
import os
import subprocess
import unittest

import jsonschema

from run_tern import TernTest, command

SOURCE = os.environ["TERN_SOURCE_DIR"]


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return json.load(file)


class Schema(TernTest):
    def setUp(self):
        super().setUp()
        schema = read("harness/record.schema.json")
        jsonschema.Draft7Validator.check_schema(schema)
        self.validator = jsonschema.Draft7Validator(schema)
        self.golden = read("tests/golden/record_v1.json")

    def assert_valid(self, record):
        self.assertEqual([error.message for error in self.validator.iter_errors(record)], [])

    def assert_invalid(self, change):
        record = copy.deepcopy(self.golden)
        change(record)
        self.assertNotEqual(record, self.golden)
        self.assertFalse(self.validator.is_valid(record))

    def test_the_golden_record(self):
        self.assert_valid(self.golden)
        statuses = {trial["energy"]["status"] for trial in self.golden["trials"]}
        self.assertEqual(statuses, {"measured", "attributed", "not_measured"})

    def test_the_golden_record_of_joules_in_full(self):
        record = read("tests/golden/record_energy_v1.json")
        self.assert_valid(record)
        for change in (lambda r: r["idle"][0].pop("when"),
                       lambda r: r["idle"][0]["energy"].pop("coverage"),
                       lambda r: r["trials"][0]["energy"].update(u_abs=-1),
                       lambda r: r["trials"][0]["energy"].update(meter_cpu_s=-1),
                       lambda r: r["meter"].update(assumptions=[""]),
                       lambda r: r.update(meter_cost={"status": "not_measured"}),
                       lambda r: r.update(meter_cost={"status": "measured", "trials": r["trials"][:2]}),
                       lambda r: r.update(settling=[{"when": "after", "rest_s": 3, "ended": "cool"}]),
                       lambda r: r["estimate"].pop("caveats"),
                       lambda r: r["estimate"]["tests"][0].pop("linear_j")):
            broken = copy.deepcopy(record)
            change(broken)
            self.assertFalse(self.validator.is_valid(broken))

    def test_the_golden_record_after_the_store(self):
        golden = os.path.join(SOURCE, "tests/golden/record_v1.json")
        db = self.path("t.db")
        self.run_ok("store", "import", golden, "--db", db)
        record = json.loads(self.run_ok("store", "export", "--db", db))
        self.assert_valid(record)
        self.assertEqual(record, self.golden)

    def test_trials_as_the_program_writes_them(self):
        db = self.path("t.db")
        process = subprocess.Popen(command("TERN_STORE_WRITER", db), stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            process.stdout.readline()
        process.kill()
        process.communicate()
        record = json.loads(self.run_ok("store", "export", "--db", db).splitlines()[0])
        self.assertGreaterEqual(len(record["trials"]), 3)
        # The writer runs no study; what only a study knows comes from the program itself.
        machine = json.loads(self.run_ok("machine", "-o", "json"))
        record["machine"] = machine["machine"]
        record["environment"] = {"before": machine["environment"], "after": machine["environment"]}
        self.assert_valid(record)

    def test_unknown_fields_are_allowed(self):
        record = copy.deepcopy(self.golden)
        record["x"] = record["machine"]["x"] = record["trials"][1]["x"] = [1, {"y": None}]
        self.assert_valid(record)

    def test_every_part_is_required(self):
        for part in ("schema", "id", "created", "tern", "machine", "environment", "protocol",
                     "subjects", "trials", "evals", "status", "reasons"):
            with self.subTest(part):
                self.assert_invalid(lambda record: record.pop(part))

    def test_unmeasured_energy_has_no_number(self):
        def energy(record):
            return record["trials"][2]["energy"]

        self.assertEqual(energy(self.golden)["status"], "not_measured")
        self.assert_invalid(lambda record: energy(record).update(total_uj=0))
        self.assert_invalid(lambda record: energy(record).update(window_s=1.5))
        self.assert_invalid(lambda record: energy(record)["domains"]["package-0"].update(uj=1))
        self.assert_invalid(lambda record: energy(record).update(deep=[{"deeper": [3]}]))
        self.assert_invalid(lambda record: energy(record).pop("why"))
        self.assert_invalid(lambda record: energy(record).update(why=""))

    def test_measured_energy_says_how(self):
        for key in ("source", "coverage", "domains", "window_s", "updates"):
            with self.subTest(key):
                self.assert_invalid(lambda record: record["trials"][0]["energy"].pop(key))
        domains = lambda record: record["trials"][0]["energy"]["domains"]
        self.assert_invalid(lambda record: domains(record)["psys"].pop("why"))
        self.assert_invalid(lambda record: domains(record)["package-0"].pop("uj"))
        self.assert_invalid(lambda record: domains(record)["package-0"].update(uj=-1))

    def test_other_mistakes(self):
        self.assert_invalid(lambda record: record.update(schema="tern.record/2"))
        self.assert_invalid(lambda record: record.update(id=record["id"].replace("-7", "-4", 1)))
        self.assert_invalid(lambda record: record.update(status="fine"))
        self.assert_invalid(lambda record: record["trials"][0].pop("order_index"))
        self.assert_invalid(lambda record: record["trials"][0].update(elapsed_ns=0))
        counters = lambda record: record["trials"][0]["counters"]
        self.assert_invalid(lambda record: counters(record)["cycles"].update(value=None))
        self.assert_invalid(lambda record: counters(record).update(cycles={}))
        self.assert_invalid(lambda record: counters(record)["instructions"].update(value=0))


if __name__ == "__main__":
    unittest.main()
