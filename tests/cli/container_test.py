"""tern measure and tern machine inside a container without privileges: every meter and counter that is missing has a
reason, and what to type, which is typed on the host or when the container is started and not in there."""

import json
import os
import unittest

from confined import ConfinedTest


class Container(ConfinedTest):
    def setUp(self):
        super().setUp()
        self.power_pmu()
        self.zone = self.powercap()
        self.sys("devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")

    def hide_powercap(self):
        self.masks = ["/sys/devices/virtual/powercap"]

    def machine(self):
        result = self.confined("machine", "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = json.loads(result.stdout)
        self.assert_typed_outside(row["remedy"] for part in ("meters", "counters", "checks") for row in rows[part])
        return {row["name"]: row for part in ("meters", "counters") for row in rows[part]}

    def assert_typed_outside(self, remedies):
        """Neither a sysctl nor a file's capability nor a udev rule does anything inside."""
        for line in "\n".join(remedies).splitlines():
            self.assertNotIn("setcap", line)
            for word in ("sysctl", "udevadm", "chmod", "modprobe", "scaling_governor"):
                if word in line:
                    self.assertTrue(line.startswith("on the host"), line)

    def test_hidden_zones_and_refused_events(self):
        self.hide_powercap()
        rows = self.machine()
        powercap = rows["powercap"]
        self.assertFalse(powercap["usable"])
        self.assertIn("the container hides them (CVE-2020-8694)", powercap["why"])
        self.assertIn("--security-opt unmask=/sys/devices/virtual/powercap", powercap["remedy"])
        # A user namespace's root is nobody to the zones' files: they must be opened to all as well.
        self.assertIn("by a udev rule: echo", powercap["remedy"])
        for name in ("perf", "cycles", "instructions"):
            self.assertFalse(rows[name]["usable"], name)
            self.assertIn("Operation not permitted", rows[name]["why"])
            self.assertIn("seccomp filter", rows[name]["why"])
            self.assertIn("--security-opt seccomp=unconfined", rows[name]["remedy"])
            self.assertNotIn("--cap-add", rows[name]["remedy"])

    def test_zones_that_are_seen_and_may_not_be_read(self):
        os.chmod(os.path.join(self.zone, "energy_uj"), 0)
        row = self.machine()["powercap"]
        self.assertIn("denied", row["why"])
        self.assertIn("on the host, for everybody, until the next boot: sudo chmod", row["remedy"])
        self.assertNotIn("--user root", row["remedy"])

    def test_a_container_without_sysfs(self):
        os.makedirs(self.path("empty"))
        self.binds["/sys"] = self.path("empty")
        rows = self.machine()
        for name in ("powercap", "perf"):
            self.assertIn("sysfs is not mounted here", rows[name]["why"])
            self.assertIn("docker run -v /sys:/sys:ro", rows[name]["remedy"])

    def test_what_a_container_lets_through_is_a_meter(self):
        """The same place without the mask: it is what hides, not our looking."""
        row = self.machine()["powercap"]
        self.assertFalse(row["usable"])
        self.assertIn("energy_uj does not move", row["why"])  # so it was read

    def test_measure_says_what_is_missing_and_how_to_give_it(self):
        self.hide_powercap()
        options = ("measure", "--no-store", "--report", self.path("r.json"), "-o", "json")
        result = self.confined(*options, "--", "sh", "-c", "echo out; exit 7")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (7, "out\n", ""))
        with open(self.path("r.json"), encoding="utf-8") as file:
            record = json.load(file)
        energy = record["trials"][0]["energy"]
        self.assertEqual(set(energy), {"status", "why"})
        self.assertEqual(energy["status"], "not_measured")
        for part in ("perf: ", "powercap: ", "hwmon: ", "the container hides them", "seccomp filter"):
            self.assertIn(part, energy["why"])
        for name, counter in record["trials"][0]["counters"].items():
            self.assertNotIn("value", counter, name)
            self.assertIn("seccomp filter", counter["why"])
            self.assertNotIn("\n", counter["why"])
        remedies = {row["name"]: row["remedy"] for row in record["environment"]["remedies"]}
        self.assertLessEqual({"meter perf", "meter powercap", "cycles"}, set(remedies))
        self.assert_typed_outside(remedies.values())
        text = self.confined("measure", "--no-store", "--", "sh", "-c", "exit 7").stderr
        self.assertIn("energy: not measured: ", text)
        shown = text[text.index("What to type"):].splitlines()
        self.assertIn("      podman run --security-opt unmask=/sys/devices/virtual/powercap ...", shown)
        self.assertIn("      podman run --security-opt seccomp=unconfined ...", shown)

    def test_required_energy(self):
        self.hide_powercap()
        result = self.confined("measure", "--no-store", "--require-energy", "--", "true")
        self.assertEqual(result.returncode, 6, result.stderr)


if __name__ == "__main__":
    unittest.main()
