#!/usr/bin/python3
"""Charging sessions under injected faults.

Depots of simulated WM3M4C and KPM31 meters, each meter with one session at a
time, all at once; the meters run in a process of their own, which outlives the
gateway. Meanwhile the gateway is ended by kill -9 and started again, meters
lose power and are reset, answers go wrong, the line is gone for seconds, and
commands are repeated. Whatever happens, from the store and from MQTT:

- each session ends with exactly one record, verified with openssl; none is lost
  and none doubled,
- pagination is continuous per meter and key; what is missing was signed and then
  lost by the meter with its supply (manual 5.5.10), never by the gateway: in every
  other depot meters keep their supply, and nothing may be missing; that of the
  station never has a gap,
- what the meter counts in its table at 47000 is what the store holds,
- a session is not billable when the meter was reset during it, and only then,
  unless it was canceled or bore an exception; a reset shows in the record as EF
  E, a lost supply as t,
- what identifies a user is in records only: in no log, no other message, nothing
  retained.

  session_faults.py [--rounds N] [--seed N] [--depots N] [--keep]

Prints the seed and a summary; exit 1 when something did not hold.
"""
import argparse
import collections
import datetime
import json
import os
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from charging import DONE, OPEN, VOID, Record, Simulator, datasets
from depot import Broker, Program, wait_for

# Faults keep a round from going on for a while, never for good.
ROUND_LIMIT_S = 240
REPLY_LIMIT_S = 8
CLOCK_ERROR_S = 3
SECRET = "Zz9SECRET"
ROOT = "mg/v1/depot-1/"

HEAD = """\
gateway: {{id: depot-1, state_dir: {dir}/state}}
mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}
outbox: {{max_age: 1s}}
simulation: {{seed: {seed}, turnaround: 1ms, paced: false}}
station: {{key_file: {dir}/station.pem}}
buses:
"""


class Plan:
    """Which meters a depot has, and on which lines."""

    def __init__(self, rng, n_signing, n_station):
        self.signing = [f"w{i}" for i in range(n_signing)]
        self.station = [f"k{i}" for i in range(n_station)]
        self.buses, self.meters = [], []
        for i, name in enumerate(self.signing):
            options = {"sign-time": rng.choice((20, 80, 200)),
                       "signature-format": rng.choice(("hex", "base64")),
                       "end-format": rng.choice((0, 1, 1, 2)),
                       "der-defect": rng.choice(("false", "true"))}
            # Each third meter shares a serial line with the one after it.
            self.add(name, "wm3m4c", 33 + i % 2, rng,
                     bus=f"line{i // 2}" if i % 4 < 2 else f"tcp{i}",
                     options=options)
        for i, name in enumerate(self.station):
            self.add(name, "kpm31", 1 + i, rng, bus="tcpk", options={})

    def add(self, name, model, unit, rng, bus, options):
        if bus not in (b["id"] for b in self.buses):
            is_tcp = bus.startswith("tcp")
            self.buses.append({"id": bus, "is_tcp": is_tcp})
        self.meters.append({
            "id": name, "model": model, "bus": bus, "unit": unit,
            "options": options, "current": rng.randint(5, 40),
            "is_signing": model == "wm3m4c"})

    def text(self, where=None):
        """The configuration: with the devices that `where` names, or any."""
        out = []
        for n, b in enumerate(self.buses):
            if b["is_tcp"]:
                host, port = ("192.0.2.1", 502 + n) if where is None else \
                    where[b["id"]].rsplit(":", 1)
                out.append(f"  - {{id: {b['id']}, type: modbus-tcp, host: {host},"
                           f" port: {port}, connect_timeout: 1s}}")
            else:
                device = f"/dev/ttyUSB{n}" if where is None else where[b["id"]]
                out.append(f"  - {{id: {b['id']}, type: modbus-rtu, device: "
                           f"{device}, baud: 115200, parity: none}}")
        out.append("meters:")
        for m in self.meters:
            options = ", ".join(f"{k}: {v}" for k, v in m["options"].items())
            interval = "300ms" if m["is_signing"] else "500ms"
            out.append(
                f"  - {{id: {m['id']}, model: {m['model']}, bus: {m['bus']}, "
                f"unit: {m['unit']}, interval: {interval}, allow: [session], "
                f"options: {{{options}}},\n     simulate: {{voltage: 230 V, "
                f"current: {m['current']} A, power_factor: 1}}}}")
        return "\n".join(out) + "\n"


class Watcher:
    """An MQTT client that gives commands and keeps what must be checked."""

    def __init__(self, port):
        self.lock = threading.Lock()
        self.pending = {}
        self.n_asked = 0
        self.signed = []  # payloads, as they came
        self.latest = {}  # topic below the gateway's -> payload
        self.leaks = []
        self.is_subscribed = threading.Event()
        self.client = mqtt.Client(protocol=mqtt.MQTTv5)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda c, *_: c.subscribe(
            [("mg/v1/#", mqtt.SubscribeOptions(qos=1)),
             ("test/reply/#", mqtt.SubscribeOptions(qos=1))])
        self.client.on_subscribe = lambda *_: self.is_subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.is_subscribed.wait(30)

    def _on_message(self, _client, _userdata, message):
        topic = message.topic
        if topic.endswith("/signed"):
            with self.lock:
                self.signed.append(json.loads(message.payload))
            return
        if "/cmd/" in topic:
            return  # our own
        if SECRET.encode() in message.payload:
            self.leaks.append((topic, message.payload[:300]))
        if topic.startswith("test/reply/"):
            with self.lock:
                waiting = self.pending.pop(topic, None)
            if waiting is not None:
                waiting.put(json.loads(message.payload))
        elif topic.startswith(ROOT):
            with self.lock:
                self.latest[topic[len(ROOT):]] = message.payload

    def ask(self, meter, verb, members, limit_s=REPLY_LIMIT_S):
        """Give a command; its answer, or None when none comes."""
        waiting = queue.Queue()
        with self.lock:
            self.n_asked += 1
            topic = f"test/reply/{self.n_asked}"
            self.pending[topic] = waiting
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = topic
        self.client.publish(f"{ROOT}m/{meter}/cmd/{verb}", json.dumps(members),
                            qos=1, properties=properties)
        try:
            return waiting.get(timeout=limit_s)
        except queue.Empty:
            with self.lock:
                self.pending.pop(topic, None)
            return None

    def state(self, meter):
        with self.lock:
            payload = self.latest.get(f"m/{meter}/state")
        return json.loads(payload) if payload else {}

    def all_signed(self):
        with self.lock:
            return list(self.signed)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


NOT_RUNNING, MAYBE, RUNNING = range(3)


class Round:
    """One session of one meter, as a station's controller leads it: repeats
    what was not answered until it is."""

    def __init__(self, depot, meter, number):
        self.depot, self.meter = depot, meter
        self.rng = random.Random(f"{depot.seed}/{meter['id']}/{number}")
        self.number = number
        self.lock = threading.RLock()
        self.running = NOT_RUNNING
        self.must_be_reset = self.must_have_lost_power = False
        self.is_canceled = False
        self.exception = NOT_RUNNING  # MAYBE: asked, not answered
        self.reason = "E"
        self.accepted = []  # verbs answered with ok
        self.answer = None
        self.secret = ""
        self.history = []

    def ask(self, verb, **members):
        members.setdefault("transaction", self.transaction)
        members = {k: v for k, v in members.items() if v is not None}
        if verb in ("session-begin", "session-end", "session-cancel"):
            self.depot.hit_soon(self)
        answer = self.depot.watcher.ask(self.meter["id"], verb, members,
                                        self.rng.uniform(2, REPLY_LIMIT_S))
        self.history.append((round(time.monotonic() - self.depot.begin_s, 2),
                             verb, answer and (answer["ok"] or
                                               answer.get("reason"))))
        return answer

    def pause(self, most_s):
        time.sleep(self.rng.random() * most_s)

    def until_ok(self, verb, **members):
        end_s = time.monotonic() + ROUND_LIMIT_S
        while time.monotonic() < end_s:
            answer = self.ask(verb, **members)
            if answer is not None and answer["ok"]:
                return answer
            time.sleep(0.2 if answer is None else 0.5)
        raise AssertionError(f"{verb} was never carried out")

    def begin(self):
        self.transaction = (f"{self.meter['id']}-{self.number}:"
                            f"{self.rng.getrandbits(32)}")
        self.secret = f"{SECRET}{self.rng.getrandbits(40):010x}"
        with self.lock:
            self.running = MAYBE
        self.begin_s = time.time()
        self.until_ok(
            "session-begin", assigned=True, identification=self.secret,
            identification_type=self.rng.choice(("ISO14443", "EMAID")),
            identification_flags=self.rng.choice(("RFID_PLAIN",
                                                  "RFID_PSK,OCPP_AUTH")),
            tariff_text=self.rng.choice((None, "0.49 EUR/kWh \u20ac")))
        with self.lock:
            self.running = RUNNING

    def between(self):
        verbs = ("intermediate", "tariff", "suspend", "resume", "fiscal",
                 "hold", "begin", "exception")
        for _ in range(self.rng.randrange(5)):
            self.pause(self.depot.pace_s)
            verb = self.rng.choices(verbs, (4, 2, 2, 2, 2, 1, 1, .3))[0]
            answer = self.ask(f"session-{verb}")
            is_done = answer is not None and answer["ok"]
            if verb == "exception":
                self.exception = RUNNING if is_done else MAYBE
            if is_done:
                self.accepted.append(verb)

    def end(self):
        self.pause(self.depot.pace_s)
        with self.lock:
            self.running = MAYBE
        self.is_canceled = self.rng.random() < 0.1
        if self.is_canceled:
            self.reason = "A"
            answer = self.until_ok("session-cancel")
        else:
            self.reason = self.rng.choice("EEELRAP")
            answer = self.until_ok("session-end", reason=self.reason)
        with self.lock:
            self.running = NOT_RUNNING
        self.end_s = time.time()
        self.answer = answer
        if self.rng.random() < 0.3:
            again = self.until_ok("session-end")
            assert again.get("repeated") is True, again
            for member in ("pagination", "fingerprint", "billable"):
                assert again[member] == answer[member], (again, answer)

    def run(self):
        try:
            self.pause(self.depot.pace_s)
            self.begin()
            self.between()
            self.end()
        except Exception:  # told with the others, at the end
            self.depot.failed(f"{self.meter['id']} round {self.number}: "
                              f"{traceback.format_exc()}\n{self.history}")


class Depot:
    def __init__(self, seed, directory, n_signing, n_station, has_supply=False):
        self.seed = seed
        self.has_supply = has_supply  # no meter is ever without
        self.directory = directory
        self.rng = random.Random(f"{seed}/depot")
        self.pace_s = 1.2
        self.begin_s = time.monotonic()
        self.failures = []
        self.counts = collections.Counter()
        self.lost_supply = collections.Counter()  # by meter: may lose an output
        self.rounds = []
        self.plan = Plan(self.rng, n_signing, n_station)
        self.broker = Broker(directory)
        self.broker.start()
        self.make_station_key()
        head = HEAD.format(dir=directory, port=self.broker.port, seed=seed)
        self.simulator = Simulator(
            self.write("simulate.yaml", head + self.plan.text()), directory)
        self.config = self.write(
            "depot.yaml", head + self.plan.text(self.simulator.where))
        self.watcher = Watcher(self.broker.port)
        self.logs = []
        self.is_injecting = False
        self.kill_wanted = threading.Event()
        self.gateway = None
        self.start_gateway()

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def make_station_key(self):
        path = os.path.join(self.directory, "station.pem")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            subprocess.run(
                ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                 "ec_paramgen_curve:" + self.rng.choice(("P-256", "P-384"))],
                stdout=f, stderr=subprocess.DEVNULL, check=True)

    def start_gateway(self):
        self.gateway = Program("run", self.config, directory=self.directory)
        self.logs.append(self.gateway.log_path)

    def stop_gateway(self, sig):
        self.gateway.stop(sig)

    def failed(self, text):
        self.failures.append(text)

    # ---- Faults ----

    def kill(self):
        self.stop_gateway(signal.SIGKILL)
        time.sleep(self.rng.random() * 0.5)
        self.start_gateway()
        self.counts["kills"] += 1

    def power(self, r=None, is_aimed=False):
        r = r or self.rng.choice(self.wave)
        meter = r.meter
        with r.lock:
            if is_aimed and not self.is_injecting:
                return  # the sessions are over
            self.lost_supply[meter["id"]] += 1
            self.simulator.order(f"power {meter['id']} "
                                 f"{self.rng.randint(50, 2500)}")
            r.must_have_lost_power |= r.running == RUNNING
        self.counts["power losses"] += 1

    def reset(self):
        r = self.rng.choice([r for r in self.wave if r.meter["is_signing"]])
        meter = r.meter
        with r.lock:
            self.lost_supply[meter["id"]] += 1
            self.simulator.order(f"reset {meter['id']}")
            r.must_be_reset |= r.running == RUNNING
        self.counts["resets"] += 1

    def noise(self):
        self.simulator.order(f"faults {self.rng.choice((100, 400, 1500))}")
        time.sleep(self.rng.uniform(0.5, 2.5))
        self.simulator.order("faults 0")
        self.counts["noises"] += 1

    def lose_link(self):
        self.simulator.process.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.3, 2.5))
        self.simulator.process.send_signal(signal.SIGCONT)
        self.counts["lost links"] += 1

    def hit_soon(self, r):
        """Sometimes in the middle of what a session's command leads to."""
        if not self.is_injecting:
            return
        kind = r.rng.random()
        after_s = r.rng.random() * 0.8
        if kind < 0.06:
            threading.Timer(after_s, self.kill_wanted.set).start()
        elif kind < 0.13 and not self.has_supply:
            threading.Timer(after_s, self.power, (r, True)).start()

    def inject(self, threads):
        """Until the sessions are over, or this wave has had enough."""
        kinds = (self.kill, self.power, self.reset, self.noise, self.lose_link)
        end_s = time.monotonic() + 14
        while time.monotonic() < end_s and any(t.is_alive() for t in threads):
            if self.kill_wanted.wait(self.rng.expovariate(1.6)):
                self.kill_wanted.clear()
                self.kill()
            else:
                weights = (4, 0, 0, 2, 1) if self.has_supply else \
                    (2, 3, 1.6, 1.5, 1)
                self.rng.choices(kinds, weights)[0]()
        self.is_injecting = False

    # ---- Waves ----

    def run_wave(self, number, is_quiet=False):
        self.wave = [Round(self, m, number) for m in self.plan.meters]
        self.rounds += self.wave
        threads = [threading.Thread(target=r.run) for r in self.wave]
        self.is_injecting = not is_quiet
        for t in threads:
            t.start()
        if not is_quiet:
            self.inject(threads)
        for t in threads:
            t.join()
        if not self.failures:
            self.settle()
            self.check_wave()

    def database(self):
        return os.path.join(self.directory, "state/metergate.db")

    def unsent(self):
        with sqlite3.connect(f"file:{self.database()}?mode=ro", uri=True,
                             timeout=30) as db:
            return db.execute(
                "SELECT count(*) FROM outbox WHERE class=2").fetchone()[0]

    def settle(self):
        """Every meter is idle and every record has been published."""
        begin_ms = time.time() * 1000

        def is_idle(m):
            state = self.watcher.state(m["id"])
            return state.get("ts_ms", 0) > begin_ms and \
                state.get("session_state", 0) == 0
        wait_for("idle meters", lambda: all(
            is_idle(m) for m in self.plan.meters), 90)
        wait_for("an empty outbox", lambda: self.unsent() == 0, 60)

        def missing():
            texts = {s["ocmf"] for s in self.watcher.all_signed()}
            return [f"{r['meter']} {r['transaction_id']} T{r['pagination']}"
                    for r in datasets(self.database())
                    if r["record"] and r["record"].decode() not in texts]
        try:
            wait_for("every record on MQTT", lambda: not missing(), 30)
        except AssertionError:
            raise AssertionError(f"never came on MQTT: {missing()}; "
                                 f"{len(self.watcher.all_signed())} came")

    # ---- Checks ----

    def expect(self, condition, text):
        if not condition:
            self.failed(text)

    def check_wave(self):
        rows = datasets(self.database())
        for r in self.wave:
            self.check_round(r, rows)

    def check_round(self, r, rows):
        name = f"{r.meter['id']} round {r.number} {r.transaction}"
        mine = [x for x in rows if x["transaction_id"] == r.transaction and
                x["meter"] == r.meter["id"]]
        records = [x for x in mine if x["kind"] == "transaction" and
                   not self.did_not_begin(x)]
        self.expect(len(records) == 1, f"{name}: {len(records)} records: "
                    f"{[(x['kind'], x['state'], x['why']) for x in mine]}\n"
                    f"{r.history}")
        if len(records) != 1:
            return
        row = records[0]
        self.expect(row["state"] == DONE, f"{name}: state {row['state']}, "
                    f"{row['why']}\n{r.history}")
        if row["state"] != DONE:
            return
        self.counts["begun again"] += sum(self.did_not_begin(x) for x in mine)
        record = Record(row["record"])
        self.expect(record.body["ID"] == r.secret,
                    f"{name}: another user's record")
        self.check_answer(name, r, row, record)
        self.check_letters(name, r, record)
        self.check_times(name, r, record)
        self.check_bill(name, r, row, record)

    def did_not_begin(self, row):
        """A try to begin that the meter did not follow leaves a row that says
        so; the same transaction is then begun again."""
        return row["kind"] == "transaction" and row["state"] == VOID and \
            row["why"].startswith("the meter did not begin")

    def check_answer(self, name, r, row, record):
        a = r.answer
        told = (a.get("pagination"), a.get("fingerprint"), a.get("billable"))
        held = (record.body["PG"], row["fingerprint"], bool(row["is_billable"]))
        self.expect(told == held, f"{name}: told {told}, stored {held}")
        for member, at in (("begin_wh", 0), ("end_wh", -1)):
            if len(record.readings) > 1 and member in a:
                self.expect(abs(float(record.wh(at)) - a[member]) < 1e-6,
                            f"{name}: {member} {a[member]}, record "
                            f"{record.wh(at)}")

    def check_letters(self, name, r, record):
        """What OCMF calls TX, from what was asked and answered."""
        end_format = r.meter["options"].get("end-format")
        ends = {0: "r", 1: "E", 2: "E" + r.reason}.get(end_format, r.reason)
        self.expect(record.letters[:1] == "B" and record.letters[-1] in ends,
                    f"{name}: TX {record.letters}, reason {r.reason}, end "
                    f"format {end_format}")
        if r.meter["is_signing"]:
            self.expect(len(record.letters) == 2, f"{name}: {record.letters}")
            return
        letters = {"intermediate": "C", "tariff": "T", "suspend": "S",
                   "hold": "C", "exception": "X"}
        for verb, letter in letters.items():
            wanted = min(r.accepted.count(verb), 1)
            self.expect(record.letters.count(letter) >= wanted,
                        f"{name}: {verb} was done, TX {record.letters}")
        energies = [record.wh(i) for i in range(len(record.readings))]
        self.expect(energies == sorted(energies), f"{name}: RV {energies}")

    def check_times(self, name, r, record):
        """The meter's clock was set before, and after each loss of it."""
        for at in (0, -1):
            text = record.readings[at]["TM"]
            moment = datetime.datetime.strptime(text[:-2],
                                                "%Y-%m-%dT%H:%M:%S,%f%z")
            self.expect(r.begin_s - CLOCK_ERROR_S < moment.timestamp() <
                        r.end_s + CLOCK_ERROR_S,
                        f"{name}: TM {text}, but it went from {r.begin_s} to "
                        f"{r.end_s}, EF {record.flags!r}")

    def check_bill(self, name, r, row, record):
        is_billable = bool(row["is_billable"])
        flags = record.flags
        if r.must_be_reset:
            self.expect("E" in flags, f"{name}: reset, EF {flags!r}\n"
                        f"{r.history}")
        if r.must_have_lost_power and r.meter["is_signing"]:
            self.expect(flags != "",
                        f"{name}: power was lost, EF {flags!r}\n{r.history}")
        if r.exception == MAYBE:
            return
        is_expected = "E" not in flags and not r.is_canceled and \
            r.exception == NOT_RUNNING
        self.expect(is_billable == is_expected,
                    f"{name}: billable {is_billable}, EF {flags!r}, canceled "
                    f"{r.is_canceled}, exception {r.exception}: {row['why']}\n"
                    f"{r.history}")
        self.counts["billable" if is_billable else "not billable"] += 1

    # ---- At the end ----

    def check_records(self, rows):
        """Every record verifies; MQTT has told the same as the store holds."""
        stored = collections.defaultdict(list)
        for row in rows:
            if row["record"] is None:
                self.expect(row["state"] == VOID,
                            f"row {row['id']}: state {row['state']}, no record")
                continue
            record = Record(row["record"])
            key = bytes.fromhex(row["key_hex"])
            self.expect(row["verdict"] == "valid" or
                        (row["verdict"] == "lenient" and row["original"]),
                        f"row {row['id']}: verdict {row['verdict']}")
            self.expect(record.verify(self.directory, key),
                        f"row {row['id']}: openssl refuses {record.text}")
            self.counts["records"] += 1
            stored[row["meter"], row["fingerprint"], record.context].append(
                (record.number, record.text))
        told = {}
        for s in self.watcher.all_signed():
            pg = s["pagination"]
            at = (s["meter"], s["fingerprint"], pg[0], int(pg[1:]))
            self.expect(told.setdefault(at, s["ocmf"]) == s["ocmf"],
                        f"{at} was published with two texts")
        held = {(*k, n): text for k, v in stored.items() for n, text in v}
        self.expect(told == held, f"published and not stored: "
                    f"{sorted(set(told) - set(held))}, stored and not "
                    f"published: {sorted(set(held) - set(told))}")
        return stored

    def check_pagination(self, stored):
        keys = collections.defaultdict(set)
        for (meter, fingerprint, context), found in stored.items():
            keys[meter].add(fingerprint)
            numbers = sorted(n for n, _ in found)
            self.expect(len(numbers) == len(set(numbers)),
                        f"{meter} {context}: numbers given twice: {numbers}")
        for m in self.plan.meters:
            self.expect(len(keys[m["id"]]) <= 1,
                        f"{m['id']}: {len(keys[m['id']])} keys")

            def numbers(context, m=m):
                return {n for k, v in stored.items() for n, _ in v
                        if k[0] == m["id"] and k[2] == context}
            last_t, last_f = self.counted(m, numbers)
            missing = [c + str(n) for c, last in (("T", last_t), ("F", last_f))
                       for n in range(1, last + 1) if n not in numbers(c)]
            beyond = [n for c, last in (("T", last_t), ("F", last_f))
                      for n in numbers(c) if n > last]
            allowed = self.lost_supply[m["id"]] if m["is_signing"] else 0
            self.counts["lost by meters"] += len(missing)
            self.expect(len(missing) <= allowed and not beyond,
                        f"{m['id']}: {missing} missing of T{last_t} and "
                        f"F{last_f}, {beyond} beyond; it lost its supply "
                        f"{allowed} times")

    def counted(self, m, numbers):
        """What the meter itself has counted; for the station what is stored."""
        if not m["is_signing"]:
            return max(numbers("T"), default=0), max(numbers("F"), default=0)
        table = self.read_table(m)
        self.expect(table[0] == 0, f"{m['id']}: 47000 is {table[0]}")

        def u32(register):
            at = register - 47000
            return table[at] << 16 | table[at + 1]
        last = [r for r in self.rounds if r.meter is m][-1]
        rows = [x for x in datasets(self.database())
                if x["transaction_id"] == last.transaction and
                x["kind"] == "transaction" and x["record"]]
        if rows:
            record = Record(rows[0]["record"])
            own = [u32(47017) // 10 * 10, u32(47021) // 10 * 10]
            self.expect([record.wh(0), record.wh(-1)] == own,
                        f"{m['id']}: record {record.wh(0)} to {record.wh(-1)} "
                        f"Wh, 47017 and 47021 say {own}")
        return u32(47013), u32(47011)

    def read_table(self, m):
        where = self.simulator.where[m["bus"]]
        if m["bus"].startswith("tcp"):
            host, port = where.rsplit(":", 1)
            client = ModbusTcpClient(host, port=int(port))
        else:
            client = ModbusSerialClient(method="rtu", port=where,
                                        baudrate=115200, parity="N")
        assert client.connect()
        try:
            answer = client.read_holding_registers(7000, 43, slave=m["unit"])
            assert not answer.isError(), answer
            return answer.registers
        finally:
            client.close()

    def check_privacy(self):
        self.expect(not self.watcher.leaks, f"told: {self.watcher.leaks[:3]}")
        for path in self.logs + [self.simulator.log_path]:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            self.expect(SECRET not in text, f"{path} names a user")
            self.expect("AddressSanitizer" not in text and
                        "runtime error:" not in text, text[-3000:])
        retained = Watcher(self.broker.port)
        marker = retained.ask("none", "none", {}, limit_s=1)
        self.expect(marker is None and not retained.leaks and
                    not retained.all_signed(), "retained: "
                    f"{retained.leaks[:3]} {retained.all_signed()[:1]}")
        retained.close()

    def finish(self):
        self.stop_gateway(signal.SIGTERM)
        rows = datasets(self.database())
        self.expect(not [r for r in rows if r["state"] == OPEN],
                    "a row is open still")
        self.check_pagination(self.check_records(rows))
        self.check_privacy()

    def close(self):
        self.stop_gateway(signal.SIGKILL)
        self.watcher.close()
        self.simulator.stop()
        self.broker.stop()


def run_depot(args):
    directory = tempfile.mkdtemp(prefix="metergate-faults-")
    per_wave = min(args.rounds, args.meters)
    n_station = per_wave // 4
    depot = Depot(args.seed, directory, per_wave - n_station, n_station,
                  args.seed % 2 == 1)
    try:
        done = 0
        while done < args.rounds and not depot.failures:
            depot.run_wave(done // per_wave, args.quiet)
            done += per_wave
        if not depot.failures:
            depot.finish()
    except Exception:
        depot.failed(traceback.format_exc())
    finally:
        depot.close()
    counts = dict(depot.counts, rounds=len(depot.rounds),
                  failures=len(depot.failures))
    for text in depot.failures:
        print(f"seed {args.seed}: {text}", file=sys.stderr)
    print(json.dumps(counts), flush=True)
    if args.keep or depot.failures:
        print(f"kept: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if depot.failures else 0


def run_depots(args):
    """Several at once, each in a process of its own."""
    share = -(-args.rounds // args.depots)
    options = ["--keep"] * args.keep + ["--quiet"] * args.quiet
    processes = [subprocess.Popen(
        [sys.executable, __file__, "--depots", "1", "--rounds", str(share),
         "--meters", str(args.meters), "--seed", str(args.seed + i), *options],
        stdout=subprocess.PIPE, text=True) for i in range(args.depots)]
    counts = collections.Counter()
    codes = []
    for p in processes:
        out, _ = p.communicate()
        codes.append(p.returncode)
        counts.update(json.loads(out.splitlines()[-1]) if out else {})
    return counts, codes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("MG_SEED", "0")) or
                        random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--depots", type=int, default=1)
    parser.add_argument("--meters", type=int, default=25,
                        help="of a depot, each with a session at a time")
    parser.add_argument("--quiet", action="store_true", help="no faults")
    parser.add_argument("--keep", action="store_true",
                        help="keep the directory")
    args = parser.parse_args()
    if args.depots == 1:
        print(f"seed {args.seed}", file=sys.stderr)
        sys.exit(run_depot(args))
    begin_s = time.monotonic()
    counts, codes = run_depots(args)
    is_good = not any(codes) and counts["rounds"] >= args.rounds
    print(f"session faults: seed {args.seed}, "
          f"{time.monotonic() - begin_s:.0f} s, " +
          ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) +
          (": ok" if is_good else ": FAILED"))
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
