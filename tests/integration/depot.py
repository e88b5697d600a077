"""Helpers of the end-to-end tests: a temporary depot, a broker, a listener.

Every program is started on free loopback ports and ended by its pid. Waiting is
for events with a generous limit, never for a time.
"""
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BUILD = os.environ["MG_BUILD"]
SOURCE = os.environ["MG_SOURCE"]
METERGATE = os.path.join(BUILD, "metergate")
LIMIT_S = 40

CONFIG = """\
gateway:
  id: depot-1
  state_dir: {dir}/state
mqtt:
  host: 127.0.0.1
  port: {port}
  tls: false
outbox:
  max_readings: 5
  max_age: 2s
simulation:
  seed: 7
buses:
  - id: line1
    type: modbus-rtu
    device: /dev/ttyUSB77
    baud: 9600
    parity: none
  - id: gw1
    type: modbus-tcp
    host: 192.0.2.10
    port: 502
  - id: gw2
    type: modbus-rtu-tcp
    host: 192.0.2.11
    port: 4001
meters:
  - id: cp1
    model: kpm31
    bus: line1
    unit: 1
    allow: [relay, clear-energy, set-address, set-baud, set-clock]
    options: {{variant: B}}
    simulate: {{voltage: 230 V, current: 10 A, power_factor: 0.9}}
  - id: cp2
    model: kpm31
    bus: gw1
    unit: 1
    options: {{variant: B}}
    simulate: {{voltage: 220 V, current: 16 A, power_factor: 1}}
  - id: cp3
    model: kpm31
    bus: gw1
    unit: 2
    simulate: {{voltage: 220 V, current: 5 A, power_factor: -1}}
  - id: cp4
    model: kpm31
    bus: gw2
    unit: 9
    simulate: {{voltage: 225 V, current: 20 A, power_factor: 0.95}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, limit_s=LIMIT_S):
    """Poll a condition of this process until it holds."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"no {what} within {limit_s} s")


class Broker:
    """A real mosquitto on a port that stays the same across restarts."""

    def __init__(self, directory, extra=""):
        self.port = free_port()
        self.conf = os.path.join(directory, "mosquitto.conf")
        user = "user root\n" if os.geteuid() == 0 else ""
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                    f"persistence false\n{user}{extra}")
        self.process = None

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", self.conf],
                                        stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for("broker", self._accepts)

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Listener:
    """An MQTT v5 client that keeps everything below a filter."""

    def __init__(self, port, topics=("mg/v1/#",)):
        self.messages = []
        self.lock = threading.Lock()
        self.replies = queue.Queue()
        self.is_subscribed = threading.Event()
        self.topics = topics
        self.client = mqtt.Client(protocol=mqtt.MQTTv5)
        self.client.on_message = self._on_message
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.is_subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.is_subscribed.wait(LIMIT_S)

    def _on_connect(self, client, *_):
        for topic in self.topics:
            client.subscribe(topic, qos=1)
        client.subscribe("test/reply/#", qos=1)

    def _on_message(self, _client, _userdata, message):
        if message.topic.startswith("test/reply/"):
            self.replies.put(message)
            return
        with self.lock:
            self.messages.append(message)

    def payloads(self, topic):
        """Parsed payloads of one topic below mg/v1/depot-1/, oldest first."""
        with self.lock:
            found = [m for m in self.messages
                     if m.topic == "mg/v1/depot-1/" + topic]
        return [json.loads(m.payload) for m in found]

    def forget(self):
        """What has come until now."""
        with self.lock:
            self.messages.clear()

    def readings(self, meter):
        return [r for batch in self.payloads(f"m/{meter}/readings")
                for r in batch]

    def wait(self, topic, condition=lambda p: True, limit_s=LIMIT_S):
        """The first payload of a topic that fulfils a condition."""
        def look():
            return [p for p in self.payloads(topic) if condition(p)]
        return wait_for(f"message on {topic}", look, limit_s)[0]

    def command(self, topic, payload, retain=False, correlation=b"c1",
                expect=True):
        """Publish a command with a v5 response topic; its parsed answer."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "test/reply/1"
        properties.CorrelationData = correlation
        self.client.publish("mg/v1/depot-1/" + topic, payload, qos=1,
                            retain=retain, properties=properties)
        if not expect:
            return None
        message = self.replies.get(timeout=LIMIT_S)
        assert message.properties.CorrelationData == correlation
        return json.loads(message.payload)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Program:
    """A metergate subcommand in the background."""

    def __init__(self, *args, directory=None):
        self.log_path = os.path.join(directory or tempfile.gettempdir(),
                                     f"{args[0]}-{time.monotonic_ns()}.log")
        self.log = open(self.log_path, "w+", encoding="utf-8")
        self.process = subprocess.Popen([METERGATE, *args],
                                        stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def output(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def wait_output(self, text):
        def look():
            if self.process.poll() is not None and text not in self.output():
                raise AssertionError("it ended:\n" + self.output())
            return text in self.output()
        wait_for(f"output {text!r}", look)

    def stop(self, sig=signal.SIGTERM):
        """End it. Returns exit code and seconds it took."""
        begin = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(timeout=LIMIT_S)
        self.log.close()
        return code, time.monotonic() - begin


class Depot(unittest.TestCase):
    """A temporary directory and configuration; programs end with the test."""

    config = CONFIG

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="metergate-test-")
        self.programs = []
        self.listeners = []
        self.broker = Broker(self.directory)

    def tearDown(self):
        for program in self.programs:
            program.stop(signal.SIGKILL)
        for listener in self.listeners:
            listener.close()
        self.broker.stop()
        outputs = [p.output() for p in self.programs]
        shutil.rmtree(self.directory, ignore_errors=True)
        for output in outputs:
            self.assertNotIn("AddressSanitizer", output)
            self.assertNotIn("runtime error:", output)

    def write_config(self, text=None, name="depot.yaml"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write((text or self.config).format(dir=self.directory,
                                                 port=self.broker.port))
        return path

    def start(self, *args):
        program = Program(*args, directory=self.directory)
        self.programs.append(program)
        return program

    def listen(self, **kwargs):
        listener = Listener(self.broker.port, **kwargs)
        self.listeners.append(listener)
        return listener

    def run_cli(self, *args, timeout=60):
        return subprocess.run([METERGATE, *args], capture_output=True,
                              text=True, timeout=timeout, check=False)
