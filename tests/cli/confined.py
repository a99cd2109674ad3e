"""A made-up machine around the built program: /sys, and files of /proc, are a test's own, inside the container that
confine.py makes."""

import json
import os
import subprocess
import sys

from run_tern import TernTest, command

CONFINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "confine.py")
REFUSED = 77


class ConfinedTest(TernTest):
    def setUp(self):
        super().setUp()
        self.binds = {"/sys": self.path("sys")}
        self.masks = []
        # So that the program finds processors to run on.
        for cpu in sorted(os.sched_getaffinity(0)):
            self.sys(f"devices/system/cpu/cpu{cpu}/topology/physical_package_id", "0\n")
            self.sys(f"devices/system/cpu/cpu{cpu}/topology/core_id", f"{cpu}\n")
            self.sys(f"devices/system/cpu/cpu{cpu}/topology/package_cpus_list", "0-9999\n")

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def sys(self, path, text):
        return self.write(os.path.join(self.path("sys"), path), text)

    def bind(self, path, text):
        """A file of /proc that is ours."""
        self.binds[path] = self.write(self.path("bound" + path), text)
        return self.binds[path]

    def confined(self, *args):
        spec = {"tmpfs": ["/run"], "files": {"/run/.containerenv": ""}, "binds": self.binds, "masks": self.masks}
        result = subprocess.run([sys.executable, CONFINE, json.dumps(spec), *command("TERN_BINARY", *args)],
                                env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=300)
        if result.returncode == REFUSED:
            self.skipTest(result.stderr.strip())
        return result

    def power_pmu(self):
        """The kernel's PMU of joules, as a machine with RAPL shows it; opening its events is another thing."""
        folder = "bus/event_source/devices/power/"
        for name, text in (("type", "23"), ("cpumask", "0"), ("format/event", "config:0-7"),
                           ("events/energy-pkg", "event=0x02"), ("events/energy-pkg.unit", "Joules"),
                           ("events/energy-pkg.scale", "2.3283064365386962890625e-10")):
            self.sys(folder + name, text + "\n")

    def powercap(self):
        """One package's zone where the kernel has it, and the class's link to it; returns the folder."""
        zone = "devices/virtual/powercap/intel-rapl/intel-rapl:0"
        for name, text in (("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "1000000")):
            self.sys(f"{zone}/{name}", text + "\n")
        os.makedirs(self.path("sys/class/powercap"))
        os.symlink("../../" + zone, self.path("sys/class/powercap/intel-rapl:0"))
        return self.path("sys/" + zone)
