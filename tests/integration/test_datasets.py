"""`metergate datasets`: records signed with openssl go into a store; what comes
out is read by other programs (xmllint, Python) and by metergate itself."""
import base64
import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from depot import BUILD, METERGATE, SOURCE, Depot

WRITER = os.path.join(BUILD, "tests/integration/store_datasets")
XSD = os.path.join(SOURCE, "tests/vectors/safe_container.xsd")
DAY_MS = 86400000
NOON_MS = 1772366400000  # 2026-03-01T12:00:00Z


class Key:
    """A throw-away key of a meter."""

    def __init__(self, directory, name):
        self.path = os.path.join(directory, name)
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey",
                        "-noout", "-out", self.path], check=True)
        self.der = subprocess.run(
            ["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"],
            check=True, capture_output=True).stdout
        self.hex = self.der.hex().upper()
        self.fingerprint = hashlib.sha256(self.der).hexdigest()

    def sign(self, payload):
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path],
                             input=payload.encode(), check=True,
                             capture_output=True).stdout
        return f'OCMF|{payload}|{{"SD":"{der.hex().upper()}"}}'


def payload(pagination, readings, tariff="", serial="S1", register="1-b:1.8.0"):
    rd = [{"TM": f"2026-03-01T1{i}:00:00,000+0000 S", "TX": tx, "RV": rv,
           "RI": register, "RU": "kWh", "ST": "G"}
          for i, (tx, rv) in enumerate(readings)]
    return json.dumps({"FV": "1.0", "PG": pagination, "MS": serial,
                       "IS": False, "IF": [], "IT": "NONE", "TT": tariff,
                       "RD": rd}, ensure_ascii=False)


class Datasets(Depot):
    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.directory, "state")
        os.mkdir(self.state)
        self.path = os.path.join(self.state, "metergate.db")
        self.key = Key(self.directory, "key.pem")

    # ---- The store ----

    def row(self, pagination, readings, key=None, text=None, **members):
        """A dataset as the gateway would store it."""
        key = key or self.key
        fields = {k: members.pop(k) for k in ("tariff", "serial", "register")
                  if k in members}
        record = text or key.sign(payload(pagination, readings, **fields))
        row = {"meter": "bay-1", "kind": 0, "state": 1, "context":
               pagination[0], "pagination": int(pagination[1:]),
               "key_hex": key.hex, "fingerprint": key.fingerprint,
               "verdict": "valid", "billable": 1, "stored_ms": NOON_MS,
               "record": record}
        return {**row, **members}

    def store(self, *rows):
        lines = "".join(json.dumps(r) + "\n" for r in rows)
        result = subprocess.run([WRITER, self.path], input=lines, text=True,
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def transaction(self, n, **members):
        """The n-th of a meter that counts one kWh for each."""
        return self.row(f"T{n}", [("B", n), ("E", n + 1)],
                        **{"transaction": f"tx-{n}", "begin_mwh": n * 10**6,
                           "end_mwh": (n + 1) * 10**6,
                           "begun_ms": NOON_MS, "ended_ms": NOON_MS + 3600000,
                           **members})

    def change(self, sql):
        db = sqlite3.connect(self.path)
        db.execute(sql)
        db.commit()
        db.close()

    # ---- The command ----

    def datasets(self, *args, code=0):
        result = self.run_cli("datasets", "--state-dir", self.state, *args)
        self.assertEqual(result.returncode, code,
                         result.stdout + result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)
        return result.stdout

    def lines(self, *args, code=0):
        return [json.loads(x) for x in
                self.datasets(*args, code=code).splitlines()]

    def ids(self, *args):
        return [x["id"] for x in self.lines("list", "--json", *args)]

    def findings(self, *args, code=1):
        return [(x["finding"], x.get("pagination", "-")) for x in
                self.lines("audit", "--json", *args, code=code)
                if "finding" in x]

    # ---- Usage and where the store is ----

    def test_usage(self):
        for args in ([], ["list"], ["--state-dir", "x"],
                     ["--state-dir", "x", "fly"], ["--state-dir", "x", "show"],
                     ["--state-dir", "x", "list", "y", "z"],
                     ["--state-dir", "x", "c.yaml", "list"],
                     ["--state-dir", "x", "list", "--from", "yesterday"],
                     ["--state-dir", "x", "list", "--kind", "some"],
                     ["--state-dir", "x", "export", "--format", "pdf"],
                     ["--state-dir", "x", "audit", "--from", "2026-01-01"],
                     ["--state-dir", "x", "audit", "--billable"],
                     ["--state-dir", "x", "list", "--out", "y"],
                     ["--state-dir", "x", "list", "--bogus"]):
            with self.subTest(args=args):
                result = self.run_cli("datasets", *args)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertTrue(result.stderr.strip())
        result = self.run_cli("datasets", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example:", result.stdout)

    def test_no_store(self):
        result = self.run_cli("datasets", "--state-dir", self.state, "list")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no " + self.path, result.stderr)
        self.assertEqual(os.listdir(self.state), [])

    def test_configuration_says_where(self):
        self.store(self.transaction(1))
        config = self.write_config()
        for args in ([config, "list"], ["list", config]):
            result = self.run_cli("datasets", "--json", *args)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn('"transaction":"tx-1"', result.stdout)
        os.mkdir(os.path.join(self.state, "simulated"))
        os.rename(self.path, os.path.join(self.state, "simulated/metergate.db"))
        result = self.run_cli("datasets", "--simulate", "show", "tx-1", config)
        self.assertEqual(result.returncode, 0, result.stderr)

    # ---- list and show ----

    def test_list_filters(self):
        self.store(self.transaction(1),
                   self.transaction(2, billable=0, why="error flag",
                                    meter="bay-2", mark="key-changed"),
                   self.row("F1", [("E", 1)], kind=7, stored_ms=NOON_MS +
                            DAY_MS),
                   {"meter": "bay-1", "state": 0, "transaction": "tx-9",
                    "begun_ms": NOON_MS, "stored_ms": NOON_MS + 2 * DAY_MS})
        self.assertEqual(self.ids(), [1, 2, 3, 4])
        self.assertEqual(self.ids("--meter", "bay-1"), [1, 3, 4])
        self.assertEqual(self.ids("--transaction", "tx-2"), [2])
        self.assertEqual(self.ids("--from", "2026-03-02"), [3, 4])
        self.assertEqual(self.ids("--to", "2026-03-01"), [1, 2])
        self.assertEqual(self.ids("--from", "2026-03-02T12:00:00Z", "--to",
                                  "2026-03-02"), [3])
        self.assertEqual(self.ids("--billable"), [1, 3])
        self.assertEqual(self.ids("--kind", "transactions"), [1, 2, 4])
        self.assertEqual(self.ids("--kind", "all", "--meter", "bay-2"), [2])
        text = self.datasets("list").splitlines()
        self.assertEqual(len(text), 5)
        self.assertRegex(text[1], r"^ +1  bay-1 +transaction +T1  "
                         r"2026-03-01 12:00:00  2026-03-01 13:00:00 +1\.000  "
                         r"valid +tx-1 +yes$")
        self.assertRegex(text[2], r"tx-2 +error flag \[key-changed\]$")
        self.assertRegex(text[4], r"tx-9 +not yet: the session goes on$")

    def test_json_is_exact(self):
        self.store(self.transaction(1, begin_mwh=1, end_mwh=12345679))
        line = self.lines("list", "--json")[0]
        self.assertNotIn("ocmf", line)
        text = self.datasets("list", "--json")
        self.assertIn('"begin_wh":0.001,"end_wh":12345.679,'
                      '"energy_wh":12345.678', text)
        self.assertIn(" 12.345678  valid", self.datasets("list"))
        self.assertEqual(line["publicKey"], self.key.hex)
        self.assertEqual(line["begin"], "2026-03-01T12:00:00.000Z")

    def test_show(self):
        row = self.transaction(1, tariff="ä € 'x'",
                               original="what the meter\nwrote")
        self.store({"meter": "bay-1", "state": 0, "transaction": "tx-1"},
                   self.row("T1", [("B", 1)], kind=1, transaction="tx-1"),
                   {**row, "pagination": 2})
        text = self.datasets("show", "1")
        self.assertIn(row["record"], text)
        self.assertIn("what the meter\nwrote", text)
        self.assertIn("dataset         1\n", text)
        self.assertIn(self.key.fingerprint, text)
        both = self.lines("show", "tx-1", "--json")
        self.assertEqual([x["id"] for x in both], [1, 2])
        self.assertEqual(both[0]["ocmf"], row["record"])
        self.assertEqual(both[0]["original"], "what the meter\nwrote")
        result = self.run_cli("datasets", "--state-dir", self.state, "show",
                              "77")
        self.assertEqual(result.returncode, 1)
        self.assertIn("'77'", result.stderr)

    # ---- export ----

    def export_xml(self, *args):
        """Export, have it checked by xmllint, and read it with Python."""
        out = os.path.join(self.directory, "out.xml")
        self.datasets("export", "--out", out, *args)
        self.assertFalse(os.path.exists(out + ".part"))
        result = subprocess.run(["xmllint", "--noout", "--nonet", "--schema",
                                 XSD, out], capture_output=True, text=True,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        values = []
        for value in ElementTree.parse(out).getroot():
            data, key = value.find("signedData"), value.find("publicKey")
            text = data.text
            if data.get("encoding") == "base64":
                text = base64.b64decode(text, validate=True).decode()
            self.assertEqual([x.tag for x in value],
                             ["publicKey", "signedData"])
            values.append((value.get("transactionId"), value.get("context"),
                           text, key.text))
        return values

    def test_xml(self):
        """One value for a whole transaction; begin and end paired; the rest
        by itself."""
        whole = self.transaction(1, transaction="4711")
        begin = self.row("T2", [("B", 2)], kind=1, transaction="pair")
        middle = self.row("T3", [("C", 2.5)], kind=2, transaction="pair")
        end = self.row("T4", [("E", 3)], transaction="pair")
        both = self.transaction(5, transaction="both")
        begin_of_both = self.row("T5", [("B", 5)], kind=1, transaction="both")
        fiscal = self.row("F1", [("E", 9)], kind=7)
        self.store(whole, begin, middle, end, begin_of_both, both, fiscal,
                   {"meter": "bay-1", "state": 0, "transaction": "open"})

        def number(text):
            digest = hashlib.sha256(text.encode()).digest()
            return str(int.from_bytes(digest[:8], "big") >> 2)
        self.assertEqual(self.export_xml(), [
            ("4711", None, whole["record"], self.key.hex),
            (number("pair"), "Transaction.Begin", begin["record"],
             self.key.hex),
            (None, None, middle["record"], self.key.hex),
            (number("pair"), "Transaction.End", end["record"], self.key.hex),
            (None, None, begin_of_both["record"], self.key.hex),
            (number("both"), None, both["record"], self.key.hex),
            (None, None, fiscal["record"], self.key.hex)])
        values = self.export_xml("--transaction", "pair", "--kind",
                                 "transactions")
        self.assertEqual(values, [(number("pair"), "Transaction.End",
                                   end["record"], self.key.hex)])
        self.assertEqual(self.export_xml("--meter", "nobody"), [])

    def test_odd_texts_come_back(self):
        odd = ["<&>\"'", "]]>", "\t", "ä€🔌", "\u007f", "|", " x ", "\\n"]
        rows = [self.row(f"T{i + 1}", [("B", i), ("E", i + 1)], tariff=text)
                for i, text in enumerate(odd)]
        raw = "OCMF|{\"PG\":\"T99\"\r\n,\"TT\":\"\x01\"}|{}\n"
        rows.append(self.row("T99", [], text=raw))
        self.store(*rows)
        records = [r["record"] for r in rows]
        self.assertEqual([v[2] for v in self.export_xml()], records)
        self.assertEqual([x["ocmf"] for x in
                          self.lines("export", "--format", "jsonl")], records)

    def test_xml_is_read_and_verified_by_metergate(self):
        self.store(*[self.transaction(n) for n in range(1, 4)])
        out = os.path.join(self.directory, "out.xml")
        self.datasets("export", "--out", out)
        result = self.run_cli("verify", out)
        if "there is no command" in result.stderr:
            self.skipTest("metergate verify is not in this build")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_ocpp(self):
        rows = [self.transaction(1),
                self.row("T2", [("B", 2)], kind=1, transaction="x")]
        self.store(*rows)
        key = base64.b64encode(
            b"oca:base16:asn1:" + self.key.hex.encode()).decode()
        for args, code in (([], lambda r: base64.b64encode(
                r.encode()).decode()), (["--plain"], lambda r: r)):
            lines = self.lines("export", "--format", "ocpp", *args)
            self.assertEqual(len(lines), 2)
            for line, row, context in zip(lines, rows, ("Transaction.End",
                                                        "Transaction.Begin")):
                new, old = line["ocpp"]["2.0.1"], line["ocpp"]["1.6"]
                self.assertEqual(new, {"signedMeterData": code(row["record"]),
                                       "signingMethod": "",
                                       "encodingMethod": "OCMF",
                                       "publicKey": key})
                self.assertEqual(json.loads(old["value"]), new)
                self.assertEqual(old["format"], "SignedData")
                self.assertEqual(old["context"], context)

    def test_export_replaces_only_when_complete(self):
        self.store(self.transaction(1))
        out = os.path.join(self.directory, "out.xml")
        with open(out, "w", encoding="utf-8") as f:
            f.write("old")
        self.change("UPDATE dataset SET kind=99")
        self.datasets("export", "--out", out, code=1)
        with open(out, encoding="utf-8") as f:
            self.assertEqual(f.read(), "old")
        self.assertFalse(os.path.exists(out + ".part"))
        self.change("UPDATE dataset SET kind=0")
        self.datasets("export", "--out", out)
        with open(out, encoding="utf-8") as f:
            self.assertIn("<values>", f.read())
        result = self.run_cli("datasets", "--state-dir", self.state, "export",
                              "--out", "/nonexistent/x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/x", result.stderr)
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        result = self.run_cli("datasets", "--state-dir", self.state, "export",
                              "--out", fifo)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no file that could be replaced", result.stderr)
        self.assertTrue(stat.S_ISFIFO(os.stat(fifo).st_mode), "replaced")
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run(
                [METERGATE, "datasets", "--state-dir", self.state, "export"],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("could not be written", result.stderr)

    # ---- audit ----

    def test_clean_store(self):
        self.store(*[self.transaction(n) for n in range(1, 9)])
        self.assertEqual(self.findings(code=0), [])
        self.assertIn("8 records of 1 meters, 1 keys: 0 errors, 0 warnings, "
                      "0 notes", self.datasets("audit"))

    def test_deleted_row_is_missed(self):
        """Also the newest one, which leaves no gap in the pagination."""
        self.store(*[self.transaction(n) for n in range(1, 9)])
        self.change("DELETE FROM dataset WHERE id=4")
        self.assertEqual(self.findings(), [("pagination-gap", "T5"),
                                           ("rows-missing", "-")])
        self.assertIn("error    pagination-gap        bay-1: 1 record is "
                      "missing between T3 (row 3) and T5 (dataset 5)",
                      self.datasets("audit", code=1))
        self.change("DELETE FROM dataset WHERE id=8")
        self.assertEqual(self.findings(), [("pagination-gap", "T5"),
                                           ("rows-missing", "-"),
                                           ("rows-missing", "-")])
        self.assertEqual(self.findings("--meter", "bay-1"),
                         [("pagination-gap", "T5")])
        self.assertEqual(self.findings("--meter", "bay-2", code=0), [])

    def test_changed_bytes_are_found(self):
        self.store(*[self.transaction(n) for n in range(1, 4)])
        self.change("UPDATE dataset SET record=CAST(replace(CAST(record AS "
                    "TEXT), '\"RV\": 3', '\"RV\": 4') AS BLOB) WHERE id=2")
        self.assertEqual(self.findings(), [("signature-invalid", "T2"),
                                           ("counter-reset", "T3")])

    def test_exchange_and_reset(self):
        other = Key(self.directory, "other.pem")
        self.store(self.transaction(1), self.transaction(2),
                   self.row("T1", [("B", 0), ("E", 1)], key=other,
                            serial="S2", transaction="n1"),
                   self.row("T2", [("B", 0.5), ("E", 2)], key=other,
                            serial="S2", transaction="n2"))
        self.assertEqual(sorted(self.findings()),
                         [("counter-reset", "T2"), ("meter-exchanged", "T1")])

    def test_time_stamps_do_not_order(self):
        """A clock that was set back is no fault of the pagination."""
        self.store(*[self.transaction(n, stored_ms=NOON_MS - n * DAY_MS,
                                      begun_ms=NOON_MS - n * DAY_MS)
                     for n in range(1, 6)])
        self.assertEqual(self.findings(code=0), [])

    def test_open_sessions(self):
        self.store({"meter": "bay-1", "state": 0, "transaction": "old",
                    "begun_ms": NOON_MS - 400 * DAY_MS, "stored_ms": 1})
        self.assertEqual(self.findings(), [("session-open", "-")])
        self.change("UPDATE dataset SET begun_ms="
                    "CAST(strftime('%s','now') AS INTEGER)*1000")
        self.assertEqual(self.findings(code=0), [])

    # ---- Beside a running gateway ----

    def test_beside_a_writer_and_after_its_end(self):
        writer = subprocess.Popen([WRITER, self.path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            for n in range(1, 21):
                writer.stdin.write(json.dumps(self.transaction(n)) + "\n")
                writer.stdin.flush()
                self.assertEqual(writer.stdout.readline(), f"stored {n}\n")
                if n % 5 == 0:
                    self.assertEqual(self.ids(), list(range(1, n + 1)))
            self.assertEqual(self.findings(code=0), [])
            self.assertEqual(len(self.export_xml()), 20)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.stdin.close()
            writer.stdout.close()
            writer.wait()
        self.assertEqual(self.ids(), list(range(1, 21)))  # from the WAL
        self.store(self.transaction(21))  # and it can be opened again
        self.assertEqual(self.findings(code=0), [])

    def test_beside_a_running_gateway(self):
        self.broker.start()
        config = self.write_config()
        gateway = self.start("run", "--simulate", config)
        gateway.wait_output("gateway depot-1")
        result = self.run_cli("datasets", "--simulate", config, "audit")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        code, _ = gateway.stop()
        self.assertEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
