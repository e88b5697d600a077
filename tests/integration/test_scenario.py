"""Scenarios over real wires: loads, a power loss, an unplugged line, orders by
a topic; and energy from the load to the signed record."""
import json
import os
import unittest

from charging import Record, datasets
from depot import LIMIT_S, Depot, wait_for

CONFIG = """\
gateway: {{id: depot-1, state_dir: {dir}/state}}
mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}
outbox: {{max_readings: 1, max_age: 1s}}
simulation: {{seed: 7}}
buses:
  - {{id: line1, type: modbus-rtu, device: /dev/ttyUSB77, baud: 9600}}
  - {{id: gw1, type: modbus-tcp, host: 192.0.2.1, port: 502}}
  - {{id: line2, type: modbus-rtu, device: /dev/ttyUSB78, baud: 115200}}
meters:
  - {{id: cp1, model: kpm31, bus: line1, unit: 1, interval: 500ms}}
  - {{id: cp2, model: kpm31, bus: gw1, unit: 1, interval: 500ms}}
  - {{id: cp3, model: kpm31, bus: gw1, unit: 2, interval: 500ms,
     simulate: {{voltage: 225 V, current: 7 A}}}}
  - {{id: cp4, model: wm3m4c, bus: line2, unit: 33, interval: 500ms,
     allow: [session]}}
"""

SCENARIO = """\
seed: 3
vehicles:
  - {id: zoe, phases: 3, max_current: 20 A, battery: 40 kWh}
sessions:
  - {meter: cp1, vehicle: zoe, at: 2s, limit: 13 A}
  - {meter: cp4, vehicle: zoe, at: 1s, limit: 10 A,
     limits: [{after: 15s, current: 16 A}]}
faults:
  - {type: power-loss, meter: cp1, at: 15s, for: 12s}
wires:
  - {type: unplug, bus: gw1, at: 14s, for: 6s}
"""


class Scenario(Depot):
    def write_scenario(self, text=SCENARIO):
        path = os.path.join(self.directory, "scenario.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def order(self, text):
        return self.listener.command("sim/control", text)

    def state(self, meter):
        answer = self.order("state " + meter)
        self.assertEqual(answer["done"], "state " + meter)
        return answer

    def await_reading(self, meter, condition, limit_s=40):
        return wait_for(f"reading of {meter}", lambda: [
            r for r in self.listener.readings(meter) if condition(r)],
            limit_s)[0]

    def await_event(self, meter, event):
        self.listener.wait(f"m/{meter}/event", lambda p: p["event"] == event)

    def begin(self, *options):
        self.broker.start()
        self.listener = self.listen()
        self.start("run", "--simulate", "--control-topic", *options,
                   self.write_config(CONFIG))

    def test_it_happens_on_real_wires(self):
        self.begin("--scenario", self.write_scenario())
        loaded = self.await_reading("cp1", lambda r: r.get("current_a", 0) > 12.9)
        self.assertAlmostEqual(loaded["current_a"], 13, delta=0.1)
        self.assertAlmostEqual(loaded["voltage_v"], 230, delta=1)
        three = self.await_reading(
            "cp4", lambda r: 9.5 < r.get("current_l2_a", 0) < 11)
        self.assertAlmostEqual(three["power_active_w"], 3 * 230 * 10,
                               delta=120)
        fixed = self.await_reading("cp3", lambda r: r.get("current_a", 0) > 1)
        self.assertAlmostEqual(fixed["current_a"], 7, delta=0.05)
        # The line to cp2 and cp3 is pulled, and cp1 has no supply.
        for meter in ("cp1", "cp2"):
            for event in ("meter-offline", "meter-online"):
                self.await_event(meter, event)
        self.await_reading("cp4", lambda r: 15.5 < r.get("current_l2_a", 0) < 17)

    def test_orders_by_topic(self):
        self.begin()
        self.await_reading("cp2", lambda r: "current_a" in r)
        self.assertEqual(self.order("session cp2 ac1-32 21000"),
                         {"done": "session cp2 ac1-32 21000"})
        self.await_reading("cp2", lambda r: 20.8 < r.get("current_a", 0) < 21.2)
        self.assertEqual(self.order("limit cp2 9000"),
                         {"done": "limit cp2 9000"})
        self.await_reading("cp2", lambda r: 8.9 < r.get("current_a", 0) < 9.1)
        self.order("grid voltage cp2 180000 60000")
        self.await_reading("cp2", lambda r: 179 < r["voltage_v"] < 181)
        self.assertEqual(self.order("grid voltage cp2 180 0")["failed"],
                         "grid voltage cp2 180 0")
        self.assertEqual(self.order("fault cp2 welded")["reason"],
                         "this model knows no such fault")
        self.assertEqual(self.order("nonsense")["failed"], "nonsense")
        self.assertIn("line", self.order("reset cp1\nreset cp2")["reason"])
        # Each answer goes to who has asked, whatever the others ask.
        orders = ["state cp1", "one\ntwo", "x" * 300, "state cp2"] * 4
        for i, text in enumerate(orders):
            self.listener.command("sim/control", text, expect=False,
                                  correlation=b"%d" % i)
        for _ in orders:
            message = self.listener.replies.get(timeout=LIMIT_S)
            text = orders[int(message.properties.CorrelationData)]
            answer = json.loads(message.payload)
            if text.startswith("state"):
                self.assertEqual(answer.get("done"), text)
            else:
                self.assertIn("one line", answer["reason"])
        self.assertTrue(self.state("cp2")["vehicle"])
        self.order("leave cp2")
        self.assertFalse(self.state("cp2")["vehicle"])
        self.order("wire line1 unplug 0 600000")
        self.await_event("cp1", "meter-offline")
        # All answers are on the common topic too.
        self.listener.wait("sim/done", lambda p: p.get("done") == "leave cp2")

    def test_retained_orders_are_refused(self):
        self.broker.start()
        self.listener = self.listen()
        self.listener.client.publish("mg/v1/depot-1/sim/control",
                                     "load cp2 30000", qos=1,
                                     retain=True).wait_for_publish()
        self.start("run", "--simulate", "--control-topic",
                   self.write_config(CONFIG))
        self.await_reading("cp2", lambda r: "current_a" in r)
        self.order("session cp2 ac1-16 7300")
        self.await_reading("cp2", lambda r: 7.25 < r.get("current_a", 0) < 7.35)
        done = [p.get("done", "") for p in self.listener.payloads("sim/done")]
        self.assertNotIn("load cp2 30000", done)

    def test_energy_from_load_to_record(self):
        self.begin("--speed", "20", "--scenario",
                   self.write_scenario("seed: 1\n"))  # nobody comes by itself
        wait_for("first reading", lambda: self.listener.readings("cp4"))
        answer = self.listener.command("m/cp4/cmd/session-begin", json.dumps(
            {"transaction": "t1", "identification": "04A1B2C3",
             "identification_type": "ISO14443"}))
        self.assertTrue(answer["ok"], answer)
        before = self.state("cp4")
        self.order("session cp4 ac3-32 32000")
        wait_for("three kWh", lambda: self.state("cp4")["true_mwh"] -
                 before["true_mwh"] > 3000000, 120)
        self.order("leave cp4")
        after = self.state("cp4")
        truth_wh = (after["true_mwh"] - before["true_mwh"]) / 1000
        pulses = after["pulses"] - before["pulses"]
        self.await_reading("cp4", lambda r: r.get(
            "current_l1_a", 1) == 0 and r["energy_active_import_wh"] > 2900)
        answer = self.listener.command(
            "m/cp4/cmd/session-end", json.dumps({"transaction": "t1"}))
        self.assertTrue(answer["ok"], answer)
        database = os.path.join(self.directory,
                                "state/simulated/metergate.db")
        rows = [r for r in datasets(database) if r["kind"] == "transaction"]
        record = Record(rows[-1]["record"])
        signed_wh = float(record.wh(-1) - record.wh(0))
        readings = self.listener.readings("cp4")
        read_wh = readings[-1]["energy_active_import_wh"] - \
            readings[0]["energy_active_import_wh"]
        # Class B; then 10 Wh that a register does not show at either end.
        self.assertAlmostEqual(signed_wh, truth_wh, delta=truth_wh / 100 + 10)
        self.assertAlmostEqual(read_wh, truth_wh, delta=truth_wh / 100 + 10)
        # 1000 imp/kWh: a pulse for each Wh.
        self.assertAlmostEqual(pulses, truth_wh, delta=truth_wh / 100 + 1)
        self.assertAlmostEqual(signed_wh, pulses, delta=11)

    def test_never_on_real_meters(self):
        config = self.write_config(CONFIG)
        for option in (("--control-topic",),
                       ("--scenario", self.write_scenario())):
            result = self.run_cli("run", *option, config)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("--simulate", result.stderr)

    def test_a_wrong_one_starts_nothing(self):
        config = self.write_config(CONFIG)
        wrong = self.write_scenario("sessions:\n  - {meter: cp9, vehicle: x}\n")
        for command in (("check",), ("simulate",), ("run", "--simulate")):
            result = self.run_cli(*command, "--scenario", wrong, config)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn(f"{wrong}:2:13: unknown meter \"cp9\"",
                          result.stderr)
            self.assertIn("2 faults", result.stderr)
        result = self.run_cli("check", "--scenario", self.write_scenario(),
                              config)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
