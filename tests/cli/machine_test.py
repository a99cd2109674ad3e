"""tern machine: every kernel, meter and counter is usable or has a reason."""

import json
import unittest

from run_tern import TernTest


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
        bandwidths = result["limits"]["read_bandwidth"]
        self.assertEqual(bandwidths[0]["threads"], 1)
        for row in bandwidths:
            self.assertGreater(row["gb_per_s"], 0)
        peaks = result["limits"]["compute"]
        self.assertEqual([row["threads"] for row in peaks], [row["threads"] for row in bandwidths])
        for row in peaks:
            self.assertGreater(row["int8_gops_per_s"], 0)
            self.assertGreater(row["fp32_gflops_per_s"], 0)

    def test_markdown_for_people(self):
        out = self.run_ok("machine", "--kernels", "scalar")
        for word in ("cpu  ", "caches  ", "| kernels", "| meter", "| counter", "GB/s", "int8 dot"):
            self.assertIn(word, out)
        self.assertLessEqual(max(map(len, out.splitlines()[:7])), 200)


if __name__ == "__main__":
    unittest.main()
