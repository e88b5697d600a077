"""Simulation faster than real time: a month's end in seconds, and the same
seed gives the same readings."""
import os
import re
import sqlite3
import json
import unittest

from depot import Depot

CONFIG = """\
gateway: {{id: depot-1, state_dir: {dir}/STATE}}
simulation: {{seed: 5, start: "2025-01-31T22:00:00Z"}}
outbox: {{max_readings: 50, max_age: 600s}}
buses:
  - {{id: line1, type: modbus-rtu, device: /dev/ttyUSB77, baud: 9600}}
  - {{id: gw1, type: modbus-tcp, host: 192.0.2.1, port: 502}}
meters:
  - {{id: cp1, model: kpm31, bus: line1, unit: 1, interval: 60s, slow_interval: 10m,
     simulate: {{voltage: 230 V, current: 20 A, power_factor: 1}}}}
  - {{id: cp2, model: kpm31, bus: gw1, unit: 1, interval: 60s, slow_interval: 10m}}
"""


class VirtualTime(Depot):
    def run_once(self, state):
        path = self.write_config(CONFIG.replace("STATE", state))
        result = self.run_cli("run", "--simulate", "--speed", "max", "--for",
                              "4h", path, timeout=110)
        self.assertEqual(result.returncode, 0, result.stderr)
        db = os.path.join(self.directory, state, "simulated/metergate.db")
        with sqlite3.connect(db) as connection:
            rows = connection.execute(
                "SELECT topic, payload FROM outbox WHERE topic LIKE "
                "'%readings' ORDER BY topic, id").fetchall()
        self.assertTrue(rows)
        return [(topic, re.sub(r'"epoch":"[0-9a-f]*"', "", bytes(
            payload).decode() if not isinstance(payload, str) else payload))
            for topic, payload in rows]

    def test_same_seed_same_readings_over_a_month_end(self):
        first = self.run_once("one")
        second = self.run_once("two")
        self.assertEqual(first, second)
        readings = [r for topic, text in first if "cp1" in topic
                    for r in json.loads(text.replace(",,", ","))]
        self.assertGreaterEqual(len(readings), 239)
        self.assertTrue(readings[0]["ts"].startswith("2025-01-31T22:0"))
        self.assertTrue(readings[-1]["ts"].startswith("2025-02-01T01:5"))
        self.assertEqual({r["clk"] for r in readings}, {"R"})
        # 4.6 kW for about four hours.
        grown = readings[-1]["energy_active_import_wh"] - \
            readings[0]["energy_active_import_wh"]
        hours = (readings[-1]["ts_ms"] - readings[0]["ts_ms"]) / 3.6e6
        self.assertAlmostEqual(grown / hours, 4600, delta=23)

    def test_settlement_at_the_first_of_the_month(self):
        self.broker.start()
        listener = self.listen()
        config = CONFIG.replace("STATE", "state").replace(
            "outbox:", "mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}\n"
            "outbox:")
        self.start("run", "--simulate", "--speed", "3000", "--for", "3h",
                   self.write_config(config))
        before = listener.wait("m/cp1/settlement",
                               lambda p: p["ts"] > "2025-01-31T23:50")
        after = listener.wait("m/cp1/settlement",
                              lambda p: p["ts"] > "2025-02-01T00:20")
        self.assertEqual(before["energy_active_m1_wh"], 0)
        self.assertAlmostEqual(after["energy_active_m1_wh"], 2 * 4600,
                               delta=46)
        self.assertLess(after["energy_active_month_wh"],
                        before["energy_active_month_wh"])
        # 20 A from 22:00: rate 3 until 23:00, then rate 4.
        self.assertAlmostEqual(after["energy_active_t3_m1_wh"], 4600, delta=30)
        self.assertAlmostEqual(after["energy_active_t4_m1_wh"], 4600, delta=30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
