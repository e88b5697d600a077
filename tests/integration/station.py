"""A charging station for tests: two simulated CPKM3000 on a CAN bus served by
socketcand, a gateway and a broker."""
import json
import os

from canbus import Bus
from charging import Simulator
from depot import Depot, wait_for

BASE = """\
gateway:
  id: depot-1
  state_dir: {dir}/state
  timezone: Europe/Berlin
  update_dir: {dir}/updates
station:
  key_file: {dir}/station.pem
  identification: CP0001
mqtt:
  host: 127.0.0.1
  port: {port}
  tls: false
outbox:
  max_readings: 5
  max_age: 1s
simulation:
  seed: 11
buses:
  - BUS
meters:
  - id: right
    model: cpkm3000
    bus: can0
    unit: 1
    allow: [session, relay, seal, clear-fault, firmware-update]
    OPTIONS
    simulate: {{voltage: 230 V, current: 10 A, power_factor: 1}}
    session: {{form: chargepoint, connector: 1, cable_loss: 23000}}
  - id: left
    model: cpkm3000
    bus: can0
    unit: 2
    allow: [session]
    options: {{variant: 1ph}}
    simulate: {{voltage: 225 V, current: 6 A, power_factor: -1}}
    session: {{form: chargepoint, connector: 2}}
"""
SIMULATED = "{{id: can0, type: socketcan, interface: can0}}"
TRANSACTION = "4193206880799101095"


class Station(Depot):
    options = ""
    config = BASE

    def setUp(self):
        super().setUp()
        self.simulator = None
        self.buses = []
        os.mkdir(os.path.join(self.directory, "updates"))
        key = os.path.join(self.directory, "station.pem")
        done = self.run_cli("key", "generate", "--curve", "secp384r1", "--out",
                            key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.broker.start()
        self.listener = self.listen()

    def tearDown(self):
        for bus in self.buses:
            bus.close()
        if self.simulator:
            self.simulator.stop()
        super().tearDown()

    def text(self, bus, options=None):
        options = self.options if options is None else options
        text = self.config.replace("BUS", bus)
        return text.replace("    OPTIONS\n",
                            f"    options: {{{{{options}}}}}\n"
                            if options else "")

    def start_meters(self):
        config = self.write_config(self.text(SIMULATED), "meters.yaml")
        self.simulator = Simulator(config, self.directory, "--keep",
                                   os.path.join(self.directory, "keep"))

    def start_gateway(self, change=lambda text: text):
        host, port = self.simulator.where["can0"].rsplit(":", 1)
        bus = f"{{{{id: can0, type: socketcand, host: {host}, port: {port}}}}}"
        config = self.write_config(change(self.text(bus)))
        self.listener.forget()  # what an earlier one has said
        gateway = self.start("run", config)
        self.listener.wait("m/right/info", lambda p: "udid" in p)
        self.listener.wait("m/left/info", lambda p: "udid" in p)
        return gateway

    def open_bus(self):
        bus = Bus(self.simulator.where["can0"])
        self.buses.append(bus)
        return bus

    def order(self, verb, meter="right", **members):
        return self.listener.command(f"m/{meter}/cmd/{verb}",
                                     json.dumps(members))

    def begin(self, meter="right", transaction=TRANSACTION):
        return self.order("session-begin", meter, transaction=transaction,
                          assigned=True, identification="0000000000000005",
                          identification_type="ISO14443")

    def end(self, meter="right", transaction=TRANSACTION, **members):
        return self.order("session-end", meter, transaction=transaction,
                          **members)

    def begin_soon(self, meter="right", transaction=TRANSACTION):
        """The first signed telegram may not have come yet."""
        def ask():
            answer = self.begin(meter, transaction)
            return answer if answer["ok"] else None
        return wait_for("session", ask)

    def log(self, event=None):
        entries = [json.loads(p["entry"])
                   for p in self.listener.payloads("log")]
        return [e for e in entries if event in (None, e["event"])]

    def station_key(self, info):
        return bytes.fromhex(info["public_key"])
