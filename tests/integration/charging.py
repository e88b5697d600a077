"""What the tests of signed charging share: the simulated meters in a process of
their own, records, signatures checked with the openssl command, the store."""
import base64
import decimal
import json
import os
import queue
import sqlite3
import subprocess
import threading

from depot import LIMIT_S, METERGATE

# WM3M4C manual V1.07, 5.5.12: what makes an SPKI of the raw key.
SPKI_P256 = bytes.fromhex(
    "3059301306072A8648CE3D020106082A8648CE3D03010703420004")

KINDS = ("transaction", "begin", "intermediate", "tariff", "suspend", "resume",
         "exception", "fiscal", "reissue", "unknown")
OPEN, DONE, VOID = range(3)


def openssl_verify(directory, payload, signature, spki):
    """Does the openssl command find the signature right?"""
    stem = os.path.join(directory, f"v{threading.get_ident()}")
    for name, data in ((".txt", payload), (".sig", signature), (".der", spki)):
        with open(stem + name, "wb") as f:
            f.write(data)
    result = subprocess.run(
        ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify",
         stem + ".der", "-signature", stem + ".sig", stem + ".txt"],
        capture_output=True, text=True, timeout=60, check=False)
    return result.returncode == 0 and "Verified OK" in result.stdout


class Record:
    """An OCMF text taken apart; RV keeps its digits."""

    def __init__(self, text):
        if isinstance(text, bytes):
            text = text.decode()
        head, payload, signature = text.split("|")
        assert head == "OCMF", text[:20]
        self.text = text
        self.payload = payload.encode()
        self.body = json.loads(payload, parse_float=decimal.Decimal,
                               parse_int=decimal.Decimal)
        self.signature = json.loads(signature)
        self.readings = self.body["RD"]

    @property
    def context(self):
        return self.body["PG"][0]

    @property
    def number(self):
        return int(self.body["PG"][1:])

    @property
    def letters(self):
        return "".join(r.get("TX", "-") for r in self.readings)

    @property
    def flags(self):
        return "".join(r.get("EF", "") for r in self.readings)

    def wh(self, at):
        reading = self.readings[at]
        factor = {"kWh": 1000, "Wh": 1}[reading["RU"]]
        return reading["RV"] * factor

    def der(self):
        data = self.signature["SD"]
        if self.signature.get("SE", "hex") == "base64":
            return base64.b64decode(data, validate=True)
        return bytes.fromhex(data)

    def verify(self, directory, spki):
        return openssl_verify(directory, self.payload, self.der(), spki)


class Simulator:
    """`metergate simulate` that obeys orders: it outlives a gateway's end."""

    def __init__(self, config, directory, *args):
        self.log_path = os.path.join(directory, "simulate.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [METERGATE, "simulate", "--json", "--control", *args, config],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, bufsize=1)
        self.where = {}
        self.answers = queue.Queue()
        self.lock = threading.Lock()
        self._read_addresses()
        self.pump = threading.Thread(target=self._pump, daemon=True)
        self.pump.start()

    def _read_addresses(self):
        for line in self.process.stdout:
            entry = json.loads(line)
            if entry.get("ready"):
                return
            self.where[entry["bus"]] = entry["address"]
        raise AssertionError("simulate ended: " + self.output())

    def _pump(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))

    def order(self, text):
        """Do something to a meter; returns when it has been done."""
        with self.lock:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            answer = self.answers.get(timeout=LIMIT_S)
        assert answer == {"done": text}, answer

    def refuses(self, text):
        with self.lock:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            return self.answers.get(timeout=LIMIT_S).get("reason")

    def port(self, bus):
        return int(self.where[bus].rsplit(":", 1)[1])

    def output(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=LIMIT_S)
        self.pump.join(LIMIT_S)
        self.process.stdin.close()
        self.process.stdout.close()
        return code


def datasets(database):
    """All rows of the dataset table, in order of id."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True,
                         timeout=LIMIT_S) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(r) for r in db.execute("SELECT * FROM dataset ORDER BY id")]
    for row in rows:
        row["kind"] = KINDS[row["kind"]]
    return rows
