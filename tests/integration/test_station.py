"""A charging station end to end: two simulated CPKM3000 on a CAN bus served by
socketcand, the gateway, a broker, and python3-can as a third party on the bus
that listens, replays and forges."""
import base64
import json
import os
import shutil
import sqlite3
import time
import unittest

from canbus import ANSWER, der_of, segments, unpack
from charging import SPKI_P256, Record, openssl_verify
from depot import SOURCE, wait_for
from station import BASE, SIMULATED, TRANSACTION, Station


class Readings(Station):
    def test_published_values_are_those_of_the_frames(self):
        self.start_meters()
        self.start_gateway()
        bus = self.open_bus()
        reading = self.listener.wait(
            "m/right/state", lambda p: p["quality"] == "good")
        self.assertAlmostEqual(reading["voltage_l1_v"], 230, delta=0.5)
        self.assertAlmostEqual(reading["current_l3_a"], 10, delta=0.05)
        self.assertAlmostEqual(reading["power_active_w"], 6900, delta=30)
        self.assertIs(reading["relay_closed"], True)
        self.assertEqual(reading["error_word"] & 0xFFFF, 0)
        # The same decoded by hand.
        data = bus.newest(288 + 1)
        volts = int.from_bytes(data[0:2], "little") / 100
        self.assertAlmostEqual(volts, 230, delta=0.5)
        data = bus.newest(352 + 1)  # Motorola: 20 bits from the left
        watts = int.from_bytes(data[0:3], "big") >> 4
        self.assertAlmostEqual(watts / 10, 2300, delta=10)
        left = self.listener.wait("m/left/state",
                                  lambda p: p["quality"] == "good")
        self.assertAlmostEqual(left["power_active_w"], -1350, delta=8)
        self.assertGreater(left["energy_active_export_wh"], 0)
        self.assertEqual(left["energy_active_import_wh"], 0)
        self.assertNotIn("voltage_l2_v", left)

    def test_read_shows_one_meter_and_says_who_it_is(self):
        self.start_meters()
        host, port = self.simulator.where["can0"].rsplit(":", 1)
        config = self.write_config(self.text(
            f"{{{{id: can0, type: socketcand, host: {host}, port: {port}}}}}"))
        done = self.run_cli("read", "--json", "--all", config, "right")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("31-002700-04-01", done.stdout)
        self.assertIn('"frequency_hz":50', done.stdout)

    def test_a_silent_meter_is_stale_then_down_then_back(self):
        self.start_meters()
        self.start_gateway()
        self.listener.wait("m/right/state", lambda p: p["quality"] == "good")
        self.simulator.order("power right 8000")
        self.listener.wait("m/right/event",
                           lambda p: p["event"] == "meter-offline")
        fault = self.listener.wait(
            "m/right/event", lambda p: p["event"] == "fault" and
            p["fault"].endswith("acm-comms-loss") and p["active"])
        self.assertEqual(fault["severity"], "critical")
        self.listener.wait("m/right/event",
                           lambda p: p["event"] == "meter-online")
        wait_for("log", lambda: self.log("MeterTestFailed"))
        self.assertEqual([r for r in self.listener.readings("right")
                          if r["quality"] == "bad"], [])


class Sessions(Station):
    def run_session(self):
        self.start_meters()
        self.start_gateway()
        self.simulator.order("load right 32000")  # 0.02 Wh of loss a second
        begun = self.begin_soon()
        time.sleep(5)
        self.assertTrue(self.order("session-suspend")["ok"])
        self.assertTrue(self.order("session-resume")["ok"])
        time.sleep(3)
        ended = self.end()
        self.assertTrue(ended["ok"], ended)
        signed = self.listener.wait("m/right/signed")
        return begun, ended, signed

    def test_a_record_has_the_form_of_the_manual(self):
        _, ended, signed = self.run_session()
        record = Record(signed["ocmf"])
        info = self.listener.payloads("m/right/info")[-1]
        self.assertTrue(record.verify(self.directory, self.station_key(info)))
        self.assertEqual(
            list(record.body), ["FV", "GI", "PG", "GV", "MV", "MM", "MS", "MF",
                                "IS", "ID", "CI", "LC", "TT", "RD"])
        self.assertEqual(record.body["PG"], "T1-" + TRANSACTION)
        self.assertEqual(record.body["MV"], "Chargepoint Inc.")
        self.assertEqual(record.body["MM"], "CPKM3000")
        self.assertEqual(record.body["CI"], 1)
        self.assertEqual(record.body["LC"], {"LU": "uOhm", "LR": 23000})
        serial = base64.b64decode(record.body["MS"])
        self.assertEqual(serial[:16].rstrip(b"\0").decode(), info["serial"])
        self.assertEqual(serial[16:], b"|31-002700-04-01")
        self.assertEqual(base64.b64decode(record.body["MF"]).hex(),
                         info["lrs_hash"])
        self.assertEqual(record.letters[0], "B")
        self.assertIn("S", record.letters)
        for reading in record.readings:
            self.assertEqual(
                [k for k in reading if k != "EF"],
                ["TX", "TM", "RU", "RI", "RT", "RV", "CL", "ST"])
            self.assertRegex(str(reading["RV"]), r"^\d+\.\d{4}$")
        self.assertEqual(record.readings[0]["CL"], 0)
        self.assertGreater(record.readings[-1]["CL"], 0)
        self.assertEqual(list(record.signature), ["SA", "SD", "SE"])
        self.assertEqual(record.signature["SA"], "ECDSA-secp384r1-SHA256")
        self.assertTrue(ended["billable"], ended)

    def test_energies_are_those_of_challenged_telegrams(self):
        self.start_meters()
        bus = self.open_bus()
        self.start_gateway()
        self.begin_soon()
        time.sleep(1.5)
        self.assertTrue(self.end()["ok"])
        record = Record(self.listener.wait("m/right/signed")["ocmf"])
        challenged = [unpack(body) for body, _ in bus.telegrams(1)
                      if any(unpack(body)["challenge"])]
        self.assertEqual(len(challenged), 2)
        self.assertNotEqual(challenged[0]["challenge"],
                            challenged[1]["challenge"])
        for reading, telegram in zip(record.readings, challenged):
            total = reading["RV"] + reading["CL"]
            self.assertEqual(int(total * 10000), telegram["pos"])
        info = self.listener.payloads("m/right/info")[-1]
        key = bytes.fromhex(info["meter_key"])
        self.assertTrue(key.startswith(SPKI_P256))
        for telegram in challenged:
            self.assertTrue(openssl_verify(self.directory, telegram["body"],
                                           der_of(telegram["signature"]), key))

    def test_the_log_tells_the_session(self):
        self.run_session()
        wait_for("log", lambda: self.log("ChargingStopped"))
        events = [e["event"] for e in self.log()]
        self.assertEqual(events[0], "EichrechtServiceStarted")
        self.assertIn("MeterTestPassed", events)
        charging = [e for e in events if e.startswith("Charging")]
        self.assertEqual(charging, ["ChargingStarted", "ChargingSuspended",
                                    "ChargingResumed", "ChargingStopped"])
        started = self.log("ChargingStarted")[0]
        self.assertEqual(started["data"]["session"], TRANSACTION)
        numbers = [e["n"] for e in self.log()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        passed = self.log("MeterTestPassed")[0]
        self.assertEqual(len(passed["data"]["udid"]), 10)

    def test_a_session_survives_kill_and_power_loss(self):
        self.start_meters()
        gateway = self.start_gateway()
        begun = self.begin_soon()
        gateway.process.kill()
        gateway.process.wait()
        self.simulator.order("power right 3000")
        self.start_gateway()

        def end():
            answer = self.end()
            return answer if answer["ok"] else None
        ended = wait_for("end", end)
        self.assertGreaterEqual(ended["end_wh"], begun["begin_wh"])
        record = Record(self.listener.wait("m/right/signed")["ocmf"])
        self.assertEqual(record.letters, "BE")


class Attacks(Station):
    def refused(self):
        return self.listener.wait("m/right/event",
                                  lambda p: p["event"] == "telegram-refused")

    def accepted_again(self):
        self.listener.wait("m/right/event",
                           lambda p: p["event"] == "telegram-accepted")

    def check_refusal(self, why):
        event = self.refused()
        self.assertIn(why, event["text"])
        fault = self.listener.wait(
            "m/right/event", lambda p: p["event"] == "fault" and
            p["fault"].endswith("signature-verification-failed"))
        self.assertEqual(fault["severity"], "critical")
        wait_for("log", lambda: self.log("MeterDataCorrupt"))

    def forge(self, bus, body):
        """Right after a true one: it would end a message under way."""
        n = len(bus.telegrams(1))
        wait_for("telegram", lambda: len(bus.telegrams(1)) > n)
        bus.say(ANSWER + 1, body)

    def prepare(self):
        self.start_meters()
        bus = self.open_bus()
        self.start_gateway()
        self.begin_soon(transaction="1")
        self.assertTrue(self.end(transaction="1")["ok"])
        wait_for("telegrams", lambda: len(bus.telegrams(1)) >= 4)
        return bus

    def test_a_replayed_telegram_stops_billing_until_a_fresh_one(self):
        bus = self.prepare()
        self.begin_soon(transaction="2")
        body, _ = bus.telegrams(1)[1]
        self.forge(bus, body)
        self.check_refusal("replayed")
        self.accepted_again()
        ended = self.end(transaction="2")
        self.assertTrue(ended["ok"])
        self.assertFalse(ended["billable"])
        # And then everything is as before.
        self.begin_soon(transaction="3")
        self.assertTrue(self.end(transaction="3")["billable"])

    def test_a_forged_telegram_is_refused(self):
        bus = self.prepare()
        body = bytearray([body for body, _ in bus.telegrams(1)
                          if not any(unpack(body)["challenge"])][-1])
        counter = int.from_bytes(body[26:34], "big") + 1000
        body[26:34] = counter.to_bytes(8, "big")
        body[42:50] = (10 ** 9).to_bytes(8, "big")
        self.forge(bus, bytes(body))
        self.check_refusal("signature")
        # Its counter has not been taken over: true ones go on.
        self.accepted_again()
        self.begin_soon(transaction="4")

    def test_a_meter_with_a_wrong_signature_is_not_billed(self):
        self.prepare()
        self.simulator.order("fault right telegram")
        self.check_refusal("signature")
        answer = self.begin(transaction="5")
        self.assertFalse(answer["ok"])
        self.assertIn("billed", answer["reason"])
        self.simulator.order("fault right over")
        self.accepted_again()
        self.begin_soon(transaction="6")

    def test_cut_and_mixed_messages_change_nothing(self):
        bus = self.prepare()
        frames = segments(bus.telegrams(1)[1][0])
        for frame in frames[:7]:  # cut
            bus.send(ANSWER + 1, frame)
        for frame in reversed(frames):  # reordered
            bus.send(ANSWER + 1, frame)
        for node in (3, 9, 31):  # foreign nodes
            bus.say(ANSWER + node, bus.telegrams(1)[1][0])
        for _ in range(200):  # anything
            bus.send(ANSWER + 1, os.urandom(8))
            bus.send(288 + 1, os.urandom(3))
        self.begin_soon(transaction="7")
        ended = self.end(transaction="7")
        self.assertTrue(ended["ok"], ended)
        reading = self.listener.wait("m/right/state",
                                     lambda p: p["quality"] == "good")
        self.assertAlmostEqual(reading["voltage_l1_v"], 230, delta=0.5)

    def test_a_flood_does_not_stop_it(self):
        bus = self.prepare()
        gateway = self.programs[-1]
        ticks = os.sysconf("SC_CLK_TCK")

        def cpu_s():
            with open(f"/proc/{gateway.process.pid}/stat",
                      encoding="ascii") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / ticks
        before, begin = cpu_s(), time.monotonic()
        n = len(self.listener.payloads("m/right/state"))
        sent = 0
        while time.monotonic() - begin < 5:
            for _ in range(50):
                bus.send(0x7F0, b"\0" * 8)
            sent += 50
            time.sleep(0.005)
        lasted = time.monotonic() - begin
        used = (cpu_s() - before) / lasted
        print(f"flood: {sent / lasted:.0f} frames/s, {100 * used:.0f} % of a "
              "core", flush=True)
        wait_for("readings", lambda: len(
            self.listener.payloads("m/right/state")) >= n + 3)
        self.begin_soon(transaction="8")
        self.assertTrue(self.end(transaction="8")["billable"])


class Seals(Station):
    def test_another_cable_blocks_until_it_is_sealed(self):
        self.start_meters()
        gateway = self.start_gateway()
        self.begin_soon(transaction="1")
        self.assertTrue(self.end(transaction="1")["ok"])
        gateway.stop()
        self.start_gateway(lambda t: t.replace("cable_loss: 23000",
                                               "cable_loss: 0"))
        fault = self.listener.wait(
            "m/right/event", lambda p: p["event"] == "fault" and
            p["fault"].endswith("eichrecht-meter-mismatch") and p["active"])
        self.assertIn("23000", fault["text"])
        refused = self.begin(transaction="2")
        self.assertFalse(refused["ok"])
        self.assertIn("mismatch", refused["reason"])
        self.assertTrue(self.order("seal")["ok"])
        self.begin_soon(transaction="3")
        replaced = wait_for("log", lambda: self.log("MeterReplaced"))[0]
        self.assertIn("23000", json.dumps(replaced["data"]))

    def test_another_meter_blocks(self):
        self.start_meters()
        gateway = self.start_gateway()
        self.begin_soon(transaction="1")
        self.assertTrue(self.end(transaction="1")["ok"])
        gateway.stop()
        self.simulator.stop()
        shutil.rmtree(os.path.join(self.directory, "keep"))
        Station.config = BASE.replace("seed: 11", "seed: 12")
        try:
            self.start_meters()  # the same serial number with another key
        finally:
            Station.config = BASE
        self.start_gateway()
        self.listener.wait(
            "m/right/event", lambda p: p["event"] == "fault" and
            p["fault"].endswith("eichrecht-meter-mismatch") and p["active"])
        self.assertFalse(self.begin(transaction="2")["ok"])


class Relays(Station):
    def test_an_internal_error_opens_them(self):
        self.start_meters()
        self.start_gateway()
        self.listener.wait("m/right/state", lambda p: p["quality"] == "good")
        self.simulator.order("fault right temperature")
        reading = self.listener.wait("m/right/state",
                                     lambda p: p["relay_closed"] is False)
        self.assertTrue(reading["error_word"] & 4)
        self.listener.wait("m/right/event", lambda p: p["event"] == "fault" and
                           p["fault"].endswith("acm-over-temp"))
        refused = self.order("relay", closed=True)
        self.assertFalse(refused["ok"])
        self.assertIn("internal error", refused["reason"])
        self.simulator.order("fault right over")
        wait_for("relay", lambda: self.order("relay", closed=True)["ok"])

    def test_the_fault_line_lights_the_lamp_and_nothing_else(self):
        self.start_meters()
        self.start_gateway()
        self.simulator.order("input right 1")
        reading = self.listener.wait("m/right/state",
                                     lambda p: p.get("evse_fault") is True)
        self.assertIs(reading["relay_closed"], True)

    def test_a_welded_contact_is_latched(self):
        self.start_meters()
        gateway = self.start_gateway()
        self.begin_soon(transaction="1")
        self.assertTrue(self.end(transaction="1")["ok"])
        self.simulator.order("fault right welded")
        self.order("relay", closed=False)
        fault = self.listener.wait(
            "m/right/event", lambda p: p["event"] == "fault" and
            "welded" in p["fault"])
        gateway.stop()
        self.start_gateway()
        faults = self.listener.wait("m/right/faults",
                                    lambda p: p["sessions_blocked"])
        self.assertIn(fault["fault"], [f["fault"] for f in faults["faults"]])
        self.assertFalse(self.begin(transaction="2")["ok"])


class Updates(Station):
    def image(self, version=b"2.0.0"):
        return b"MGCPKM01" + version.ljust(12, b"\0") + os.urandom(3000)

    def sign(self, image):
        raw = self.directory + "/image"
        with open(raw, "wb") as f:
            f.write(image)
        out = self.run_openssl("dgst", "-sha256", "-sign",
                               self.directory + "/vendor.pem", raw)
        # DER to r and s
        r_len = out[3]
        r = out[4:4 + r_len].lstrip(b"\0").rjust(32, b"\0")
        s = out[6 + r_len:].lstrip(b"\0").rjust(32, b"\0")
        return r + s

    def run_openssl(self, *args):
        import subprocess
        return subprocess.run(["openssl", *args], capture_output=True,
                              check=True).stdout

    def put(self, name, data):
        with open(os.path.join(self.directory, "updates", name), "wb") as f:
            f.write(data)

    def test_only_the_makers_firmware_is_taken(self):
        self.run_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout",
                         "-out", self.directory + "/vendor.pem")
        der = self.run_openssl("ec", "-in", self.directory + "/vendor.pem",
                               "-pubout", "-outform", "DER")
        self.options = f"update-key: '{der[-64:].hex()}'"
        self.start_meters()
        self.start_gateway()
        before = self.listener.payloads("m/right/info")[-1]
        image = self.image()
        self.put("forged.bin", image + os.urandom(64))
        self.put("good.bin", image + self.sign(image))
        refused = self.order("firmware-update", file="forged.bin")
        self.assertFalse(refused["ok"])
        self.assertIn("signature", refused["reason"])
        for name in ("../station.pem", ".hidden", "none.bin", ""):
            self.assertFalse(self.order("firmware-update", file=name)["ok"])
        done = self.order("firmware-update", file="good.bin")
        self.assertTrue(done["ok"], done)
        after = self.listener.wait("m/right/info",
                                   lambda p: p.get("lrs_version") == "2.0.0")
        self.assertNotEqual(after["lrs_hash"], before["lrs_hash"])
        wait_for("log", lambda: self.log("FirmwareInstalled"))
        events = [e["event"] for e in self.log()
                  if e["event"].startswith("Firmware")]
        self.assertEqual(
            [e for e in events if e != "FirmwareDownloadFailed"],
            ["FirmwareUpdateRequested", "FirmwareDownloaded",
             "FirmwareInstallFailed", "FirmwareUpdateRequested",
             "FirmwareDownloaded", "FirmwareInstalled"])


class Overload(Station):
    """In virtual time: exact, and minutes in a moment."""
    config = BASE.replace("current: 10 A", "current: 40.2 A").replace(
        "connector: 1,", "connector: 1, current_limit: 32 A,").replace(
            "current: 6 A", "current: 39.6 A").replace(
                "connector: 2}", "connector: 2, current_limit: 32 A}")

    def test_it_trips_below_ten_seconds_and_latches(self):
        config = self.write_config(self.text(SIMULATED).replace(
            "mqtt:\n  host: 127.0.0.1\n  port: {port}\n  tls: false\n", ""))
        done = self.run_cli("run", "--simulate", "--speed", "max", "--for",
                            "5m", config)
        self.assertEqual(done.returncode, 0, done.stderr)
        store = sqlite3.connect(os.path.join(
            self.directory, "state/simulated/metergate.db"))
        rows = store.execute("SELECT topic, CAST(payload AS TEXT) FROM outbox "
                             "ORDER BY id").fetchall()
        store.close()
        readings = [r for topic, text in rows if topic == "m/right/readings"
                    for r in json.loads(text)]
        closed = []  # seconds that it stayed as it was
        for r in readings:
            if not closed or closed[-1][0] != r["relay_closed"]:
                closed.append((r["relay_closed"], r["ts_ms"]))
        states = [state for state, _ in closed]
        self.assertEqual(states, [True, False] * 4)
        lasted = [(b[1] - a[1]) / 1000 for a, b in zip(closed, closed[1:])]
        self.assertLess(max(lasted[0::2]), 10)  # closed, in overload
        self.assertGreaterEqual(min(lasted[1::2]), 3)  # open
        faults = [json.loads(text) for topic, text in rows
                  if topic == "m/right/event" and '"fault"' in text]
        latched = [f for f in faults if f["fault"].endswith("ac-over-current")]
        self.assertEqual([f["active"] for f in latched], [True])
        # Just below 1.25 times the limit: never.
        left = [json.loads(text) for topic, text in rows
                if topic == "m/left/event"]
        self.assertEqual([e for e in left if e["event"] == "fault"], [])


class ForeignDatabase(Station):
    """Another DBC: other names, identifiers, byte order, node distance."""

    def test_readings_and_sessions(self):
        with open(os.path.join(SOURCE, "plugins/cpkm3000/cpkm3000.dbc"),
                  encoding="utf-8") as f:
            text = f.read()
        text = text.replace("BO_ 288 MeterVoltages", "BO_ 2566844416 Mains")
        text = text.replace("BO_ 288 200", "BO_ 2566844416 200")
        text = text.replace("SG_ VoltageL1 : 0|16@1+ (0.01,0)",
                            "SG_ U1 : 7|16@0+ (0.1,0)")
        text = text.replace("MeterAnswer", "Said")
        text = text.replace('BA_ "NodeStep" 1;', 'BA_ "NodeStep" 2;')
        path = os.path.join(self.directory, "other.dbc")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        names = ("signals: [voltage_l1_v=Mains.U1, voltage_v=Mains.U1, "
                 "voltage_l2_v=Mains.VoltageL2, voltage_l3_v=Mains.VoltageL3, "
                 "frequency_hz=Mains.Frequency, answer=Said, boots=none]")
        self.config = BASE.replace(
            "    unit: 1\n", f"    unit: 1\n    dbc: {path}\n    {names}\n")
        self.config = self.config.replace(
            "    unit: 2\n", f"    unit: 2\n    dbc: {path}\n    {names}\n")
        self.start_meters()
        bus = self.open_bus()
        self.start_gateway()
        reading = self.listener.wait("m/right/state",
                                     lambda p: p["quality"] == "good")
        self.assertAlmostEqual(reading["voltage_l1_v"], 230, delta=0.5)
        self.assertAlmostEqual(reading["voltage_l2_v"], 230, delta=0.5)
        self.assertNotIn("boots", reading)
        self.assertEqual(bus.seen(288 + 1), [])
        data = bus.newest((2566844416 & 0x1FFFFFFF) + 2)
        self.assertAlmostEqual(int.from_bytes(data[0:2], "big") / 10, 230,
                               delta=0.5)
        self.begin_soon()
        self.assertTrue(self.end()["billable"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
