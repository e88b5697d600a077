#!/usr/bin/python3
"""Fleet benchmark: N simulated TCP meters, one poll a second of about 20
registers and their relay, 20 ms turnaround, through to mosquitto with `state`
and `readings` published. Prints one row per N.

CPU is that of the gateway process alone, all its threads, from /proc, over the
measured window; the simulated meters and mosquitto run beside it on the same
machine.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("MG_BUILD", "build/release")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_config(directory, n, port, model):
    lines = [f"gateway: {{id: bench, state_dir: {directory}/state}}",
             f"mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}",
             "outbox: {max_readings: 10, max_age: 15s}", "buses:"]
    lines += [f"  - {{id: b{i}, type: modbus-tcp, host: 192.0.2.{i % 250}, "
              f"port: {10000 + i}}}" for i in range(n)]
    lines += ["meters:"]
    lines += [f"  - {{id: m{i}, model: {model}, bus: b{i}, unit: 1, interval: 1s}}"
              for i in range(n)]
    path = os.path.join(directory, "bench.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path


def threads(pid):
    """CPU seconds of each thread so far, from the scheduler's own counters."""
    rows = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
            name = f.read().strip()
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
            rows[f"{name}-{int(tid) - pid}"] = int(f.read().split()[0]) / 1e9
    return rows


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0


def stats(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def wait_stats(path, condition, limit_s):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        s = stats(path)
        if s and condition(s):
            return s
        time.sleep(0.2)
    sys.exit(f"bench: the gateway did not get there: {stats(path)}")


def measure(n, seconds, directory, model):
    port = free_port()
    conf = os.path.join(directory, "mosquitto.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\n"
                + ("user root\n" if os.geteuid() == 0 else ""))
    broker = subprocess.Popen([shutil.which("mosquitto") or
                               "/usr/sbin/mosquitto", "-c", conf],
                              stderr=subprocess.DEVNULL)
    path = os.path.join(directory, "stats.json")
    environment = dict(os.environ)
    if model == "meter20":
        environment["METERGATE_PLUGINS"] = f"{BUILD}/bench_plugins"
    log = open(os.path.join(directory, "run.log"), "w", encoding="utf-8")
    gateway = subprocess.Popen([f"{BUILD}/metergate", "run", "--simulate",
                                "--stats", path,
                                write_config(directory, n, port, model)],
                               stdout=log, stderr=log, env=environment)
    try:
        wait_stats(path, lambda s: s["online"] == n and s["connected"], 60)
        first = wait_stats(path, lambda s, t=stats(path): s["polls"] >
                           t["polls"], 20)
        begin, before = time.monotonic(), threads(gateway.pid)
        time.sleep(seconds)
        last = wait_stats(path, lambda s, t=stats(path): s["polls"] >
                          t["polls"], 20)
        elapsed = time.monotonic() - begin
        per_thread = {k: v - before.get(k, 0)
                      for k, v in threads(gateway.pid).items()}
        used = sum(per_thread.values())
        polls = last["polls"] - first["polls"]
        good = last["polls_good"] - first["polls_good"]
        requests = last["requests"] - first["requests"]
        row = {"model": model, "meters": n, "polls_per_s": round(good / elapsed, 1),
               "kept_percent": round(100 * good / polls, 2),
               "missed": last["polls_missed"] - first["polls_missed"],
               "requests_per_s": round(requests / elapsed, 1),
               "cpu_us_per_request": round(used / requests * 1e6, 1),
               "cpu_us_per_poll": round(used / polls * 1e6, 1),
               "rss_mib": round(rss_mib(gateway.pid), 1),
               "p50_ms": last["latency_p50_us"] / 1000,
               "p99_ms": last["latency_p99_us"] / 1000,
               "outbox_rows": last["outbox_rows"],
               "cpu_s_by_thread": {k: round(v, 3)
                                   for k, v in per_thread.items()}}
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()
        broker.kill()
        broker.wait()
        log.close()
    return row


# CPU in us a read, measured on such work: the cheapest figure of each at any
# number of meters.
PEERS = (("Node.js", 85), ("mqmgateway", 88), ("collectd", 350),
         ("Neuron", 2700))


def print_row(row):
    cpu = row["cpu_us_per_poll"]
    ratios = ", ".join(f"{cpu / us:.2f} of {name} ({us} us)"
                       for name, us in PEERS)
    print(f"{row['meters']} x {row['model']}: {row['polls_per_s']} polls/s, "
          f"{row['kept_percent']} % kept, {row['missed']} missed\n"
          f"  CPU {cpu} us a poll, all threads: {ratios}\n"
          f"  RSS {row['rss_mib']} MiB; from the scheduled time to the answer "
          f"p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms "
          f"(20 ms of it the meter's)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", default="100,1000")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--model", default="meter20",
                        help="meter20: one request of 20 registers a poll; "
                        "kpm31: three requests, 44 registers")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for n in (int(x) for x in args.meters.split(",")):
        directory = tempfile.mkdtemp(prefix="metergate-bench-")
        try:
            row = measure(n, args.seconds, directory, args.model)
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                print_row(row)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
