#!/usr/bin/python3
"""Signing on a full line: 64 WM3M4C on one RS-485 line at 115200 baud, polled
as fast as the line goes, while two of them sign one session after the other.

Utilisation is the time that all exchanges take in theory (characters, both
silences, 2 ms of the meter) over the time that went by, as the meters' end of
the line sees it (rtu_signing.c). The time to a record is from the command at
the broker to the signed record at the broker; 400 ms of it the meter signs.
Prints one row without and one with sessions; exit 1 below the goal.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("MG_BUILD", "build/release"))
os.environ["MG_BUILD"] = BUILD
os.environ.setdefault("MG_SOURCE", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(HERE, "../integration"))

from charging import Record  # noqa: E402: the path comes first
from depot import Broker, wait_for  # noqa: E402
from session_faults import Watcher  # noqa: E402

GOAL_PERCENT = 98.0
SIGNING = ("m20", "m50")


class Line:
    """The meters' process: its counts as they come."""

    def __init__(self, n):
        environment = dict(os.environ)
        environment.setdefault("METERGATE_PLUGINS",
                               os.path.join(BUILD, "plugins"))
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests/bench/bench_rtu_signing"), str(n)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)
        self.device = self.process.stdout.readline().strip()
        self.reports = []
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self):
        for line in self.process.stdout:
            self.reports.append(json.loads(line))

    def report(self):
        """The next one to come."""
        n = len(self.reports)
        wait_for("traffic on the line", lambda: len(self.reports) > n, 30)
        return self.reports[-1]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Sessions(threading.Thread):
    """One session after the other on one meter."""

    def __init__(self, watcher, meter):
        super().__init__()
        self.watcher, self.meter = watcher, meter
        self.is_over = False
        self.took_s, self.failures, self.number = [], [], 0

    def ask(self, verb):
        begin_s = time.monotonic()
        answer = self.watcher.ask(self.meter, f"session-{verb}",
                                  {"transaction": f"{self.meter}.{self.number}"},
                                  60)
        if not answer or not answer["ok"] or \
                answer.get("verification") != "valid":
            self.failures.append((verb, answer))
            return
        wait_for("the record", lambda: any(
            s["meter"] == self.meter and
            s["pagination"] == answer["pagination"]
            for s in self.watcher.all_signed()), 30)
        self.took_s.append(time.monotonic() - begin_s)

    def run(self):
        while not self.is_over and not self.failures:
            self.number += 1
            for verb in ("begin", "intermediate", "end"):
                self.ask(verb)


def write_config(directory, n, port, device, interval_ms):
    lines = [f"gateway: {{id: depot-1, state_dir: {directory}/state}}",
             f"mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}",
             f"buses: [{{id: line, type: modbus-rtu, device: {device}, "
             "baud: 115200, parity: none}]", "meters:"]
    lines += [f"  - {{id: m{i}, model: wm3m4c, bus: line, unit: {i}, "
              f"interval: {interval_ms}ms, allow: [session]}}"
              for i in range(1, n + 1)]
    path = os.path.join(directory, "bench.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path


def window(line, seconds):
    """Utilisation in percent, exchanges a second, violations."""
    first = line.report()
    time.sleep(seconds)
    last = line.report()
    elapsed = last["now"] - first["now"]
    return (100 * (last["theory"] - first["theory"]) / elapsed,
            (last["exchanges"] - first["exchanges"]) / elapsed * 1e9,
            100 * (last["meters_late"] - first["meters_late"]) / elapsed,
            last["violations"] - first["violations"])


def print_row(name, row, n, sessions=()):
    utilisation, rate, late, violations = row
    is_good = utilisation >= GOAL_PERCENT and not violations
    took = sorted(t for s in sessions for t in s.took_s)
    text = f"rtu_signing {name}: {n} meters, utilisation {utilisation:.1f} %, " \
        f"goal {GOAL_PERCENT} %, {rate:.1f} exchanges/s, {violations} violations, meters late {late:.2f} %"
    if took:
        text += (f", {len(took)} records, {sum(s.number for s in sessions)} "
                 f"sessions on {len(sessions)} meters, time to a record median "
                 f"{took[len(took) // 2]:.2f} s, most {took[-1]:.2f} s")
    for s in sessions:
        for failure in s.failures:
            is_good = False
            text += f", {s.meter} failed: {failure}"
    is_good = is_good and (bool(took) or not sessions)
    print(text, "ok" if is_good else "MISSED", flush=True)
    return is_good


def run(args, directory):
    broker = Broker(directory)
    broker.start()
    line = Line(args.meters)
    watcher = Watcher(broker.port)
    # What the polls need without the meters' own time: with it the line is
    # asked for more than it can give.
    config = write_config(directory, args.meters, broker.port, line.device,
                          44 * args.meters)
    log_path = os.path.join(directory, "run.log")
    with open(log_path, "w", encoding="utf-8") as log:
        gateway = subprocess.Popen([os.path.join(BUILD, "metergate"), "run",
                                    config], stdout=log, stderr=log)
    try:
        wait_for("all meters", lambda: all(
            watcher.state(f"m{i}") for i in range(1, args.meters + 1)), 120)
        is_good = print_row("polls only", window(line, args.seconds),
                            args.meters)
        sessions = [Sessions(watcher, m) for m in SIGNING]
        for s in sessions:
            s.start()
        row = window(line, args.seconds)
        for s in sessions:
            s.is_over = True
        for s in sessions:
            s.join()
        is_good &= print_row("while two sign", row, args.meters, sessions)
        newest = watcher.all_signed()[-1]
        is_verified = Record(newest["ocmf"]).verify(
            directory, bytes.fromhex(newest["public_key"]))
        if not is_verified:
            print("rtu_signing: openssl refuses a record MISSED")
        return is_good and is_verified
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()
        watcher.close()
        line.stop()
        broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--meters", type=int, default=64)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="metergate-bench-")
    try:
        sys.exit(0 if run(args, directory) else 1)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
