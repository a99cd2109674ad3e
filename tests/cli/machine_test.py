"""tern machine: every kernel, meter and counter is usable or has a reason, and what to type where there is a way."""

import json
import os
import subprocess
import unittest

from run_tern import TernTest, command


class Machine(TernTest):
    def test_json(self):
        result = json.loads(self.run_ok("machine", "-o", "json"))
        self.assertRegex(result["machine"]["hash"], r"\A[0-9a-f]{64}\Z")
        self.assertTrue(result["machine"]["cpu"]["name"])
        for part in ("kernels", "meters", "counters"):
            self.assertTrue(result[part], part)
            for row in result[part]:
                self.assertIsInstance(row["usable"], bool)
                self.assertEqual(row["usable"], row["why"] == "", row)
        kernels = {row["name"]: row for row in result["kernels"]}
        self.assertTrue(kernels["scalar"]["usable"])
        self.assertEqual(sum(row["chosen"] for row in kernels.values()), 1)
        for name, row in kernels.items():
            self.assertEqual(row["exact"], not name.endswith("+bf16"), name)
            if not row["usable"]:
                self.assert_refused("machine", "--kernels", name, says=[f'"{name}" cannot run here: ', row["why"]])
            elif not row["exact"]:
                self.assertFalse(row["chosen"], name)
        for row in result["meters"]:
            self.assertIn("remedy", row)
            check = row.get("cross_check")
            self.assertEqual(check is not None, row["name"] in ("perf", "powercap"), row)
            if check:
                self.assertIn(check["verdict"], ("agree", "disagree", "not_compared"))
                self.assertTrue(check["why" if check["verdict"] == "not_compared" else "text"])
        bandwidths = result["limits"]["read_bandwidth"]
        self.assertEqual(bandwidths[0]["threads"], 1)
        for row in bandwidths:
            self.assertGreater(row["gb_per_s"], 0)
        peaks = result["limits"]["compute"]
        self.assertEqual([row["threads"] for row in peaks], [row["threads"] for row in bandwidths])
        for row in peaks:
            self.assertGreater(row["int8_gops_per_s"], 0)
            self.assertGreater(row["fp32_gflops_per_s"], 0)

        for row in result["checks"]:
            self.assertIn(row["verdict"], ("fine", "note", "problem", "unknown"))
            self.assertTrue(row["value"], row)

    def write(self, name, text):
        path = os.path.join(self.folder, "root", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def rapl_tree(self):
        """A desktop with one package, whose zones only root may read."""
        zone = "sys/class/powercap/intel-rapl:0/"
        self.write(zone + "name", "package-0\n")
        self.write(zone + "max_energy_range_uj", "262143328850\n")
        self.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Example CPU\n")
        self.write("proc/sys/kernel/perf_event_paranoid", "4\n")
        self.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n")
        return self.write(zone + "energy_uj", "1000000\n")

    def machine_as_nobody(self, *args):
        root = self.path("root")
        os.chmod(self.folder, 0o755)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run(command("TERN_BINARY", "machine", "--sysroot", root, *args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=300, **user)

    def test_rapl_without_permission_says_what_to_type(self):
        os.chmod(self.rapl_tree(), 0o400 if os.geteuid() == 0 else 0)
        try:
            result = self.machine_as_nobody("-o", "json")
        except PermissionError as error:
            self.skipTest(f"another user cannot run the program here: {error}")
        if "ermission denied" in result.stderr:
            self.skipTest(f"another user cannot run the program here: {result.stderr}")
        self.assertEqual(result.returncode, 0, result.stderr)
        machine = json.loads(result.stdout)
        meters = {row["name"]: row for row in machine["meters"]}
        self.assertFalse(meters["powercap"]["usable"])
        self.assertIn("denied", meters["powercap"]["why"])
        self.assertIn("udevadm trigger", meters["powercap"]["remedy"])
        checks = {row["name"]: row for row in machine["checks"]}
        self.assertEqual(checks["perf_event_paranoid"]["verdict"], "problem")
        self.assertIn("why", machine["limits"])
        text = self.machine_as_nobody().stdout
        self.assertRegex(text, r"energy +not usable now, but could be")
        remedies = text[text.index("What to type"):].splitlines()
        command_line = "      sudo chmod -R a+r " + self.path("root") + "/sys/class/powercap/intel-rapl"
        self.assertIn(command_line, remedies)

    def test_rapl_that_can_be_read_is_a_meter(self):
        self.rapl_tree()
        text = self.run_ok("machine", "--sysroot", self.path("root"))
        self.assertRegex(text, r"energy +measured by powercap \(1 of 1 packages")
        self.assertIn("Example CPU", text)
        self.assertIn("cross-check: perf and powercap were not compared: perf is not usable", text)
        self.assert_refused("machine", "--sysroot", self.path("nowhere"), says="--sysroot: expected a folder")

    def test_markdown_for_people(self):
        out = self.run_ok("machine", "--kernels", "scalar")
        for word in ("cpu  ", "caches  ", "energy  ", "counters  ", "| kernels", "| meter", "| counter", "| environment",
                     "GB/s", "int8 dot"):
            self.assertIn(word, out)
        self.assertLessEqual(max(map(len, out.splitlines()[:7])), 200)


if __name__ == "__main__":
    unittest.main()
