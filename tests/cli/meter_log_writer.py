"""A program that logs a meter of known power while something else runs, until its stdin is closed; it prints "ready" once
the log has begun. Its power is 40 W, or with --ramp 10 W and 20 W/s more from its first sample on.

usage: meter_log_writer.py FILE KIND [--ahead SECONDS] [--flush SECONDS] [--ramp]
KIND: ptdaemon (its clock --ahead of ours), table (the same as unix_s,watts) or trace (CLOCK_MONOTONIC_RAW)"""

import argparse
import datetime
import select
import sys
import time

PERIOD_S = 0.02


def ptdaemon(now, watts):
    stamp = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%m-%d-%Y %H:%M:%S.%f")
    return f"Time,{stamp},Watts,{watts:.9f},Volts,229.8,Amps,0.2,PF,0.9,Mark,test\n"


def table(now, watts):
    return f"{now:.6f},{watts:.9f}\n"


def trace(_now, watts):
    # One clock for both, so that a busy machine cannot come between them.
    now_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    return f"{now_ns},wall,{round(watts * now_ns / 1000)},0\n"


def steady_trace(watts, seconds=120, period_s=0.002):
    """A trace of constant power from a second ago until `seconds` from now: for runs whose windows are short."""
    now_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    count = round((seconds + 1) / period_s)
    return "".join(f"{now_ns - 10**9 + round(i * period_s * 1e9)},wall,{round(i * period_s * watts * 1e6)},0\n"
                   for i in range(count))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("kind", choices=("ptdaemon", "table", "trace"))
    parser.add_argument("--ahead", type=float, default=0)
    parser.add_argument("--flush", type=float, default=0)
    parser.add_argument("--ramp", action="store_true")
    options = parser.parse_args()
    line = {"ptdaemon": ptdaemon, "table": table, "trace": trace}[options.kind]
    begin = last_flush = time.time()
    with open(options.file, "w", encoding="ascii"):
        pass
    with open(options.file, "a", encoding="ascii") as file:  # others may add to it
        if options.kind == "table":
            file.write("unix_s,watts\n")
        print("ready", begin, flush=True)
        while True:
            over = select.select([sys.stdin], [], [], PERIOD_S)[0]
            now = time.time()
            watts = 10 + 20 * (now - begin) if options.ramp else 40
            file.write(line(now + options.ahead, watts))
            if now - last_flush >= options.flush:
                file.flush()
                last_flush = now
            if over:
                return


if __name__ == "__main__":
    main()
