"""A CP6000 station end to end: one simulated CPIM1000, two meters in one device
on one CAN node served by socketcand, the gateway, a broker, and python3-can as
a third party on the bus."""
import base64
import json
import os
import time
import unittest

from charging import Record
from depot import wait_for
from station import BASE, Station

NODE = 3
CONFIG = BASE[:BASE.index("  - id: right")] + """\
  - id: right
    model: cpim1000
    bus: can0
    unit: 3
    options: {{side: right}}
    allow: [session, relay]
    simulate: {{voltage: 230 V, current: 10 A, power_factor: 1}}
    session: {{form: chargepoint}}
  - id: left
    model: cpim1000
    bus: can0
    unit: 3
    options: {{side: left}}
    allow: [session, relay]
    simulate: {{voltage: 225 V, current: 6 A, power_factor: 1}}
    session: {{form: chargepoint}}
"""


class Sides(Station):
    config = CONFIG

    def start_all(self):
        self.start_meters()
        gateway = self.start_gateway()
        for side in ("right", "left"):
            self.good(side)
        return gateway

    def good(self, side, condition=lambda p: True):
        return self.listener.wait(
            f"m/{side}/state", lambda p: p["quality"] == "good" and condition(p))

    def events(self, side, name):
        return [p for p in self.listener.payloads(f"m/{side}/event")
                if p["event"] == name]


class Readings(Sides):
    def test_each_side_is_what_its_frames_say(self):
        self.start_all()
        bus = self.open_bus()
        for side, volts, amperes, base in (("right", 230, 10, 736),
                                           ("left", 225, 6, 768)):
            reading = self.good(side)
            self.assertAlmostEqual(reading["voltage_l1_v"], volts, delta=0.7)
            self.assertAlmostEqual(reading["current_l2_a"], amperes, delta=0.1)
            self.assertAlmostEqual(reading["power_active_w"],
                                   3 * volts * amperes, delta=60)
            self.assertIs(reading["relay_closed"], True)
            data = bus.newest(base + NODE)  # decoded by hand
            seen = int.from_bytes(data[2:4], "little") / 100
            self.assertAlmostEqual(seen, volts, delta=0.7)
            data = bus.newest(base + 64 + NODE)
            seen = int.from_bytes(data[4:6], "little") * 0.002
            self.assertAlmostEqual(seen, amperes, delta=0.1)

    def test_info_names_the_device_and_the_side(self):
        self.start_all()
        right = self.listener.payloads("m/right/info")[-1]
        left = self.listener.payloads("m/left/info")[-1]
        self.assertEqual((right["device"], right["circuit"]),
                         ("right", "right"))
        self.assertEqual((left["device"], left["circuit"]), ("right", "left"))
        for same in ("serial", "udid", "model", "unit", "lrs_hash"):
            self.assertEqual(right[same], left[same], same)

    def test_load_and_relay_are_a_sides_own(self):
        self.start_all()
        self.simulator.order("load left 20000")
        self.good("left", lambda p: p["current_l1_a"] > 19.9)
        time.sleep(1.2)
        self.assertAlmostEqual(self.good("right")["current_l1_a"], 10,
                               delta=0.1)
        self.assertTrue(self.order("relay", "left", closed=False)["ok"])
        self.good("left", lambda p: p["relay_closed"] is False and
                  p["power_active_w"] == 0)
        before = self.good("left")["energy_active_import_wh"]
        last = self.good("right")
        self.assertIs(last["relay_closed"], True)
        self.good("right", lambda p: p["energy_active_import_wh"] >
                  last["energy_active_import_wh"] + 2)
        self.assertEqual(self.good("left")["energy_active_import_wh"], before)

    def test_the_device_is_away_with_both_sides(self):
        self.start_all()
        self.simulator.order("power left 6000")  # right has the supply
        for side in ("right", "left"):
            self.listener.wait(f"m/{side}/event",
                               lambda p: p["event"] == "meter-offline")
        for side in ("right", "left"):
            self.listener.wait(f"m/{side}/event",
                               lambda p: p["event"] == "meter-online")
            self.assertEqual(len(self.events(side, "meter-offline")), 1)
            self.assertEqual(len(self.events(side, "meter-online")), 1)
            self.good(side)

    def test_one_memory_outlives_the_simulation(self):
        self.start_all()
        was = {side: self.good(side)["energy_active_import_wh"]
               for side in ("right", "left")}
        self.assertGreater(was["right"], was["left"])
        self.stop_gateway()
        self.assertEqual(self.simulator.stop(), 0)
        keep = os.path.join(self.directory, "keep")
        self.assertEqual(sorted(os.listdir(keep)), ["right.nv"])
        self.start_all()
        for side, wh in was.items():
            self.assertGreaterEqual(
                self.good(side)["energy_active_import_wh"], wh)
            self.assertEqual(self.good(side)["boots"], 3)

    def stop_gateway(self):
        self.gateway.stop()

    def start_gateway(self, change=lambda text: text):
        self.gateway = super().start_gateway(change)
        return self.gateway

    def test_sides_turned_round_are_noticed(self):
        """Another DBC's messages: the left side answers for the right one."""
        turned = "".join(
            f"    signals: [request={s}Request, answer={s}Answer]\n    bus: can0\n"
            if line == "    bus: can0\n" else line
            for s, part in (("Left", self.config.partition("  - id: left")[0]),
                            ("Right", "".join(
                                self.config.partition("  - id: left")[1:])))
            for line in part.splitlines(True))
        self.start_meters()
        self.config = turned
        host, port = self.simulator.where["can0"].rsplit(":", 1)
        bus = f"{{{{id: can0, type: socketcand, host: {host}, port: {port}}}}}"
        self.start("run", self.write_config(self.text(bus)))
        for side in ("right", "left"):
            self.listener.wait(f"m/{side}/event",
                               lambda p: p["event"] == "wrong-circuit")
            answer = self.begin(side)
            self.assertFalse(answer["ok"], answer)
            self.assertIn("two meters answers for it", answer["reason"])

    def test_read_and_check(self):
        self.start_meters()
        host, port = self.simulator.where["can0"].rsplit(":", 1)
        text = self.text(
            f"{{{{id: can0, type: socketcand, host: {host}, port: {port}}}}}")
        config = self.write_config(text)
        values = {}
        for side in ("right", "left"):
            done = self.run_cli("read", "--json", "--all", config, side)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('"serial":"', done.stdout)
            for line in done.stdout.splitlines():
                values.setdefault(side, {}).update(json.loads(line))
        self.assertAlmostEqual(values["right"]["voltage_l1_v"], 230, delta=1)
        self.assertAlmostEqual(values["left"]["voltage_l1_v"], 225, delta=1)
        config = self.write_config(text.replace("side: left", "side: right"))
        done = self.run_cli("check", config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("side: meter right (line", done.stdout + done.stderr)


class OneSide(Sides):
    config = CONFIG[:CONFIG.index("  - id: left")].replace(
        "right", "left")

    def start_gateway(self, change=lambda text: text):
        host, port = self.simulator.where["can0"].rsplit(":", 1)
        bus = f"{{{{id: can0, type: socketcand, host: {host}, port: {port}}}}}"
        return self.start("run", self.write_config(self.text(bus)))

    def test_left_alone(self):
        """The unit is supplied, and nothing flows through the other side, whose
        frames it sends all the same."""
        self.start_meters()
        self.start_gateway()
        bus = self.open_bus()
        self.assertAlmostEqual(self.good("left")["current_l1_a"], 10, delta=0.1)
        self.assertEqual(self.listener.payloads("m/right/state"), [])
        data = bus.newest(736 + NODE)
        self.assertAlmostEqual(int.from_bytes(data[0:2], "little") / 100, 230,
                               delta=1)
        self.assertEqual(bus.newest(800 + NODE)[:6], bytes(6))
        self.assertEqual(int.from_bytes(bus.newest(1056 + NODE)[:5], "little"),
                         0)
        ended = self.session("left")
        self.assertTrue(ended["ok"], ended)
        record = Record(self.listener.wait("m/left/signed")["ocmf"])
        self.assertEqual(record.body["CI"], 2)

    def session(self, side):
        self.begin_soon(side)
        time.sleep(2)
        return self.end(side)


class Sessions(Sides):
    TRANSACTIONS = {"right": "1000000000000000001",
                    "left": "1000000000000000002"}

    def begin_both(self):
        return {side: self.begin_soon(side, transaction)
                for side, transaction in self.TRANSACTIONS.items()}

    def end_both(self):
        def end(side):
            answer = self.end(side, self.TRANSACTIONS[side])
            return answer if answer["ok"] else None
        return {side: wait_for("end of " + side, lambda s=side: end(s))
                for side in self.TRANSACTIONS}

    def check_record(self, side, begun, ended):
        signed = self.listener.wait(f"m/{side}/signed")
        info = self.listener.payloads(f"m/{side}/info")[-1]
        record = Record(signed["ocmf"])
        self.assertTrue(record.verify(self.directory, self.station_key(info)))
        self.assertEqual(record.body["CI"], {"right": 1, "left": 2}[side])
        self.assertEqual(record.body["MM"], "CPIM1000")
        self.assertEqual(record.body["PG"], "T1-" + self.TRANSACTIONS[side])
        serial = base64.b64decode(record.body["MS"])[:16].rstrip(b"\0")
        self.assertEqual(serial.decode(), info["serial"])
        self.assertEqual(record.letters[0] + record.letters[-1], "BE")
        self.assertAlmostEqual(float(record.wh(0)), begun["begin_wh"], places=3)
        self.assertAlmostEqual(float(record.wh(-1)), ended["end_wh"], places=3)
        path = os.path.join(self.directory, f"{side}.ocmf")
        with open(path, "w", encoding="ascii") as f:
            f.write(signed["ocmf"] + "\n")
        done = self.run_cli("verify", "--key", info["public_key"], path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return record

    def test_both_sides_charge_at_once(self):
        self.start_all()
        begun = self.begin_both()
        time.sleep(6)
        ended = self.end_both()
        used = {}
        for side in self.TRANSACTIONS:
            self.assertTrue(ended[side]["billable"], ended)
            record = self.check_record(side, begun[side], ended[side])
            used[side] = record.wh(-1) - record.wh(0)
        self.assertAlmostEqual(float(used["right"] / used["left"]),
                               230 * 10 / (225 * 6), delta=0.5)
        connectors = {e["data"]["session"]: e["data"]["connector"]
                      for e in self.log("ChargingStarted")}
        self.assertEqual(connectors, {self.TRANSACTIONS["right"]: 1,
                                      self.TRANSACTIONS["left"]: 2})
        # The energies are those of the frames, of each side alone.
        bus = self.open_bus()
        for side, base in (("right", 1056), ("left", 1088)):
            tenths = int.from_bytes(bus.newest(base + NODE)[:5], "little")
            self.assertGreaterEqual(tenths / 10, ended[side]["end_wh"])

    def test_both_outlive_kill_and_supply_loss(self):
        gateway = self.start_all()
        begun = self.begin_both()
        gateway.process.kill()
        gateway.process.wait()
        self.simulator.order("power right 3000")
        self.start_gateway()
        ended = self.end_both()
        for side in self.TRANSACTIONS:
            self.assertGreaterEqual(ended[side]["end_wh"],
                                    begun[side]["begin_wh"])
            self.check_record(side, begun[side], ended[side])

    def test_relays_and_overload_are_a_sides_own(self):
        self.config = self.config.replace(
            "{{form: chargepoint}}",
            "{{form: chargepoint, contactor: true, current_limit: 16 A}}")
        self.start_all()
        self.begin_soon("right", "7")
        self.assertTrue(self.end("right", "7")["ok"])
        self.wait_relays(right=False, left=True)
        self.begin_both()
        self.wait_relays(right=True, left=True)
        self.simulator.order("load right 30000")
        self.wait_relays(right=False, left=True)
        ended = self.end("left", self.TRANSACTIONS["left"])
        self.assertTrue(ended["ok"] and ended["billable"], ended)
        self.wait_relays(right=False, left=False)

    def wait_relays(self, **closed):
        self.listener.forget()
        for side, is_closed in closed.items():
            self.good(side, lambda p, c=is_closed: p["relay_closed"] is c)

    def test_one_ends_while_the_other_goes_on(self):
        self.start_all()
        begun = self.begin_both()
        time.sleep(1)
        ended = self.end("right", self.TRANSACTIONS["right"])
        self.assertTrue(ended["ok"], ended)
        self.check_record("right", begun["right"], ended)
        self.assertEqual(self.listener.payloads("m/left/signed"), [])
        wrong = self.end("left", self.TRANSACTIONS["right"])
        self.assertFalse(wrong["ok"], wrong)
        ended = self.end("left", self.TRANSACTIONS["left"])
        self.assertTrue(ended["ok"], ended)
        self.check_record("left", begun["left"], ended)


if __name__ == "__main__":
    unittest.main(verbosity=2)
