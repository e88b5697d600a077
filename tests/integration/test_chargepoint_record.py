"""Records in ChargePoint's form, made by the station's own code, looked at with
openssl and Python, by `metergate verify` and by `metergate datasets`."""
import base64
import hashlib
import json
import os
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from depot import BUILD, METERGATE, SOURCE, Depot

WRITER = os.path.join(BUILD, "tests/integration/store_datasets")
MAKER = os.path.join(BUILD, "tests/integration/chargepoint_record")
PRINTED = os.path.join(SOURCE, "tests/vectors/chargepoint_record.txt")
SESSION = "4193206880799101095"
# 2025-01-29, the summary that the station's guide shows: UTC in ms, energy of
# the meter (RV + CL) and loss in mWh. Local time there is UTC + 1 h.
READINGS = ("B:1738129232000:8458700:0", "S:1738129496000:8803600:300",
            "S:1738129500000:8808200:300", "E:1738130231000:9756900:900")
SUMMARY = [("2025-01-29 06:40:32", "8.4587 kWh", "-0.0 Wh"),
           ("2025-01-29 06:44:56", "8.8033 kWh", "-0.3 Wh"),
           ("2025-01-29 06:45:00", "8.8079 kWh", "-0.3 Wh"),
           ("2025-01-29 06:57:11", "9.7560 kWh", "-0.9 Wh")]


class ChargepointRecord(Depot):
    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.directory, "state")
        os.mkdir(self.state)
        self.key = os.path.join(self.directory, "key.pem")
        subprocess.run([METERGATE, "key", "generate", "--out", self.key,
                        "--curve", "secp384r1"], check=True,
                       capture_output=True)
        self.public = os.path.join(self.directory, "public.pem")
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out",
                        self.public], check=True)
        self.spki = subprocess.run(
            ["openssl", "pkey", "-pubin", "-in", self.public, "-outform",
             "DER"], check=True, capture_output=True).stdout

    def make(self, *readings, transaction=SESSION, number=15, clock="S",
             loss=23000):
        return subprocess.run(
            [MAKER, self.key, transaction, str(number), clock, str(loss),
             *(readings or READINGS)], check=True, capture_output=True,
            text=True).stdout.rstrip("\n")

    def verify(self, *args, stdin, code=0):
        result = subprocess.run(
            [METERGATE, "verify", "--json", "--key", self.public, *args, "-"],
            input=stdin, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, code,
                         result.stdout + result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return [line for line in lines if line["type"] == "record"]

    # ---- The record ----

    def test_openssl_verifies_it(self):
        name, payload, signature = self.make().split("|")
        self.assertEqual(name, "OCMF")
        section = json.loads(signature)
        self.assertEqual(list(section), ["SA", "SD", "SE"])
        self.assertEqual((section["SA"], section["SE"]),
                         ("ECDSA-secp384r1-SHA256", "base64"))
        path = os.path.join(self.directory, "signature")
        with open(path, "wb") as f:
            f.write(base64.b64decode(section["SD"], validate=True))
        check = ["openssl", "dgst", "-sha256", "-verify", self.public,
                 "-signature", path]
        self.assertEqual(subprocess.run(
            check, input=payload.encode(), capture_output=True,
            check=False).stdout, b"Verified OK\n")
        self.assertNotEqual(subprocess.run(
            check, input=payload.encode().replace(b", ", b","),
            capture_output=True, check=False).returncode, 0)

    def test_same_form_as_printed(self):
        """Names, their order, types and every blank, up to the values."""
        with open(PRINTED, encoding="utf-8") as f:
            printed = f.read().splitlines()[-1]
        made = self.make("B:1748936925000:415900:0", "S:1748936964000:415900:0",
                         "E:1748936965000:415900:0", clock="U", loss=0)

        def without(record):
            payload = record.split("|")[1]
            fields = json.loads(payload)
            return payload.replace(fields["MF"], "MF")

        self.assertEqual(without(made), without(printed))
        fields = json.loads(made.split("|")[1])
        serial = base64.b64decode(fields["MS"], validate=True)
        self.assertEqual(serial, b"251362B00001\0\0\0\0|31-002700-04-01")
        self.assertEqual(base64.b64decode(fields["MF"], validate=True),
                         hashlib.sha256(b"software").digest())
        self.assertIs(type(fields["CI"]), int)

    def test_reading_and_loss_are_the_meters_own(self):
        readings = json.loads(self.make().split("|")[1])["RD"]
        for reading, given in zip(readings, READINGS):
            letter, _, energy, _ = given.split(":")
            self.assertEqual(reading["TX"], letter)
            self.assertEqual(round((reading["RV"] + reading["CL"]) * 10**4),
                             int(energy) // 100)

    # ---- Verdicts ----

    def test_verdict(self):
        record, = self.verify(stdin=self.make())
        self.assertEqual((record["verdict"], record["billable"],
                          record["pagination"], record["session"]),
                         ("valid", True, f"T15-{SESSION}", SESSION))
        self.assertEqual({f["id"]: f["severity"] for f in record["findings"]},
                         {"pagination-suffix": "warning",
                          "member-type": "warning",
                          "missing-member": "warning"})
        self.verify("--strict", stdin=self.make())
        self.verify(stdin=self.make().replace("9.7560", "9.7561"), code=1)

    def test_profile_has_a_version(self):
        for version, note in (("1.3", "transparenz-inferred"),
                              ("1.4", "transparenz-assessed")):
            record, = self.verify("--profile",
                                  f"transparenzsoftware-{version}",
                                  stdin=self.make())
            self.assertTrue(record["profile_accepts"])
            self.assertEqual([f["id"] for f in record["findings"]
                              if f["id"].startswith("transparenz")], [note])

    def test_loss_is_checked(self):
        for readings, finding in (
                (("B:1738129232000:8458700:100", "E:1738129332000:9458700:200"),
                 "loss-begin"),
                (("B:1738129232000:8458700:0", "S:1738129233000:9458700:900",
                  "E:1738129332000:9558700:800"), "loss-order"),
                (("B:1738129232000:8458700:0", "E:1738129332000:9458700:90000"),
                 "loss-high")):
            record, = self.verify(stdin=self.make(*readings))
            self.assertIn(finding, [f["id"] for f in record["findings"]])

    def test_container_names_the_same_session(self):
        for number, findings in ((SESSION, []), ("7", ["session-differs"])):
            text = (f'<values><value transactionId="{number}" '
                    f'context="Transaction.End"><signedData>{self.make()}'
                    "</signedData></value></values>")
            record, = self.verify(stdin=text)
            self.assertEqual([f["id"] for f in record["findings"]
                              if f["id"] == "session-differs"], findings)

    # ---- The store ----

    def store(self, *records):
        lines = ""
        for record in records:
            fields = json.loads(record.split("|")[1])
            number, session = fields["PG"][1:].split("-")
            lines += json.dumps({
                "meter": "bay-1", "kind": 0, "state": 1, "context": "T",
                "pagination": int(number), "transaction": session,
                "key_hex": self.spki.hex().upper(), "verdict": "valid",
                "fingerprint": hashlib.sha256(self.spki).hexdigest(),
                "billable": 1, "stored_ms": 1738130300000,
                "begun_ms": 1738129232000, "ended_ms": 1738130231000,
                "record": record}) + "\n"
        subprocess.run([WRITER, os.path.join(self.state, "metergate.db")],
                       input=lines, text=True, check=True, capture_output=True)

    def datasets(self, *args, code=0):
        result = subprocess.run(
            [METERGATE, "datasets", "--state-dir", self.state, *args],
            capture_output=True, text=True, check=False,
            env={**os.environ, "TZ": "Europe/Berlin"})
        self.assertEqual(result.returncode, code,
                         result.stdout + result.stderr)
        return result.stdout

    def table(self, what):
        """The summary of one dataset, row by row."""
        lines = self.datasets("show", what).splitlines()
        at = next(i for i, line in enumerate(lines)
                  if line.startswith("time (local)"))
        rows = []
        for line in lines[at + 1:]:
            if line.startswith("record ("):
                break
            rows.append(tuple(x.strip() for x in line.split("  ")
                              if x.strip()))
        return rows

    def test_summary_for_the_driver(self):
        self.store(self.make(), self.make(number=16, clock="U",
                                          transaction="17"))
        self.assertEqual(self.table(SESSION), SUMMARY)
        self.assertEqual(self.table("17"),
                         [("time not synchronised", *row[1:])
                          for row in SUMMARY])

    def test_audit(self):
        later = ("B:1738140000000:9756900:0", "E:1738140100000:9856900:0")
        first = self.make(number=1)
        second = self.make(*later, number=2, transaction="17")
        self.store(first, second)
        self.datasets("audit")
        self.store(self.make("B:1738150000000:9856900:0",
                             "E:1738150100000:9956900:500", number=4,
                             transaction="18"),
                   self.make("B:1738150000000:9956900:0",
                             "E:1738150100000:9956900:0", number=4,
                             transaction="19"))
        findings = [json.loads(x) for x in self.datasets(
            "audit", "--json", code=1).splitlines()]
        self.assertEqual([(x["finding"], x["pagination"]) for x in findings
                          if "finding" in x],
                         [("pagination-gap", "T4"),
                          ("pagination-duplicate", "T4")])

    def test_exports(self):
        record = self.make()
        self.store(record)
        values = ElementTree.fromstring(self.datasets("export")).findall(
            "value")
        self.assertEqual([(v.get("transactionId"), v.find("signedData").text)
                          for v in values], [(SESSION, record)])
        line = json.loads(self.datasets("export", "--format", "ocpp"))
        ocpp = line["ocpp"]
        for signed in (ocpp["2.0.1"], json.loads(ocpp["1.6"]["value"])):
            self.assertEqual(base64.b64decode(
                signed["signedMeterData"]).decode(), record)


if __name__ == "__main__":
    unittest.main(verbosity=2)
