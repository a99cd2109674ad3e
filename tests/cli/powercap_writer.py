"""A powercap tree that counts known power as two-socket hardware does, until its stdin is closed: 32-bit counters in
units of their own that wrap, memory beside each package, a platform domain that holds all of it, and the MMIO interface
that repeats the first package. Prints "ready" once the counters move, and at the end, as JSON, all that it showed.

usage: powercap_writer.py FOLDER"""

import json
import os
import select
import sys
import time

PERIOD_S = 0.002
UNITS = 1 << 32
# zone, name, nanojoules per count, watts, joules left before the first wrap
ZONES = [
    ("intel-rapl:0", "package-0", 61035, 80.0, 200_000.0),
    ("intel-rapl:0:0", "core", 61035, 55.0, 200_000.0),
    ("intel-rapl:0:1", "dram", 15300, 9.0, 30_000.0),
    ("intel-rapl:1", "package-1", 61035, 60.0, 70.0),
    ("intel-rapl:1:0", "dram", 15300, 7.0, 6.0),
    ("intel-rapl:2", "psys", 61035, 200.0, 200_000.0),
    ("intel-rapl-mmio:0", "package-0", 61035, 80.0, 200_000.0),
]


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="ascii") as file:
        file.write(text + "\n")


class Zone:
    def __init__(self, root, zone, name, nj, watts, left_j):
        folder = os.path.join(root, "sys/class/powercap", zone)
        self.nj, self.watts = nj, watts
        self.first = UNITS - round(left_j * 1e9 / nj)
        self.joules = 0.0
        write(folder, "name", name)
        write(folder, "max_energy_range_uj", str((UNITS - 1) * nj // 1000))
        write(folder, "energy_uj", self.text())
        self.file = os.open(os.path.join(folder, "energy_uj"), os.O_WRONLY)

    # Of one width, so that one write replaces the old number as a whole.
    def text(self):
        return f"{(self.first + self.counts()) % UNITS * self.nj // 1000:012d}"

    def counts(self):
        return int(self.joules * 1e9 / self.nj)

    # What it drew swings by a fifth, so that a mean of two samples would not do.
    def advance(self, seconds, now):
        self.joules += self.watts * (1.2 if int(now * 7) % 2 else 0.8) * seconds
        os.pwrite(self.file, (self.text() + "\n").encode(), 0)

    # Joules that the counter has shown since it began.
    def shown(self):
        return self.counts() * self.nj * 1e-9


def main(root):
    for cpu in range(4):
        folder = os.path.join(root, f"sys/devices/system/cpu/cpu{cpu}/topology")
        write(folder, "physical_package_id", str(cpu // 2))
        write(folder, "die_id", "0")
    zones = [Zone(root, *zone) for zone in ZONES]
    log = []
    last = time.monotonic()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        now = time.monotonic()
        for zone in zones:
            zone.advance(now - last, now)
        last = now
        log.append([time.time_ns(), [zone.shown() for zone in zones]])
    print(json.dumps({"zones": [zone[0] for zone in ZONES], "log": log}))


if __name__ == "__main__":
    main(sys.argv[1])
