"""Independent clients read the simulated KPM31: mbpoll and pymodbus, over a
pty, Modbus TCP and RTU over TCP."""
import json
import os
import struct
import subprocess
import unittest

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.transaction import ModbusRtuFramer

from depot import Depot


def f32(registers, at=0):
    return struct.unpack(">f", struct.pack(">HH", *registers[at:at + 2]))[0]


class Peers(Depot):
    def setUp(self):
        super().setUp()
        self.links = os.path.join(self.directory, "lines")
        self.simulate = self.start("simulate", "--json", "--links", self.links,
                                   self.write_config())
        self.simulate.wait_output('"ready"')
        self.where = {}
        for line in self.simulate.output().splitlines():
            if line.startswith("{") and "bus" in line:
                entry = json.loads(line)
                self.where[entry["bus"]] = entry["address"]

    def tcp_port(self, bus):
        return int(self.where[bus].rsplit(":", 1)[1])

    def mbpoll(self, *args):
        result = subprocess.run(["mbpoll", "-1", "-q", *args], text=True,
                                capture_output=True, timeout=30, check=False)
        return result.stdout + result.stderr

    def check_live(self, client, unit, volts, amps, watts):
        answer = client.read_holding_registers(0x30, 14, slave=unit)
        self.assertFalse(answer.isError(), answer)
        self.assertAlmostEqual(f32(answer.registers, 0), volts, delta=volts * .002)
        self.assertAlmostEqual(f32(answer.registers, 2), amps, delta=amps * .002)
        self.assertAlmostEqual(f32(answer.registers, 4), watts,
                               delta=abs(watts) * .005)
        self.assertAlmostEqual(f32(answer.registers, 12), 50, delta=0.02)

    def wait_measured(self, client, unit):
        """The first second after power-on has no average yet."""
        from depot import wait_for
        wait_for("first measurement", lambda: f32(
            client.read_holding_registers(0x30, 2, slave=unit).registers) > 0)
        import time
        time.sleep(1.5)  # the display average, in the meter's own time

    def test_pymodbus_tcp_two_units(self):
        client = ModbusTcpClient("127.0.0.1", port=self.tcp_port("gw1"))
        self.assertTrue(client.connect())
        self.wait_measured(client, 1)
        self.check_live(client, 1, 220, 16, 3520)
        self.check_live(client, 2, 220, 5, -1100)
        absent = client.read_holding_registers(0x30, 2, slave=77)
        self.assertTrue(absent.isError())
        client.close()

    def test_pymodbus_rtu_over_tcp(self):
        client = ModbusTcpClient("127.0.0.1", port=self.tcp_port("gw2"),
                                 framer=ModbusRtuFramer)
        self.assertTrue(client.connect())
        self.wait_measured(client, 9)
        self.check_live(client, 9, 225, 20, 225 * 20 * .95)
        client.close()

    def test_pymodbus_pty_and_relay(self):
        client = ModbusSerialClient(method="rtu",
                                    port=os.path.join(self.links, "line1"),
                                    baudrate=9600, parity="N")
        self.assertTrue(client.connect())
        self.wait_measured(client, 1)
        self.check_live(client, 1, 230, 10, 2070)
        self.assertFalse(client.write_coil(1, False, slave=1).isError())
        self.assertEqual(client.read_coils(1, 1, slave=1).bits[0], False)
        self.wait_zero(client)
        self.assertFalse(client.write_coil(1, True, slave=1).isError())
        client.close()

    def wait_zero(self, client):
        from depot import wait_for
        wait_for("an interrupted load", lambda: f32(
            client.read_holding_registers(0x32, 2, slave=1).registers) == 0)

    def test_pymodbus_exceptions(self):
        client = ModbusTcpClient("127.0.0.1", port=self.tcp_port("gw1"))
        self.assertTrue(client.connect())
        hole = client.read_holding_registers(0x3e, 2, slave=1)
        self.assertEqual(hole.exception_code, 2)
        across = client.read_holding_registers(0x30, 0x42, slave=1)
        self.assertEqual(across.exception_code, 2)
        read_only = client.write_registers(0x30, [1, 2], slave=1)
        self.assertTrue(read_only.isError())
        no_relay = client.read_coils(1, 1, slave=2)
        self.assertTrue(no_relay.isError(), "variant A has no relay")
        client.close()

    def test_mbpoll_tcp(self):
        out = self.mbpoll("-m", "tcp", "-p", str(self.tcp_port("gw1")), "-a",
                          "2", "-0", "-t", "4:float", "-B", "-r", "60", "-c",
                          "1", "127.0.0.1")
        self.assertRegex(out, r"\[60\]:\s+(50|49\.9|0)")

    def test_mbpoll_pty(self):
        out = self.mbpoll("-m", "rtu", "-b", "9600", "-P", "none", "-a", "1",
                          "-0", "-t", "4", "-r", "1", "-c", "2",
                          os.path.join(self.links, "line1"))
        self.assertRegex(out, r"\[1\]:\s+1\b")  # address
        self.assertRegex(out, r"\[2\]:\s+4\b")  # 9600 baud


if __name__ == "__main__":
    unittest.main(verbosity=2)
