"""Broken surroundings: what is said, how often, and that it ends cleanly."""
import os
import signal
import socket
import subprocess
import threading
import unittest

from depot import METERGATE, Depot, wait_for

ONE_TCP_METER = """\
gateway:
  id: depot-1
  state_dir: {{dir}}/state
mqtt:
  host: 127.0.0.1
  port: {{port}}
  tls: false
buses:
  - {{{{id: gw1, type: modbus-tcp, host: 127.0.0.1, port: {port}}}}}
meters:
  - {{{{id: cp1, model: kpm31, bus: gw1, unit: 1, interval: 100ms}}}}
"""


class ClosingServer:
    """Takes every connection and closes it at once."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.n = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.close()
            self.n += 1


class Trouble(Depot):
    def setUp(self):
        super().setUp()
        self.broker.start()

    def test_hangup(self):
        path = self.write_config()
        program = self.start("run", "--simulate", path)
        program.wait_output("broker: connected")
        program.process.send_signal(signal.SIGHUP)
        program.wait_output("SIGHUP ignored")
        code, seconds = program.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 2)
        demo = self.start("simulate", path)
        demo.wait_output("Ctrl-C")
        code, _ = demo.stop(signal.SIGHUP)
        self.assertEqual(code, 0, "only the gateway outlives its terminal")

    def test_line_that_closes_at_once_is_one_trouble(self):
        server = ClosingServer()
        text = ONE_TCP_METER.format(port=server.port)
        program = self.start("run", self.write_config(text))
        wait_for("connections", lambda: server.n >= 4)
        program.stop()
        server.socket.close()
        lines = [x for x in program.output().splitlines() if "line gw1" in x]
        self.assertEqual(len(lines), 1, program.output())
        # Who closes with a request unread resets the connection.
        self.assertRegex(lines[0], "closed by the other side|reset by peer")

    def test_closed_standard_streams(self):
        """Files get no number that the program prints to."""
        path = self.write_config()
        shell = '"$0" "$@" <&- >&- 2>&-'
        result = subprocess.run(
            ["sh", "-c", shell, METERGATE, "run", "--simulate", "--for", "2s",
             path], check=False, timeout=60)
        self.assertEqual(result.returncode, 0)
        state = os.path.join(self.directory, "state/simulated/metergate.db")
        with open(state, "rb") as f:
            data = f.read()
        self.assertTrue(data.startswith(b"SQLite format 3"))
        self.assertNotIn(b"info  gateway", data)

    def test_output_that_is_lost(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([METERGATE, "models"], stdout=full,
                                    stderr=subprocess.PIPE, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"could not be written", result.stderr)

    def test_state_dir(self):
        file = os.path.join(self.directory, "file")
        with open(file, "w", encoding="ascii"):
            pass
        for place, what in ((file, "not a directory"),
                            ("/no/such/folder", "No such file")):
            text = self.config.replace("{dir}/state", place)
            result = self.run_cli("run", self.write_config(text))
            self.assertEqual(result.returncode, 1)
            self.assertIn("state_dir", result.stderr)
            self.assertIn(place, result.stderr)
            self.assertIn(what, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
