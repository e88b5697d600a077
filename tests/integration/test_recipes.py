"""The README's recipes for simulated meters, word for word; only the ports, the
folder of the links and the broker are this test's own."""
import os
import re
import subprocess
import unittest

from depot import METERGATE, SOURCE, Depot, wait_for

DEMO = os.path.join(SOURCE, "config/examples/demo.yaml")
SIGNED = os.path.join(SOURCE, "config/examples/signed-charging.yaml")


def recipe(name):
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as f:
        found = re.findall(rf"<!-- recipe {name} -->\n```(\w+)\n(.*?)```",
                           f.read(), re.S)
    assert len(found) == 1, f"README.md: {len(found)} recipes {name}"
    return found[0]


class Recipes(Depot):
    def serve(self):
        """Returns what the addresses of the README are here."""
        links = os.path.join(self.directory, "lines")
        simulate = self.start("simulate", "--links", links, DEMO)
        simulate.wait_output("Ctrl-C")
        buses = re.findall(r"^(\S+) +(?:Modbus|CAN)\b.*?(?::(\d+))?(?: can0)?$",
                           simulate.output(), re.M)
        # --port-base 15020: the file's fourth bus on 15023.
        names = [name for name, _ in buses]
        self.assertEqual((names[0], names[3], names[5]),
                         ("line1", "gw1", "can0"), simulate.output())
        return {"/tmp/lines": links, "15023": buses[3][1],
                "15025": buses[5][1]}

    def follow(self, name, other):
        language, text = recipe(name)
        for theirs, ours in other.items():
            self.assertTrue(theirs in text or name != "everest", theirs)
            text = text.replace(theirs, ours)
        command = ["sh", "-e", "-c", text] if language == "sh" else \
            ["/usr/bin/python3", "-c", text]
        path = os.path.dirname(METERGATE) + ":" + os.environ["PATH"]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False,
            cwd=self.directory, env={**os.environ, "PATH": path})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_mbpoll(self):
        output = self.follow("mbpoll", self.serve())
        for value in re.findall(r"^\[48\]:\s+([\d.]+)$", output, re.M):
            self.assertAlmostEqual(float(value), 230, delta=15)
        self.assertEqual(output.count("[48]:"), 2, output)

    def test_pymodbus(self):
        other = self.serve()
        wait_for("a first measurement", lambda: float(
            self.follow("pymodbus", other).split()[0]) > 200)
        self.assertRegex(self.follow("pymodbus", other),
                         r"^2[0-9]{2}\.\d V \d+\.\d\d A \d+ W\n$")

    def test_python_can(self):
        other = self.serve()
        wait_for("some energy", lambda: float(
            self.follow("python-can", other).split()[0]) > 0)

    def test_everest(self):
        self.broker.start()
        with open(SIGNED, encoding="utf-8") as f:
            text = f.read().replace(
                "host: localhost", f"host: 127.0.0.1\n  port: {self.broker.port}")
        own = os.path.join(self.directory, "own.yaml")
        with open(own, "w", encoding="utf-8") as f:
            f.write(text)
        output = self.follow("everest", {
            "cp config/examples/signed-charging.yaml .":
                "cp own.yaml signed-charging.yaml",
            "signed-charging.yaml &": "signed-charging.yaml >run.log 2>&1 & "
            "gateway=$!; trap 'kill $gateway' EXIT; "
            "until grep -q 'broker: connected' run.log; do sleep 0.1; done; "
            "sleep 2",
            "mosquitto_rr ": f"mosquitto_rr -p {self.broker.port} "})
        self.assertIn('"status":"OK"', output)
        self.assertIn("OCMF|", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
