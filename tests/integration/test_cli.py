"""The commands as a person types them: output, errors, exit codes."""
import json
import os
import shutil
import unittest

from depot import SOURCE, Depot, free_port


class Cli(Depot):
    def test_usage(self):
        for args in ([], ["fly"], ["run"], ["run", "--bogus", "x"],
                     ["read", "x"], ["run", "--speed", "9", "x"],
                     ["check", "a", "b"], ["simulate", "--port-base", "0", "x"],
                     ["simulate", "--for", "0", "x"], ["demo", "--for", "0"]):
            with self.subTest(args=args):
                result = self.run_cli(*args)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertTrue(result.stderr.strip())
        for command in ("run", "simulate", "check", "models", "read", "demo"):
            result = self.run_cli(command, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn("Example:", result.stdout)

    def test_version(self):
        self.assertRegex(self.run_cli("--version").stdout,
                         r"^metergate \d+\.\d+\.\d+$")

    def test_models(self):
        result = self.run_cli("models")
        self.assertIn("kpm31", result.stdout)
        self.assertIn("Compere", result.stdout)
        models = json.loads(self.run_cli("models", "--json").stdout)
        kpm31 = [m for m in models if m["model"] == "kpm31"][0]
        self.assertIn("variant", [o["name"] for o in kpm31["options"]])
        self.assertIn("relay", [c["verb"] for c in kpm31["commands"]])
        keys = [c["key"] for c in kpm31["channels"]]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertIn("energy_active_t4_m12_wh", keys)
        kinds = {c["key"]: (c["unit"], c["kind"]) for c in kpm31["channels"]}
        self.assertEqual(kinds["energy_active_import_wh"], ("wh", "counter"))
        self.assertEqual(kinds["energy_active_t4_m12_wh"], ("wh", "amount"))
        self.assertEqual(kinds["voltage_v"], ("v", "gauge"))
        self.assertIn("1-0:15.8.0", [c["obis"] for c in kpm31["channels"]])
        self.assertNotIn("circuit_option", kpm31)
        cpim1000 = [m for m in models if m["model"] == "cpim1000"][0]
        self.assertEqual(cpim1000["circuit_option"], "side")
        self.assertIn("One device is two meters, `side: right` and",
                      self.run_cli("models", "cpim1000").stdout)
        self.assertEqual(self.run_cli("models", "abc").returncode, 1)

    def test_check_reports_all_faults_at_once(self):
        path = self.write_config("""\
gateway:
  id: depot-1
  state_dirr: /tmp
buses:
  - id: line1
    type: modbus-rtu
    device: /dev/ttyUSB0
    baud: 9601
meters:
  - id: cp1
    model: kpm32
    bus: line1
    unit: 1
  - id: cp1
    model: kpm31
    bus: line2
    unit: 900
""")
        result = self.run_cli("check", path)
        self.assertEqual(result.returncode, 1)
        for text in (f"{path}:3:3:", "did you mean", "state_dir", "9601",
                     "kpm32", "line2", "900", "^"):
            self.assertIn(text, result.stderr)
        run = self.run_cli("run", path)
        self.assertEqual(run.returncode, 1)
        self.assertIn("nothing was started", run.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "state")))

    def test_check_accepts_the_examples(self):
        examples = os.path.join(self.directory, "examples")
        shutil.copytree(os.path.join(SOURCE, "config/examples"), examples)
        self.run_cli("key", "generate", "--out",
                     os.path.join(examples, "station.pem"))
        for name in sorted(os.listdir(examples)):
            if name.endswith(".yaml") and name not in ("depot.yaml",):
                result = self.run_cli("check", os.path.join(examples, name))
                self.assertEqual(result.returncode, 0, result.stderr)
        schema = json.loads(self.run_cli("check", "--schema").stdout)
        self.assertIn("properties", schema)

    def test_missing_file(self):
        result = self.run_cli("run", "/nonexistent/depot.yaml")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/depot.yaml", result.stderr)
        self.assertIn("No such file", result.stderr)

    def test_read_simulated(self):
        path = self.write_config()
        result = self.run_cli("read", "--simulate", path, "cp2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("energy_active_import_wh", result.stdout)
        self.assertIn("1-0:1.8.0", result.stdout)
        result = self.run_cli("read", "--simulate", "--json", "--all", path,
                              "cp1")
        lines = [json.loads(x) for x in result.stdout.splitlines()]
        self.assertTrue(any("energy_active_m12_wh" in x for x in lines))
        self.assertTrue(any("serial" in x for x in lines))
        live = [x for x in lines if "voltage_v" in x][0]
        self.assertAlmostEqual(live["voltage_v"], 230, delta=1)
        self.assertAlmostEqual(live["current_a"], 10, delta=0.1)
        result = self.run_cli("read", "--simulate", path, "nobody")
        self.assertEqual(result.returncode, 1)
        self.assertIn("cp1", result.stderr)

    def test_read_says_when_the_port_is_held(self):
        links = os.path.join(self.directory, "lines")
        text = self.config.replace("/dev/ttyUSB77", links + "/line1")
        path = self.write_config(text)
        simulate = self.start("simulate", "--links", links, path)
        simulate.wait_output("Ctrl-C")
        result = self.run_cli("read", path, "cp1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.broker.start()
        gateway = self.start("run", path)
        gateway.wait_output("gateway depot-1")
        listener = self.listen()
        listener.wait("m/cp1/state")
        result = self.run_cli("read", path, "cp1")
        self.assertEqual(result.returncode, 1)
        self.assertIn(links + "/line1", result.stderr)
        self.assertRegex(result.stderr, "another process.*gateway")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_second_gateway_on_the_same_state_is_refused(self):
        self.broker.start()
        path = self.write_config()
        first = self.start("run", "--simulate", path)
        first.wait_output("gateway depot-1")
        second = self.run_cli("run", "--simulate", path)
        self.assertEqual(second.returncode, 1)
        self.assertIn("metergate.db", second.stderr)

    def test_no_answer(self):
        result = self.run_cli("read", self.write_config(), "cp1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/dev/ttyUSB77", result.stderr)

    def test_wrong_unit_behind_a_gateway(self):
        port = free_port()
        text = self.config.replace("192.0.2.10", "127.0.0.1").replace(
            "port: 502", f"port: {port}").replace("192.0.2.11", "127.0.0.1")
        # gw1 is the second bus
        path = self.write_config(text)
        simulate = self.start("simulate", "--port-base", str(port - 1), path)
        simulate.wait_output("Ctrl-C")
        self.assertEqual(self.run_cli("read", path, "cp3").returncode, 0)
        path = self.write_config(text.replace("unit: 2", "unit: 77"), "w.yaml")
        result = self.run_cli("read", path, "cp3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("exception 11", result.stderr)

    def test_keep_needs_a_directory(self):
        path = self.write_config()
        result = self.run_cli("simulate", "--keep", path, "--for", "1s", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not a directory", result.stderr)
        keep = os.path.join(self.directory, "keep")
        os.mkdir(keep)
        with open(os.path.join(keep, "cp1.nv"), "wb") as f:
            f.write(b"rubbish")
        result = self.run_cli("simulate", "--keep", keep, "--for", "1s", path)
        self.assertEqual(result.returncode, 0)
        self.assertIn("cp1.nv is no memory", result.stderr)

    def test_demo(self):
        demo = os.path.join(SOURCE, "config/examples/demo.yaml")
        result = self.run_cli("demo", "--for", "32s", demo, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("mosquitto connected", result.stdout)
        self.assertNotIn("\x1b", result.stdout, "plain when no terminal")
        self.assertIn("online", result.stdout)
        self.assertRegex(result.stdout, r"\d signed records?; the last cp\d+: "
                         r"T\d+ of \w+, 0\.\d+ kWh, valid, billable")


if __name__ == "__main__":
    unittest.main(verbosity=2)
