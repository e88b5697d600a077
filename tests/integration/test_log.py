"""`metergate log`: the metrological log book of a simulated depot, published,
shown, exported, verified; and what becomes of it when somebody meddles with the
database. Signatures are checked with the openssl command, hashes by Python."""
import base64
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import unittest

from charging import openssl_verify
from depot import METERGATE, Depot, wait_for

TRIGGERS = ("logbook_is_kept", "logbook_stays", "logbook_grows",
            "logbook_counts", "logbook_is_signed")

CONFIG = """\
gateway: {{id: depot-1, state_dir: "{dir}/state"}}
mqtt: {{host: 127.0.0.1, port: {port}, tls: false}}
station: {{key_file: "{dir}/station.pem"}}
buses:
  - {{id: gw1, type: modbus-tcp, host: 192.0.2.10, port: 502}}
meters:
  - {{id: cp2, model: kpm31, bus: gw1, unit: 1}}
"""
NO_STATION = "".join(line + "\n" for line in CONFIG.splitlines()
                     if not line.startswith("station:"))


def chain(lines):
    """An independent look at published or exported lines."""
    before = "0" * 64
    for at, line in enumerate(lines):
        entry = json.loads(line["entry"])
        digest = hashlib.sha256(line["entry"].encode()).hexdigest()
        assert line["hash"] == digest, line
        assert entry["prev"] == before, line
        assert entry["n"] == line["n"] == at + 1, line
        before = digest


class Log(Depot):
    config = CONFIG

    def setUp(self):
        super().setUp()
        os.mkdir(os.path.join(self.directory, "state"))
        self.path = os.path.join(self.directory,
                                 "state/simulated/metergate.db")
        self.key = os.path.join(self.directory, "station.pem")
        self.public = os.path.join(self.directory, "station.hex")
        self.make_key()
        self.depot = self.write_config()

    # ---- Helpers ----

    def make_key(self):
        made = self.run_cli("key", "generate", "--curve", "secp256r1", "--out",
                            self.key)
        self.assertEqual(made.returncode, 0, made.stderr)
        shown = self.run_cli("key", "show", self.key, "--format", "hex")
        with open(self.public, "w", encoding="utf-8") as f:
            f.write(shown.stdout)
        self.spki = bytes.fromhex(shown.stdout.strip())
        self.fingerprint = hashlib.sha256(self.spki).hexdigest()

    def run_depot(self, until="gateway depot-1: 1 meters", depot=None,
                  sig=signal.SIGTERM):
        # In virtual time no event of the machine's clock comes between.
        program = self.start("run", "--simulate", "--speed", "1",
                             depot or self.depot)
        program.wait_output(until)
        code, _ = program.stop(sig)
        if sig == signal.SIGTERM:
            self.assertEqual(code, 0, program.output())
        return program

    def log(self, *args):
        return self.run_cli("log", "--simulate", self.depot, *args)

    def shown(self, *args):
        result = self.log("show", "--json", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def events(self):
        return [entry["event"] for entry in self.shown()]

    def export(self, name="log.jsonl"):
        out = os.path.join(self.directory, name)
        result = self.log("export", "-o", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(out, encoding="utf-8") as f:
            return out, [json.loads(line) for line in f]

    def verify(self, *args):
        result = self.log("verify", "--json", *args)
        self.assertEqual(result.stderr, "")
        found = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0 if found["intact"] else 1)
        return found

    def verify_file(self, path, *args):
        result = self.run_cli("log", "verify", "--json", "--file", path, "--key",
                              self.public, *args)
        self.assertEqual(result.stderr, "")
        return json.loads(result.stdout)

    def tamper(self, *statements):
        """As somebody would who has the file and knows SQL."""
        with sqlite3.connect(self.path) as db:
            for trigger in TRIGGERS:
                db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            for sql in statements:
                db.execute(*sql) if isinstance(sql, tuple) else db.execute(sql)
        db.close()

    def three_runs(self):
        for _ in range(3):
            self.run_depot()
        found = self.verify("--key", self.public)
        self.assertTrue(found["intact"], found)
        self.assertEqual(found["entries"], 7)
        return found

    # ---- Tests ----

    def test_runs_are_logged_signed_and_exported(self):
        found = self.three_runs()
        self.assertEqual(found["signed"], 7)
        self.assertEqual(found["fingerprints"], [self.fingerprint])
        both = ["EichrechtServiceStarted", "EichrechtServiceStopped"]
        self.assertEqual(self.events(), [both[0], "StationActivated", both[1],
                                         *both, *both])
        path, lines = self.export()
        chain(lines)
        self.assertEqual(lines[-1]["hash"], found["last_hash"])
        for line in lines:
            self.assertEqual(line["algorithm"], "ECDSA-secp256r1-SHA256")
            self.assertEqual(line["fingerprint"], self.fingerprint)
            self.assertTrue(openssl_verify(
                self.directory, line["entry"].encode(),
                base64.b64decode(line["signature"]), self.spki))
        self.assertTrue(self.verify_file(path)["intact"])
        with open(path, encoding="utf-8") as f:
            piped = subprocess.run(
                [METERGATE, "log", "-", "verify", "--key", self.public],
                stdin=f, capture_output=True, text=True, check=False)
        self.assertEqual(piped.returncode, 0, piped.stdout)
        self.assertIn("intact", piped.stdout)
        blind = self.run_cli("log", "verify", "--file", path)
        self.assertEqual(blind.returncode, 1)
        self.assertIn("give --key", blind.stdout)

    def test_show_takes_what_is_asked_for(self):
        self.three_runs()
        self.assertEqual([e["n"] for e in self.shown("--last", "2")], [6, 7])
        started = self.shown("--event", "EichrechtServiceStarted")
        self.assertEqual([e["n"] for e in started], [1, 4, 6])
        self.assertEqual(
            [e["n"] for e in self.shown("--last", "1", "--event",
                                        "EichrechtServiceStarted")], [6])
        # Entries of one millisecond share their time, and both ends count.
        second = started[1]["ts"]
        entries = self.shown()
        for option, taken in (("--from", [e for e in entries
                                          if e["ts"] >= second]),
                              ("--to", [e for e in entries
                                        if e["ts"] <= second])):
            self.assertIn(started[1], taken)
            self.assertLess(len(taken), len(entries))
            self.assertEqual(self.shown(option, second), taken)
        self.assertEqual(self.shown("--meter", "cp2"), [])
        text = self.log("show").stdout
        self.assertEqual(len(text.splitlines()), 8)
        self.assertIn("EichrechtServiceStopped", text)
        for wrong in (("show", "--event", "Cats"), ("show", "--last", "0"),
                      ("show", "--key", "a"), ("verify", "--expect", "12"),
                      ("cats",), ("show", "--from", "yesterday")):
            self.assertEqual(self.log(*wrong).returncode, 2, wrong)
        capacity = json.loads(self.log("capacity", "--json").stdout)
        self.assertEqual(capacity["entries"], 7)
        self.assertTrue(capacity["sufficient"])
        self.assertEqual(capacity["capacity_bytes"], 512 << 20)

    def test_follow_tells_what_comes(self):
        self.run_depot()
        out = os.path.join(self.directory, "follow")
        with open(out, "w", encoding="utf-8") as f:
            follow = subprocess.Popen([METERGATE, "log", "--simulate",
                                       self.depot, "follow"], stdout=f)
        try:
            def lines():
                with open(out, encoding="utf-8") as f:
                    return f.read().splitlines()
            wait_for("what is there", lambda: len(lines()) == 4)
            self.run_depot()
            wait_for("what came", lambda: len(lines()) == 6)
            self.assertIn("EichrechtServiceStopped", lines()[-1])
        finally:
            follow.kill()
            follow.wait()

    def test_changed_text_is_named(self):
        self.three_runs()
        self.tamper("UPDATE logbook SET entry=CAST(replace(CAST(entry AS TEXT),"
                    " 'Stopped', 'Started') AS BLOB) WHERE number=5")
        found = self.verify()
        self.assertEqual(found["broken"], 5)
        self.assertIn("text was changed", found["why"])
        text = self.log("verify")
        self.assertEqual(text.returncode, 1)
        self.assertIn("BROKEN       entry 5: ", text.stdout)

    def test_changed_text_with_its_hash_is_named(self):
        self.three_runs()
        _, lines = self.export()
        forged = lines[4]["entry"].replace("Stopped", "Started").encode()
        self.tamper(("UPDATE logbook SET entry=?, hash=? WHERE number=5",
                     (forged, hashlib.sha256(forged).digest())))
        found = self.verify()
        self.assertEqual(found["broken"], 5)
        self.assertIn("signature is wrong", found["why"])

    def test_deleted_and_swapped_entries_are_named(self):
        self.three_runs()
        self.tamper("DELETE FROM logbook WHERE number=3")
        found = self.verify()
        self.assertEqual(found["broken"], 4)
        self.assertIn("1 is missing before it", found["why"])
        out, lines = self.export()
        self.assertEqual(self.verify_file(out)["broken"], 4)
        self.assertEqual(len(lines), 6)

    def test_swapped_entries_are_named(self):
        self.three_runs()
        self.tamper("UPDATE logbook SET number=100 WHERE number=2",
                    "UPDATE logbook SET number=2 WHERE number=3",
                    "UPDATE logbook SET number=3 WHERE number=100")
        found = self.verify()
        self.assertEqual(found["broken"], 2)
        self.assertIn("it was moved", found["why"])

    def test_cut_end_is_found(self):
        whole = self.three_runs()
        path, lines = self.export()
        with open(path, "w", encoding="utf-8") as f:
            for line in lines[:-2]:
                f.write(json.dumps(line) + "\n")
        self.assertTrue(self.verify_file(path)["intact"])
        found = self.verify_file(path, "--expect", whole["last_hash"])
        self.assertEqual(found["broken"], 6)
        self.assertIn("the end was cut off", found["why"])
        self.tamper("DELETE FROM logbook WHERE number>5")
        found = self.verify() # the database counted them
        self.assertEqual(found["broken"], 6)
        self.tamper(("UPDATE logbook_books SET n_entries=5, last_number=5,"
                     " last_hash=?", (bytes.fromhex(lines[4]["hash"]),)))
        self.assertTrue(self.verify()["intact"])
        found = self.verify("--expect", whole["last_hash"])
        self.assertEqual(found["broken"], 6)
        self.assertTrue(self.verify("--expect", lines[2]["hash"])["intact"])

    def test_the_gateway_sees_a_cut_end_and_leaves_a_gap(self):
        self.three_runs()
        self.tamper("DELETE FROM logbook WHERE number=7")
        program = self.run_depot()
        self.assertIn("log book was changed by somebody else: entry 7",
                      program.output())
        found = self.verify()
        self.assertEqual(found["broken"], 8)
        self.assertIn("1 is missing before it", found["why"])

    def test_a_rewritten_book_needs_the_key(self):
        """All of it anew, with right hashes, by somebody without the key."""
        self.three_runs()
        statements, before = [], "0" * 64
        for number in range(1, 5):
            entry = (f'{{"n":{number},"ts":"2026-03-01T12:00:00.000Z",'
                     f'"clk":"S","event":"ClockSync","prev":"{before}"}}')
            digest = hashlib.sha256(entry.encode())
            before = digest.hexdigest()
            statements.append((
                "INSERT INTO logbook VALUES(?, ?, ?, NULL, '')",
                (number, entry.encode(), digest.digest())))
        self.tamper("DELETE FROM logbook", *statements,
                    ("UPDATE logbook_books SET n_entries=4, last_number=4,"
                     " last_hash=?", (bytes.fromhex(before),)))
        found = self.verify()
        self.assertEqual(found["unsigned"], 4)
        found = self.verify("--key", self.public)
        self.assertEqual(found["broken"], 1)
        self.assertIn("signature is missing", found["why"])

    def test_another_key_is_named(self):
        self.run_depot()
        os.rename(self.key, self.key + ".old")
        os.rename(self.public, self.public + ".old")
        self.make_key()
        self.run_depot()
        found = self.verify()
        self.assertEqual(found["broken"], 4)
        self.assertIn("another key", found["why"])
        self.assertEqual(self.verify("--key", self.public)["broken"], 1)
        both = self.verify("--key", self.public, "--key", self.public + ".old")
        self.assertTrue(both["intact"], both)
        self.assertEqual(len(both["fingerprints"]), 2)

    def test_published_entries_are_signed(self):
        self.broker.start()
        listener = self.listen()
        program = self.start("run", "--simulate", "--speed", "1",
                             self.depot)
        first = listener.wait("log")
        self.assertEqual(list(first), ["n", "entry", "hash", "signature",
                                       "algorithm", "fingerprint"])
        self.assertEqual(program.stop()[0], 0)
        # What was logged while stopping may come with the next run.
        program = self.start("run", "--simulate", "--speed", "1",
                             self.depot)
        wait_for("all of them",
                 lambda: len({e["n"] for e in listener.payloads("log")}) >= 3)
        self.assertEqual(program.stop()[0], 0)
        lines = {line["n"]: line for line in listener.payloads("log")}
        lines = [lines[n] for n in sorted(lines)]
        chain(lines)
        for line in lines:
            self.assertTrue(openssl_verify(
                self.directory, line["entry"].encode(),
                base64.b64decode(line["signature"]), self.spki))
        _, exported = self.export()
        self.assertEqual(exported[:len(lines)], lines)
        with listener.lock:
            self.assertEqual({m.qos for m in listener.messages
                              if m.topic.endswith("/log")}, {1})

    def test_entries_wait_for_the_key(self):
        away = self.key + ".away"
        os.rename(self.key, away)
        with open(os.open(self.key, os.O_CREAT | os.O_WRONLY, 0o600), "w",
                  encoding="utf-8") as f:
            f.write("no key\n")
        self.broker.start()
        listener = self.listen()
        for n in (4, 7):
            self.run_depot()
            found = self.verify()
            self.assertEqual((found["entries"], found["unsigned"]), (n, n))
        begin = ["EichrechtServiceStarted", "SigningKeyInvalid"]
        self.assertEqual(self.events(), [
            *begin, "StationActivated", "EichrechtServiceStopped",
            *begin, "EichrechtServiceStopped"])
        self.assertEqual(listener.payloads("log"), [])
        os.replace(away, self.key)
        program = self.start("run", "--simulate", "--speed", "1",
                             self.depot)
        wait_for("all to be signed and published",
                 lambda: len(listener.payloads("log")) == 8)
        self.assertEqual(program.stop()[0], 0)
        lines = listener.payloads("log")[:8]
        self.assertEqual([line["n"] for line in lines], list(range(1, 9)))
        chain(lines)
        found = self.verify("--key", self.public)
        self.assertTrue(found["intact"], found)
        self.assertEqual((found["signed"], found["unsigned"]), (9, 0))

    def test_killed_gateway_goes_on(self):
        for _ in range(3):
            self.run_depot(sig=signal.SIGKILL)
        self.run_depot()
        found = self.verify("--key", self.public)
        self.assertTrue(found["intact"], found)
        self.assertEqual(found["unsigned"], 0)
        self.assertEqual(self.events()[-1], "EichrechtServiceStopped")

    def test_without_a_station_entries_are_not_signed(self):
        depot = self.write_config(NO_STATION, "no-station.yaml")
        self.broker.start()
        listener = self.listen()
        program = self.start("run", "--simulate", "--speed", "1", depot)
        line = listener.wait("log")
        self.assertEqual((line["signature"], line["fingerprint"],
                          line["algorithm"]), ("", "", ""))
        chain([line])
        self.assertEqual(program.stop()[0], 0)
        found = self.verify()
        self.assertTrue(found["intact"])
        self.assertEqual((found["signed"], found["unsigned"]), (0, 2))
        self.run_depot() # with a station: those of before are signed, too
        found = self.verify("--key", self.public)
        self.assertTrue(found["intact"], found)
        self.assertEqual((found["signed"], found["unsigned"]), (5, 0))

    def test_older_or_no_databases_are_said(self):
        result = self.log("show")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no ", result.stderr)
        self.run_depot()
        with sqlite3.connect(self.path) as db:
            db.execute("PRAGMA user_version=2")
        db.close()
        result = self.log("verify")
        self.assertEqual(result.returncode, 1)
        self.assertIn("holds no log book yet", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
