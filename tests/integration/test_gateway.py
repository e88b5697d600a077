"""The gateway end to end: simulated meters on real lines, a real mosquitto."""
import json
import os
import re
import signal
import sqlite3
import time
import unittest

from depot import Depot, wait_for


def sequence(readings):
    return [r["seq"] for r in readings]


class Gateway(Depot):
    def start_gateway(self, *args):
        gateway = self.start("run", "--simulate", *args, self.write_config())
        return gateway

    def start_all(self):
        self.broker.start()
        listener = self.listen()
        gateway = self.start_gateway()
        for meter in ("cp1", "cp2", "cp3", "cp4"):
            listener.wait(f"m/{meter}/readings")
        return gateway, listener

    def test_topics_and_payloads(self):
        gateway, listener = self.start_all()
        reading = listener.readings("cp2")[-1]
        self.assertRegex(reading["ts"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertLess(abs(reading["ts_ms"] - time.time() * 1000), 60000)
        self.assertIn(reading["clk"], "UISR")
        self.assertRegex(reading["epoch"], r"^[0-9a-f]{16}$")
        self.assertEqual(reading["quality"], "good")
        reading = listener.wait("m/cp2/state",
                                lambda p: p.get("current_a", 0) > 15)
        self.assertAlmostEqual(reading["voltage_v"], 220, delta=0.5)
        self.assertAlmostEqual(reading["current_a"], 16, delta=0.05)
        self.assertAlmostEqual(reading["power_active_w"], 3520, delta=18)
        self.assertIs(reading["relay_closed"], True)
        self.assertIn("energy_active_import_wh", reading)
        self.assertIn("energy_active_t1_wh", reading)
        for member in reading.values():
            self.assertNotIsInstance(member, (dict, list), "flat")
        # Variant A has no relay: the key is absent, not false.
        self.assertNotIn("relay_closed", listener.wait("m/cp3/state"))
        self.assertTrue(listener.wait("m/cp3/state", lambda p: p.get(
            "power_active_w", 0) < -1000))
        settlement = listener.wait("m/cp2/settlement")
        self.assertIn("energy_active_m12_wh", settlement)
        self.assertIn("energy_active_t4_month_wh", settlement)
        info = listener.wait("m/cp2/info", lambda p: "serial" in p)
        self.assertEqual(info["model"], "kpm31")
        self.assertEqual(info["obis"]["energy_active_import_wh"], "1-0:1.8.0")
        self.assertEqual(listener.wait("info")["meters"], 4)
        self.assertIs(listener.wait("info")["simulated"], True)
        self.assertTrue(listener.wait("event",
                                      lambda p: p["event"] == "started"))
        code, seconds = gateway.stop()
        self.assertEqual(code, 0, gateway.output())
        self.assertLess(seconds, 10)  # 2 s on a machine of its own

    def test_availability_and_will(self):
        gateway, listener = self.start_all()

        def raw(topic):
            return [m.payload for m in listener.messages
                    if m.topic == "mg/v1/depot-1/" + topic]
        wait_for("online", lambda: b"online" in raw("availability"))
        wait_for("meter online", lambda: b"online" in raw("m/cp1/availability"))
        gateway.stop(signal.SIGKILL)
        wait_for("the will", lambda: raw("availability")[-1] == b"offline")

    def test_retained_for_a_late_subscriber(self):
        self.start_all()
        late = self.listen()
        state = late.wait("m/cp1/state")
        self.assertIn("energy_active_wh", state)
        self.assertTrue(any(m.retain for m in late.messages))

    def test_broker_outage_loses_nothing(self):
        gateway, listener = self.start_all()
        before = len(listener.readings("cp1"))
        self.broker.stop()
        begin_ms = time.time() * 1000
        wait_for("backlog", lambda: self.outbox_rows() >= 12)
        end_ms = time.time() * 1000
        # What comes before the listener is back would be lost to it, not to us.
        listener.is_subscribed.clear()
        gateway.process.send_signal(signal.SIGSTOP)
        self.broker.start()
        wait_for("the listener", listener.is_subscribed.is_set)
        gateway.process.send_signal(signal.SIGCONT)
        wait_for("the readings of the outage", lambda: any(
            r["ts_ms"] > end_ms for r in listener.readings("cp1")))
        wait_for("an empty outbox", lambda: self.outbox_rows() <= 4)
        time.sleep(0.5)
        for meter in ("cp1", "cp2", "cp3", "cp4"):
            readings = listener.readings(meter)
            seen = sorted(set(sequence(readings)))
            self.assertEqual(seen, list(range(seen[0], seen[-1] + 1)),
                             f"{meter}: a gap")
        during = [r for r in listener.readings("cp1")
                  if begin_ms < r["ts_ms"] < end_ms]
        self.assertGreater(len(during), 2)
        self.assertGreater(len(listener.readings("cp1")), before)
        self.assertEqual(gateway.process.poll(), None)

    def outbox_rows(self):
        path = os.path.join(self.directory, "state/simulated/metergate.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM outbox").fetchone()[0]

    def test_clean_restart_has_no_gap(self):
        gateway, listener = self.start_all()
        gateway.stop()
        last = max(sequence(listener.readings("cp1")))
        gateway = self.start_gateway()
        listener.wait("m/cp1/readings", lambda b: b[-1]["seq"] > last + 6)
        gateway.stop()
        seen = sorted(set(sequence(listener.readings("cp1"))))
        self.assertEqual(seen, list(range(1, seen[-1] + 1)))
        self.assertEqual(len({r["epoch"] for r in listener.readings("cp1")}), 1)
        # The simulated meters keep their counters across the restart.
        self.assertFalse([e for e in listener.payloads("m/cp1/event")
                          if e["event"] in ("register-epoch", "implausible")])

    def test_kill_9_says_what_was_lost(self):
        gateway, listener = self.start_all()
        gateway.stop(signal.SIGKILL)
        stored = {r["seq"]: r["ts_ms"] for r in listener.readings("cp1")}
        last = max(stored)
        self.start_gateway()
        event = listener.wait("m/cp1/event",
                              lambda p: p["event"] == "readings-lost")
        self.assertLessEqual(event["seq_from"], event["seq_to"])
        self.assertLessEqual(event["at_most"], 60)
        listener.wait("m/cp1/readings",
                      lambda b: b[0]["seq"] > event["seq_to"])
        # No number was given twice.
        again = {}
        for r in listener.readings("cp1"):
            self.assertEqual(again.setdefault(r["seq"], r["ts_ms"]), r["ts_ms"])
        self.assertGreaterEqual(event["seq_from"], last)

    def test_energy_is_monotone_and_exact(self):
        gateway, listener = self.start_all()
        wait_for("20 readings", lambda: len(listener.readings("cp2")) >= 20)
        gateway.stop()
        readings = listener.readings("cp2")
        energies = [r["energy_active_import_wh"] for r in readings]
        self.assertEqual(energies, sorted(energies))
        text = [m.payload.decode() for m in listener.messages
                if m.topic.endswith("cp2/readings")][-1]
        for number in re.findall(r":(-?[0-9.]+)[,}]", text):
            self.assertLess(len(number), 20, "no floating point noise")
        self.assertNotIn("e-", json.dumps(text.split('"epoch"')[0]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
