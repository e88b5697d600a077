"""The gateway reads a server that is not ours: pymodbus with a KPM31's map."""
import asyncio
import struct
import threading
import unittest

from pymodbus.datastore import (ModbusServerContext, ModbusSlaveContext,
                                ModbusSparseDataBlock)
from pymodbus.server.async_io import ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

from depot import Depot, free_port

CONFIG = """\
gateway: {{id: depot-1, state_dir: {dir}/state}}
mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}
outbox: {{max_readings: 2, max_age: 1s}}
buses:
  - {{id: gw1, type: modbus-tcp, host: 127.0.0.1, port: TCP_PORT}}
  - {{id: gw2, type: modbus-rtu-tcp, host: localhost, port: RTU_PORT}}
meters:
  - {{id: cp1, model: kpm31, bus: gw1, unit: 1, options: {{variant: B}}}}
  - {{id: cp2, model: kpm31, bus: gw2, unit: 1, options: {{variant: B}}}}
"""


def floats(values):
    return [r for v in values
            for r in struct.unpack(">HH", struct.pack(">f", v))]


def kpm31_context():
    registers = {}

    def put(address, values):
        for i, register in enumerate(floats(values)):
            registers[address + i + 1] = register  # pymodbus counts from 1

    put(0x30, [230.5, 12.25, 2750.0, 600.5, 2823.6, 0.974, 49.98])
    put(0x70, [2900.0])
    put(0x80, [1234.5, 1200.0, 34.5, 55.5, 50.25, 5.25, 600.0, 300.0, 200.0,
               134.5, 20.0, 15.0, 10.5, 10.0])
    put(0x9c, [float(i) for i in range(130)])
    registers.update({2: 1, 3: 4})
    coils = ModbusSparseDataBlock({2: True})
    return ModbusServerContext(slaves={1: ModbusSlaveContext(
        hr=ModbusSparseDataBlock(registers), co=coils)}, single=False)


class ForeignServer(Depot):
    def serve(self, port, framer):
        ready = threading.Event()

        async def main():
            server = ModbusTcpServer(kpm31_context(), framer=framer,
                                     address=("127.0.0.1", port))
            loop.call_later(0.2, ready.set)
            await server.serve_forever()

        loop = asyncio.new_event_loop()

        def work():
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(main())
            except (RuntimeError, asyncio.CancelledError):
                pass  # stopped from outside

        threading.Thread(target=work, daemon=True).start()
        self.assertTrue(ready.wait(10))

    def test_values_arrive(self):
        tcp, rtu = free_port(), free_port()
        self.serve(tcp, ModbusSocketFramer)
        self.serve(rtu, ModbusRtuFramer)
        self.broker.start()
        listener = self.listen()
        self.start("run", self.write_config(
            CONFIG.replace("TCP_PORT", str(tcp)).replace("RTU_PORT", str(rtu))))
        for meter in ("cp1", "cp2"):
            reading = listener.wait(f"m/{meter}/readings")[0]
            self.assertAlmostEqual(reading["voltage_v"], 230.5, places=3)
            self.assertAlmostEqual(reading["current_a"], 12.25, places=3)
            self.assertAlmostEqual(reading["power_factor"], 0.974, places=3)
            self.assertAlmostEqual(reading["energy_active_wh"], 1234500,
                                   delta=0.2)
            self.assertAlmostEqual(reading["energy_active_t4_wh"], 134500,
                                   delta=0.1)
            self.assertIs(reading["relay_closed"], True)
            settlement = listener.wait(f"m/{meter}/settlement")
            self.assertEqual(settlement["energy_active_m12_wh"], 12000)
            self.assertEqual(settlement["energy_reactive_month_varh"], 13000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
