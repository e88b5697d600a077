"""socketcand between ours and others: python-can's client on our server, and
our client on a server written here after socketcand's protocol description."""
import logging
import os
import queue
import socket
import subprocess
import threading
import unittest

import can

BUILD = os.environ["MG_BUILD"]
TOOLS = os.path.join(BUILD, "tests", "tools")
LIMIT_S = 40

logging.getLogger("can").setLevel(logging.ERROR)  # it warns of cut reads


class Program:
    """A program and the lines that it prints."""

    def __init__(self, test, name, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(TOOLS, name), *map(str, arguments)],
            stdout=subprocess.PIPE, text=True)
        self.queue = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def _read(self):
        for line in self.process.stdout:
            self.queue.put(line.rstrip("\n"))

    def line(self):
        return self.queue.get(timeout=LIMIT_S)

    def stop(self):
        self.process.terminate()
        self.process.wait(LIMIT_S)
        self.thread.join(LIMIT_S)
        self.process.stdout.close()


class TheirClient(unittest.TestCase):
    def setUp(self):
        host, port = Program(self, "socketcand_server").line().split(":")
        self.where = {"host": host, "port": int(port)}
        self.bus = self.join()

    def join(self):
        bus = can.Bus(interface="socketcand", channel="can0", **self.where)
        self.addCleanup(bus.shutdown)
        return bus

    def receive(self, bus, *identifiers):
        """The next message with one of these identifiers."""
        while True:
            message = bus.recv(LIMIT_S)
            self.assertIsNotNone(message, "nothing came")
            if message.arbitration_id in identifiers:
                return message

    def test_counter(self):
        messages = [self.receive(self.bus, 0x100) for _ in range(50)]
        values = [int.from_bytes(m.data, "big") for m in messages]
        self.assertEqual(list(range(values[0], values[0] + 50)), values)
        times = [m.timestamp for m in messages]
        self.assertEqual(sorted(times), times)
        self.assertGreater(times[0], 1.6e9)

    def test_echo(self):
        for identifier, data in ((0x0, b""), (0x7, b"\0"),
                                 (0x123, b"\0\x0a\xff"),
                                 (0x7FE, bytes(range(8))),
                                 (0x18DAF110, bytes(range(248, 256)))):
            self.bus.send(can.Message(arbitration_id=identifier, data=data,
                                      is_extended_id=identifier > 0x7FF))
            message = self.receive(self.bus, identifier + 1)
            self.assertEqual(data, bytes(message.data))

    def test_many(self):
        for begin in range(0, 3000, 100):
            for i in range(begin, begin + 100):
                self.bus.send(can.Message(arbitration_id=0x200,
                                          data=i.to_bytes(4, "big"),
                                          is_extended_id=False))
            got = [int.from_bytes(self.receive(self.bus, 0x201).data, "big")
                   for _ in range(100)]
            self.assertEqual(list(range(begin, begin + 100)), got)

    def test_two_clients(self):
        other = self.join()
        self.receive(other, 0x100)
        self.bus.send(can.Message(arbitration_id=0x300, data=b"\x55",
                                  is_extended_id=False))
        self.assertEqual(0x300, self.receive(other, 0x300, 0x301)
                         .arbitration_id)
        self.receive(other, 0x301)
        # who has sent it does not hear it, but the answer
        self.assertEqual(0x301, self.receive(self.bus, 0x300, 0x301)
                         .arbitration_id)

    def test_other_bus(self):
        with self.assertRaises(can.CanError):
            can.Bus(interface="socketcand", channel="can1", **self.where)


class Peer:
    """A socketcand server for one client, as its protocol.md describes it."""

    def __init__(self, test):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT_S)
        self.port = self.listener.getsockname()[1]
        self.connection = None
        test.addCleanup(self.close)

    def accept(self):
        self.hang_up()
        self.connection = self.listener.accept()[0]
        self.connection.settimeout(LIMIT_S)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, text):
        self.connection.sendall(text.encode("ascii"))

    def element(self):
        text = b""
        while not text.endswith(b">"):
            byte = self.connection.recv(1)
            if not byte:
                raise EOFError(text)
            text += byte
        return text.decode("ascii").split()[1:-1]

    def shake_hands(self, bus):
        self.accept()
        self.say("< hi >")
        assert self.element() == ["open", bus]
        self.say("< ok >")
        assert self.element() == ["rawmode"]
        self.say("< ok >")

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self):
        self.hang_up()
        self.listener.close()


class OurClient(unittest.TestCase):
    def setUp(self):
        self.peer = Peer(self)

    def start(self, *identifiers):
        return Program(self, "socketcand_client", "127.0.0.1", self.peer.port,
                       "can3", *identifiers)

    def up(self, *identifiers):
        client = self.start(*identifiers)
        self.peer.shake_hands("can3")
        self.assertEqual("up", self.first_news(client))
        return client

    def first_news(self, client):
        line = client.line()
        return client.line() if line == "state error-active" else line

    def test_both_ways(self):
        client = self.up("123", "18DAF110")
        self.peer.say("< frame 123 1700000000.123456 0102030405060708 >"
                      "< frame 124 1700000000.123457 01 >"  # not asked for
                      "< frame 18DAF110 1700000000.123458 FF >"
                      "< frame 00000123 1700000000.123459 01 >")
        self.assertEqual("123 0102030405060708", client.line())
        self.assertEqual("18DAF110 FF", client.line())
        self.assertEqual("send 124 8 01 02 03 04 05 06 07 08".split(),
                         self.peer.element())
        self.assertEqual("send 18DAF111 1 FF".split(), self.peer.element())

    def test_documented_form(self):
        client = self.up("123")
        self.peer.say("< frame 123 23.424242 11 22 33 44 55 66 77 88 >")
        self.assertEqual("123 1122334455667788", client.line())

    def test_torn_apart(self):
        client = self.up("123")
        for byte in "< frame 123 1.000000 AB >\n":
            self.peer.say(byte)
        self.assertEqual("123 AB", client.line())
        self.assertEqual("send 124 1 AB".split(), self.peer.element())

    def test_refused(self):
        client = self.start()
        self.peer.accept()
        self.peer.say("< hi >")
        self.assertEqual(["open", "can3"], self.peer.element())
        self.peer.say("< error could not open bus >")
        line = self.first_news(client)
        self.assertIn(f"127.0.0.1:{self.peer.port}", line)
        self.assertIn("bus can3 is refused: could not open bus", line)

    def test_comes_again(self):
        client = self.up("123")
        self.peer.hang_up()
        self.assertIn("closed by the other side", client.line())
        self.peer.shake_hands("can3")
        line = client.line()
        while line.startswith("state"):
            line = client.line()
        self.assertEqual("up", line)
        self.peer.say("< frame 123 1.0 01 >")
        self.assertEqual("123 01", client.line())

    def test_bus_off(self):
        client = self.up()
        self.peer.say("< error 040 1700000000.123456 >")
        self.assertEqual("state bus-off", client.line())
        self.assertEqual("down the controller is bus-off", client.line())

    def test_not_socketcand(self):
        client = self.start()
        self.peer.accept()
        self.peer.say("HTTP/1.1 400 Bad Request\r\n\r\n<html>")
        self.assertIn('expected "< hi >" of a socketcand server, got "<html>"',
                      self.first_news(client))


if __name__ == "__main__":
    unittest.main()
