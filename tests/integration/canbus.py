"""A CAN bus as python3-can sees it over socketcand, and ISO-TP written a second
time: an independent peer of the gateway's and the simulated meters' code."""
import logging
import struct
import threading
import time

import can

from depot import LIMIT_S, wait_for

logging.getLogger("can").setLevel(logging.ERROR)  # it warns of cut reads

REQUEST, ANSWER = 0x6C0, 0x6E0  # of node 0, plugins/cpkm3000/README.md
TELEGRAM = struct.Struct(">4sBB16sIQQQQI32s16s64s")


class Bus:
    """All frames of a bus; frames of ours go out on it."""

    def __init__(self, address, channel="can0"):
        host, port = address.rsplit(":", 1)
        self.bus = can.Bus(interface="socketcand", host=host, port=int(port),
                           channel=channel)
        self.frames = []
        self.lock = threading.Lock()
        self.is_open = True
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while self.is_open:
            try:
                message = self.bus.recv(0.2)
            except (can.CanError, OSError, ValueError):
                return
            if message is not None:
                with self.lock:
                    self.frames.append((message.arbitration_id,
                                        bytes(message.data)))

    def seen(self, identifier):
        with self.lock:
            return [data for i, data in self.frames if i == identifier]

    def newest(self, identifier):
        wait_for(f"frame {identifier:x}", lambda: self.seen(identifier))
        return self.seen(identifier)[-1]

    def send(self, identifier, data):
        self.bus.send(can.Message(arbitration_id=identifier, data=data,
                                  is_extended_id=False))

    def messages(self, identifier):
        """ISO-TP messages among the frames of an identifier, each with the
        frames it was made of."""
        result, frames, want = [], [], 0
        for data in self.seen(identifier):
            kind = data[0] >> 4
            if kind == 0:
                result.append((data[1:1 + (data[0] & 15)], [data]))
            elif kind == 1:
                want = (data[0] & 15) << 8 | data[1]
                body, frames = data[2:], [data]
            elif kind == 2 and frames:
                body += data[1:]
                frames.append(data)
                if len(body) >= want:
                    result.append((body[:want], frames))
                    frames = []
        return result

    def telegrams(self, node):
        return [(body, frames)
                for body, frames in self.messages(ANSWER + node)
                if body[:4] == b"CPKM"]

    def say(self, identifier, body, pause_s=0.002):
        """Send an ISO-TP message without waiting for flow control."""
        for frame in segments(body):
            self.send(identifier, frame)
            time.sleep(pause_s)

    def close(self):
        self.is_open = False
        self.thread.join(LIMIT_S)
        self.bus.shutdown()


def segments(body):
    """The classic frames of an ISO-TP message, padded with CC."""
    if len(body) <= 7:
        return [(bytes([len(body)]) + body).ljust(8, b"\xcc")]
    frames = [bytes([0x10 | len(body) >> 8, len(body) & 255]) + body[:6]]
    for n, at in enumerate(range(6, len(body), 7), 1):
        frames.append((bytes([0x20 | n & 15]) + body[at:at + 7])
                      .ljust(8, b"\xcc"))
    return frames


def unpack(body):
    """A signed energy telegram, as the README lays it out."""
    (magic, version, node, serial, boot, counter, uptime, pos, neg, status,
     lrs_hash, challenge, signature) = TELEGRAM.unpack(body)
    return {"magic": magic, "version": version, "node": node,
            "serial": serial.rstrip(b"\0").decode(), "boot": boot,
            "counter": counter, "uptime_ms": uptime, "pos": pos, "neg": neg,
            "status": status, "lrs_hash": lrs_hash, "challenge": challenge,
            "body": body[:110], "signature": signature}


def der_of(signature):
    """r and s as DER."""
    def integer(data):
        data = data.lstrip(b"\0") or b"\0"
        if data[0] & 0x80:
            data = b"\0" + data
        return b"\x02" + bytes([len(data)]) + data
    both = integer(signature[:32]) + integer(signature[32:])
    return b"\x30" + bytes([len(both)]) + both
