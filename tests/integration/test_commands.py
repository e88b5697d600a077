"""Commands over MQTT: carried out, read back, answered; or refused."""
import json
import time
import unittest

from depot import Depot


class Commands(Depot):
    def setUp(self):
        super().setUp()
        self.broker.start()
        self.listener = self.listen()
        self.gateway = self.start("run", "--simulate", self.write_config())
        self.listener.wait("m/cp1/state",
                           lambda p: p.get("current_a", 0) > 9)

    def command(self, topic, members, **kwargs):
        payload = members if isinstance(members, (str, bytes)) \
            else json.dumps(members)
        return self.listener.command(topic, payload, **kwargs)

    def test_relay_interrupts_the_load(self):
        answer = self.command("m/cp1/cmd/relay", {"closed": False, "id": "r1"})
        self.assertEqual((answer["ok"], answer["id"], answer["relay_closed"]),
                         (True, "r1", False), answer)
        self.listener.wait("m/cp1/state", lambda p: p["relay_closed"] is False
                           and p["current_a"] == 0)
        answer = self.command("m/cp1/cmd/relay", {"closed": True})
        self.assertIs(answer["relay_closed"], True)
        self.listener.wait("m/cp1/event", lambda p: p["event"] == "command"
                           and p["verb"] == "relay" and p["ok"])

    def test_refusals(self):
        cases = [
            ("m/cp2/cmd/relay", {"closed": False}, "denied", "allow"),
            ("m/cp9/cmd/relay", {"closed": False}, "not-found", "cp9"),
            ("m/cp1/cmd/explode", {}, "not-supported", "explode"),
            ("m/cp1/cmd/relay", {}, "invalid", "closed"),
            ("m/cp1/cmd/relay", {"closed": 7}, "invalid", "closed"),
            ("m/cp1/cmd/relay", {"open": True}, "invalid", "open"),
            ("m/cp1/cmd/relay", "{\"closed\":", None, ""),
            ("m/cp1/cmd/relay", "[1]", None, ""),
            ("m/cp1/cmd/relay", {"closed": False,
                                 "expires": "2020-01-01T00:00:00Z"}, None,
             "expired"),
            ("m/cp1/cmd/relay", json.dumps({"closed": False,
                                            "x": "y" * 9000}), None, ""),
            ("m/cp1/cmd/set-address", {"address": 300}, "invalid", "address"),
        ]
        for topic, members, code, word in cases:
            with self.subTest(topic=topic, members=str(members)[:60]):
                answer = self.command(topic, members)
                self.assertIs(answer["ok"], False)
                if code:
                    self.assertEqual(answer["error"], code, answer)
                self.assertIn(word, answer["reason"])
        state = self.listener.payloads("m/cp1/state")[-1]
        self.assertIs(state["relay_closed"], True, "nothing was carried out")

    def test_retained_command_is_never_carried_out(self):
        self.gateway.stop()
        self.command("m/cp1/cmd/relay", {"closed": False}, retain=True,
                     expect=False)
        self.gateway = self.start("run", "--simulate", self.write_config())
        self.listener.wait("event", lambda p: p["event"] == "command-refused"
                           and "retained" in p["text"])
        count = len(self.listener.payloads("m/cp1/state"))
        self.listener.wait("m/cp1/state", lambda p: len(
            self.listener.payloads("m/cp1/state")) > count + 3)
        self.assertIs(self.listener.payloads("m/cp1/state")[-1]["relay_closed"],
                      True)

    def test_clear_energy_opens_an_epoch(self):
        self.listener.wait("m/cp1/state",
                           lambda p: p["energy_active_wh"] > 0, 60)
        answer = self.command("m/cp1/cmd/clear-energy", {})
        self.assertIs(answer["ok"], True, answer)
        event = self.listener.wait("m/cp1/event",
                                   lambda p: p["event"] == "register-epoch")
        self.assertGreater(event["before"], event["after"])
        self.listener.wait("m/cp1/state", lambda p: p["reg_epoch"] == 2)
        bad = [e for e in self.listener.payloads("m/cp1/event")
               if e["event"] == "implausible"]
        self.assertEqual(bad, [])

    def test_set_address_moves_the_meter(self):
        answer = self.command("m/cp1/cmd/set-address", {"address": 42})
        self.assertIs(answer["ok"], True, answer)
        moved_ms = time.time() * 1000
        self.listener.wait("m/cp1/state", lambda p: p["ts_ms"] > moved_ms)
        self.assertEqual(self.listener.payloads("m/cp1/info")[-1]["unit"], 42)
        # It is found again after a restart, though the file still says 1.
        self.gateway.stop()
        self.gateway = self.start("run", "--simulate", self.write_config())
        restarted_ms = time.time() * 1000
        self.listener.wait("m/cp1/state", lambda p: p["ts_ms"] > restarted_ms)
        self.gateway.wait_output("update")

    def test_set_baud_changes_the_line(self):
        answer = self.command("m/cp1/cmd/set-baud", {"baud": "4800"})
        self.assertIs(answer["ok"], True, answer)
        moved_ms = time.time() * 1000
        self.listener.wait("m/cp1/state", lambda p: p["ts_ms"] > moved_ms)
        self.listener.wait("m/cp1/event", lambda p: p["event"] ==
                           "meter-moved" and "4800" in p["text"])
        answer = self.command("m/cp1/cmd/set-baud", {"baud": "115200"})
        self.assertEqual(answer["error"], "invalid")

    def test_set_clock(self):
        answer = self.command("m/cp1/cmd/set-clock", {})
        self.assertIs(answer["ok"], True, answer)

    def test_reply_to_member(self):
        self.listener.client.subscribe("mg/v1/depot-1/reply/9", qos=1)
        self.listener.client.publish(
            "mg/v1/depot-1/m/cp1/cmd/relay",
            json.dumps({"closed": True, "id": "m1",
                        "reply_to": "mg/v1/depot-1/reply/9"}), qos=1)
        answer = self.listener.wait("reply/9")
        self.assertEqual((answer["ok"], answer["id"]), (True, "m1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
