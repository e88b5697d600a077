"""EVerest's powermeter API: the gateway is served by mosquitto_pub and watched by
mosquitto_sub as EVerest would. A KPM31 whose records the station signs, and a
WM3M4C that signs itself; both must look the same."""
import json
import os
import subprocess
import threading
import unittest
import uuid

from charging import Record, Simulator, datasets
from depot import LIMIT_S, Depot, wait_for

BASE = "everest_api/1/powermeter/"
MODULES = ("pm_kpm", "pm_wm")
SECRET = "04A1B2C3D4SECRET"

SIMULATE = """\
gateway: {{id: depot-1, state_dir: {dir}/state}}
simulation: {{seed: 5, turnaround: 2ms, paced: false}}
buses:
  - {{id: a, type: modbus-tcp, host: {host_a}, port: {port_a}, connect_timeout: 1s}}
  - {{id: b, type: modbus-tcp, host: {host_b}, port: {port_b}, connect_timeout: 1s}}
meters:
  - {{id: kpm, model: kpm31, bus: a, unit: 1, interval: 200ms, timeout: 200ms,
     simulate: {{voltage: 230 V, current: 32 A, power_factor: 1}}, {session_a}}}
  - {{id: wm, model: wm3m4c, bus: b, unit: 33, interval: 200ms, timeout: 200ms,
     options: {{sign-time: 100}},
     simulate: {{voltage: 230 V, current: 32 A, power_factor: 1}}, {session_b}}}
"""
RUN = """\
station: {{key_file: {dir}/station.pem}}
everest:
  interval: 300ms
  mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}
"""


class EVerest:
    """What an EVerest charging stack does, by the clients of mosquitto."""

    def __init__(self, port):
        self.port = port
        self.lines = []  # (is retained, topic, payload)
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(port), "-t", "everest_api/#", "-q", "1",
             "-F", "%r %t %p"], stdout=subprocess.PIPE, text=True, bufsize=1)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            retained, topic, payload = line.rstrip("\n").split(" ", 2)
            with self.lock:
                self.lines.append((retained == "1", topic, payload))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join(LIMIT_S)
        self.process.stdout.close()

    def payloads(self, topic):
        with self.lock:
            return [json.loads(p) for _, t, p in self.lines if t == BASE + topic]

    def wait(self, topic, condition=lambda p: True):
        return wait_for(f"message on {topic}", lambda: [
            p for p in self.payloads(topic) if condition(p)])[0]

    def wait_newer(self, topic, condition=lambda p: True):
        n = len(self.payloads(topic))
        return wait_for(f"newer message on {topic}", lambda: [
            p for p in self.payloads(topic)[n:] if condition(p)])[0]

    def publish(self, topic, payload, *options):
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t",
                        BASE + topic, "-m", payload, *options], check=True)

    def send(self, module, verb, payload):
        """Publish a request; the topic of its answer."""
        topic = f"{module}/m2e/reply/{uuid.uuid4()}"
        self.publish(f"{module}/e2m/{verb}", json.dumps(
            {"headers": {"replyTo": BASE + topic}, "payload": payload}))
        return topic

    def ask(self, module, verb, payload):
        return self.wait(self.send(module, verb, payload))

    def start(self, module, transaction, **more):
        return self.ask(module, "start_transaction", {
            "evse_id": "DE*ABC*E1*1", "transaction_id": transaction,
            "identification_status": "ASSIGNED",
            "identification_flags": ["RFID_PLAIN"],
            "identification_type": "ISO14443", "identification_data": SECRET,
            "tariff_text": "30 ct/kWh", **more})

    def end(self, module, transaction):
        return self.ask(module, "stop_transaction", transaction)


class Bridge(Depot):
    def setUp(self):
        super().setUp()
        self.make_key()
        self.broker.start()
        config = self.config_text("192.0.2.1", 502, "192.0.2.2", 502, False)
        self.simulator = Simulator(self.write_config(config, "simulate.yaml"),
                                   self.directory)
        where = [self.simulator.where[b].rsplit(":", 1) for b in "ab"]
        self.path = self.write_config(self.config_text(
            where[0][0], where[0][1], where[1][0], where[1][1], True))
        self.everest = EVerest(self.broker.port)
        self.gateway = self.start("run", self.path)
        for module in MODULES:
            self.everest.wait(f"{module}/m2e/powermeter_values")

    def make_key(self):
        path = os.path.join(self.directory, "station.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-384", "-out", path], check=True,
                       capture_output=True)
        os.chmod(path, 0o600)

    def config_text(self, host_a, port_a, host_b, port_b, is_run):
        """For the gateway, or for the meters; write_config formats it."""
        text = SIMULATE + (RUN if is_run else "")
        served = "session: {{everest: %s}}" if is_run else "allow: []"
        for name, value in (("host_a", host_a), ("port_a", port_a),
                            ("host_b", host_b), ("port_b", port_b),
                            ("session_a", served.replace("%s", MODULES[0])),
                            ("session_b", served.replace("%s", MODULES[1]))):
            text = text.replace("{" + name + "}", str(value))
        return text

    def tearDown(self):
        self.everest.stop()
        self.simulator.stop()
        log = "".join(p.output() for p in self.programs)
        super().tearDown()
        self.assertNotIn(SECRET, log)

    def check_record(self, answer):
        self.assertEqual(answer["status"], "OK", answer)
        value = answer["signed_meter_value"]
        self.assertEqual(value["encoding_method"], "OCMF")
        record = Record(value["signed_meter_data"])
        self.assertTrue(record.verify(self.directory,
                                      bytes.fromhex(value["public_key"])))
        self.assertEqual(value["signing_method"],
                         record.signature.get("SA", "ECDSA-secp256r1-SHA256"))
        self.assertRegex(value["timestamp"], r"^20\d\d-\d\d-\d\dT.*Z$")
        self.assertEqual(record.letters[0], "B")
        self.assertIn(record.letters[-1], "EALRPr")
        self.assertEqual(record.body["ID"].split(" ")[0], SECRET)
        return record

    def test_values(self):
        for module in MODULES:
            first = self.everest.wait(f"{module}/m2e/powermeter_values")
            self.assertRegex(first["timestamp"],
                             r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertNotIn(first["meter_id"], ("", "kpm", "wm"))
            self.assertAlmostEqual(first["voltage_V"]["L1"], 230, delta=2)
            self.assertAlmostEqual(first["current_A"]["L1"], 32, delta=1)
            self.assertAlmostEqual(first["frequency_Hz"]["L1"], 50, delta=1)
            self.assertGreater(first["power_W"]["total"], 7000)
            begin = first["energy_Wh_import"]["total"]
            self.everest.wait_newer(
                f"{module}/m2e/powermeter_values",
                lambda p, b=begin: p["energy_Wh_import"]["total"] > b)
        three = self.everest.payloads("pm_wm/m2e/powermeter_values")[-1]
        self.assertEqual(set(three["voltage_V"]), {"L1", "L2", "L3"})

    def test_key_and_check(self):
        for module in MODULES:
            key = self.everest.wait(f"{module}/m2e/public_key_ocmf")
            self.assertRegex(key, r"^30[0-9A-F]+$")
        # One that comes later gets the key, and nothing that is past.
        late = EVerest(self.broker.port)
        self.addCleanup(late.stop)
        late.wait("pm_kpm/m2e/public_key_ocmf")
        with late.lock:
            retained = {t for r, t, _ in late.lines if r}
        self.assertEqual({t.rsplit("/", 1)[1] for t in retained},
                         {"public_key_ocmf"})
        for module in MODULES:
            for _ in range(3):
                self.assertIs(late.wait_newer(
                    f"{module}/m2e/communication_check"), True)

    def test_transaction(self):
        for module in MODULES:
            transaction = str(uuid.uuid4())
            self.assertEqual(self.everest.start(module, transaction),
                             {"status": "OK"})
            self.everest.wait_newer(f"{module}/m2e/powermeter_values")
            first = self.everest.end(module, transaction)
            record = self.check_record(first)
            self.assertGreaterEqual(record.wh(-1), record.wh(0))
            key = self.everest.payloads(f"{module}/m2e/public_key_ocmf")[-1]
            self.assertEqual(first["signed_meter_value"]["public_key"], key)
            # Again, and again: the same bytes.
            self.assertEqual(self.everest.end(module, transaction), first)
            self.assertEqual(self.everest.end(module, transaction), first)
            # Nothing runs: there is nothing to cancel, which is fine.
            self.assertEqual(self.everest.end(module, "")["status"], "OK")
            self.assertEqual(
                self.everest.end(module, "nobody-knows")["status"],
                "UNEXPECTED_ERROR")
        rows = datasets(os.path.join(self.directory, "state/metergate.db"))
        done = [r for r in rows if r["kind"] == "transaction"]
        self.assertEqual(len(done), 2, rows)

    def test_repeated_at_once(self):
        """EVerest gives up early and asks again while it is being signed."""
        for module in MODULES:
            transaction = str(uuid.uuid4())
            topics = [self.everest.send(module, "start_transaction", {
                "evse_id": "E", "transaction_id": transaction,
                "identification_status": "NOT_ASSIGNED",
                "identification_data": SECRET}) for _ in range(3)]
            for topic in topics:
                self.assertEqual(self.everest.wait(topic), {"status": "OK"})
            topics = [self.everest.send(module, "stop_transaction", transaction)
                      for _ in range(3)]
            answers = [self.everest.wait(t) for t in topics]
            self.check_record(answers[0])
            self.assertEqual(answers, answers[:1] * 3)

    def test_start_while_one_runs(self):
        for module in MODULES:
            self.assertEqual(self.everest.start(module, "first")["status"],
                             "OK")
            self.assertEqual(self.everest.start(module, "second"),
                             {"status": "OK"})
            second = self.check_record(self.everest.end(module, "second"))
            first = self.check_record(self.everest.end(module, "first"))
            # The WM3M4C has signed the begin of the second in between.
            self.assertLess(first.number, second.number)

    def test_empty_id_cancels(self):
        for module in MODULES:
            self.assertEqual(self.everest.start(module, "lost")["status"], "OK")
            self.assertEqual(self.everest.end(module, "")["status"], "OK")
            self.assertEqual(self.everest.start(module, "next")["status"], "OK")
            self.check_record(self.everest.end(module, "next"))

    def test_link_lost(self):
        for module, meter in (("pm_kpm", "kpm"), ("pm_wm", "wm")):
            with self.subTest(module=module):
                check = f"{module}/m2e/communication_check"
                self.assertEqual(self.everest.start(module, "t")["status"],
                                 "OK")
                self.simulator.order(f"power {meter} 3000")
                self.everest.wait_newer(check, lambda p: p is False)
                answer = self.everest.end(module, "t")
                self.everest.wait_newer(check, lambda p: p is True)
                if answer["status"] != "OK":
                    answer = wait_for("a record", lambda m=module: [
                        a for a in [self.everest.end(m, "t")]
                        if a["status"] == "OK"])[0]
                self.check_record(answer)

    def test_gateway_killed(self):
        for module in MODULES:
            self.assertEqual(self.everest.start(module, "t")["status"], "OK")
        self.gateway.process.kill()
        self.gateway.process.wait()
        self.gateway = self.start("run", self.path)
        for module in MODULES:
            self.everest.wait_newer(f"{module}/m2e/powermeter_values")
            self.check_record(self.everest.end(module, "t"))

    def test_wrong_requests(self):
        topic = BASE + "pm_kpm/m2e/reply/wrong"
        headers = {"replyTo": topic}
        wrong = [
            ("start_transaction", {"headers": headers, "payload": {}}),
            ("start_transaction", {"headers": headers, "payload": "t"}),
            ("start_transaction", {"headers": headers, "payload": {
                "evse_id": "E", "transaction_id": "no blanks allowed",
                "identification_status": "ASSIGNED"}}),
            ("start_transaction", {"headers": headers, "payload": {
                "evse_id": "E", "transaction_id": "t", "tariff_text": "x" * 251,
                "identification_status": "ASSIGNED"}}),
            ("stop_transaction", {"headers": headers, "payload": 7}),
            ("stop_transaction", {"headers": headers}),
        ]
        for i, (verb, request) in enumerate(wrong):
            with self.subTest(request=str(request)[:90]):
                self.everest.publish(f"pm_kpm/e2m/{verb}", json.dumps(request))
                answers = wait_for("refusal", lambda n=i: (
                    a := self.everest.payloads("pm_kpm/m2e/reply/wrong"))[n:]
                    and a)
                self.assertEqual(answers[-1]["status"], "UNEXPECTED_ERROR")
                self.assertGreater(len(answers[-1]["error"]), 10)
        # No answer is possible to these, and nothing comes of them.
        for payload in ("", "{", "[]", "\"t\"", json.dumps(
                {"headers": {"replyTo": "mg/v1/depot-1/x"}, "payload": "t"})):
            self.everest.publish("pm_kpm/e2m/stop_transaction", payload)
        self.assertEqual(self.everest.end("pm_kpm", "")["status"], "OK")

    def test_no_answer_wanted(self):
        request = {"evse_id": "E", "transaction_id": "quiet",
                   "identification_status": "ASSIGNED",
                   "identification_data": SECRET}
        self.everest.publish("pm_kpm/e2m/start_transaction",
                             json.dumps({"payload": request}))
        # In order: what is asked next comes after it.
        self.check_record(self.everest.end("pm_kpm", "quiet"))

    def test_retained_request(self):
        self.gateway.stop()
        self.everest.publish("pm_kpm/e2m/start_transaction", json.dumps(
            {"payload": {"evse_id": "E", "transaction_id": "old",
                         "identification_status": "ASSIGNED"}}), "-r")
        self.gateway = self.start("run", self.path)
        self.gateway.wait_output("a retained request is never carried out")
        self.assertEqual(self.everest.end("pm_kpm", "old")["status"],
                         "UNEXPECTED_ERROR")

    def test_broker_comes_back(self):
        self.assertEqual(self.everest.start("pm_kpm", "t")["status"], "OK")
        self.everest.stop()
        self.broker.stop()
        self.broker.start()
        self.everest = EVerest(self.broker.port)
        self.everest.wait("pm_kpm/m2e/public_key_ocmf")
        self.everest.wait("pm_kpm/m2e/powermeter_values")
        self.check_record(self.everest.end("pm_kpm", "t"))

    def test_end_and_heartbeat(self):
        for i in range(3):
            self.everest.publish("pm_kpm/e2m/heartbeat", str(i))
        self.gateway.wait_output("EVerest's module pm_kpm is there")
        self.gateway.wait_output("EVerest's module pm_kpm is silent")
        code, seconds = self.gateway.stop()
        self.assertEqual(code, 0, self.gateway.output())
        self.assertLess(seconds, 10)
        for module in MODULES:
            self.everest.wait(f"{module}/m2e/communication_check",
                              lambda p: p is False)


if __name__ == "__main__":
    unittest.main()
