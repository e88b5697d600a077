#!/usr/bin/env python3
"""Verification of signed records against `openssl speed` on the same machine.

`openssl speed` counts processor time, so that is what is compared per core:
records a second of processor time, reading, parsing and checks included. The
ratios are of runs side by side; the median of three is printed. On a busy
machine the time of all cores says little, the processor time still does.
"""
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("MG_BUILD", "build/release")
COUNT = {"p256": 20000, "p384": 4000}
ROUNDS = 3


def openssl_rate(curve):
    """Verifications a second of processor time."""
    output = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "ecdsa" + curve],
        capture_output=True, text=True, check=True).stdout
    line = [l for l in output.splitlines() if re.search(r"ecdsa.*nistp", l)][-1]
    return float(line.split()[-1])


def metergate_rates(path, count, jobs):
    """Records a second: of processor time, and of time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    result = subprocess.run(
        [f"{BUILD}/metergate", "verify", "--jobs", str(jobs), path],
        capture_output=True, text=True)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode != 0:
        sys.exit(f"verify failed: {result.stdout}{result.stderr}")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime +
                                               before.ru_stime)
    return count / cpu, count / wall


def bench(curve, directory, cores):
    path = os.path.join(directory, curve)
    with open(path, "w") as file:
        subprocess.run([f"{BUILD}/tests/bench/bench_verify_records", curve,
                        str(COUNT[curve])], stdout=file, check=True)
    count = COUNT[curve]
    ratios, ours, theirs, scaling, growth = [], [], [], [], []
    for _ in range(ROUNDS):
        theirs.append(openssl_rate(curve))
        cpu_rate, one_wall = metergate_rates(path, count, 1)
        all_cpu, all_wall = metergate_rates(path, count, cores)
        ours.append(cpu_rate)
        ratios.append(cpu_rate / theirs[-1])
        scaling.append(all_wall / one_wall)
        growth.append(cpu_rate / all_cpu)
    print(f"{curve}: {statistics.median(ours):8.0f} records/s per core, "
          f"openssl speed {statistics.median(theirs):8.0f}/s: "
          f"{100 * statistics.median(ratios):5.1f} %; "
          f"{cores} cores {statistics.median(scaling):.2f} times one, for "
          f"{statistics.median(growth):.2f} times the processor time")


def main():
    with tempfile.TemporaryDirectory() as directory:
        for curve in COUNT:
            bench(curve, directory, os.cpu_count())


if __name__ == "__main__":
    main()
