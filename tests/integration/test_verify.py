"""metergate verify as a person and a program use it: every form of input, the
order of output, exit codes; every verdict of the vectors, once more through the
command; and openssl's own opinion of what is called valid."""
import base64
import json
import os
import subprocess
import tempfile
import unittest
from xml.sax.saxutils import escape

BUILD = os.environ["MG_BUILD"]
SOURCE = os.environ["MG_SOURCE"]
VERDICTS = {"unparseable": "norecord", "unsupported-SA": "unsupported"}


def vectors():
    for name in ("generated", "published"):
        with open(f"{SOURCE}/tests/vectors/ocmf_{name}.jsonl") as file:
            for line in file:
                yield json.loads(line)


def payload(record):
    """Between the pipes; for records without '|' in a text."""
    return record.split("|")[1].encode()


class Verify(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.by_id = {v["id"]: v for v in vectors()}
        good = self.by_id["gen/default/vendor-ext-sig"]
        self.good, self.key = good["ocmf"], good["publicKey"]
        self.pretty = self.by_id["gen/payload/pretty"]["ocmf"]
        self.bad = self.by_id["gen/tamper/tm"]["ocmf"]

    def path(self, name, content):
        path = os.path.join(self.directory, name)
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(path, mode, newline=None if mode == "wb" else "") as file:
            file.write(content)
        return path

    def run_verify(self, *args, stdin=None):
        return subprocess.run([f"{BUILD}/metergate", "verify", *args],
                              input=stdin, capture_output=True, text=True,
                              timeout=120)

    def verify_json(self, *args, stdin=None):
        result = self.run_verify("--json", *args, stdin=stdin)
        self.assertEqual(result.stderr, "")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def verdicts(self, *args, stdin=None):
        return [r["verdict"] for r in self.verify_json(*args, stdin=stdin)
                if r["type"] == "record"]

    # ---- Vectors ----

    def test_every_verdict_matches(self):
        all_vectors = list(vectors())
        files = [f"{SOURCE}/tests/vectors/ocmf_{n}.jsonl"
                 for n in ("generated", "published")]
        for jobs in ("1", "2", "7"):
            found = self.verify_json("--jobs", jobs, *files)
            self.assertEqual(len(found), len(all_vectors))
            for vector, record in zip(all_vectors, found):
                self.assertEqual(vector["id"], record["id"])
                wanted = vector["expected"]
                self.assertEqual(VERDICTS.get(wanted, wanted),
                                 record["verdict"], vector["id"])
                self.assertEqual(record["valid"], wanted.startswith("valid"))
                self.assertEqual(wanted == "valid-lenient",
                                 record["verdict"] == "valid-lenient")
                if wanted == "valid-lenient":
                    self.assertTrue(record["lenient"])
                if "expect" in vector:
                    self.assertEqual(
                        (record["readings"], record["usable_readings"]),
                        (vector["expect"]["readings"],
                         vector["expect"]["billable"]), vector["id"])

    def test_openssl_agrees(self):
        """Each record that is valid, with the payload cut out here."""
        n = 0
        for vector in vectors():
            record, key = vector["ocmf"], vector["publicKey"]
            if vector["expected"] != "valid" or record.count("|") != 2:
                continue
            signature = json.loads(record.split("|")[2])
            digits = signature["SD"]
            der = (base64.b64decode(digits)
                   if signature.get("SE") == "base64" else bytes.fromhex(digits))
            try:
                spki = bytes.fromhex(key)
            except ValueError:
                spki = base64.b64decode(key)
            result = subprocess.run(
                ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify",
                 self.path("key", spki), "-signature", self.path("der", der),
                 self.path("payload", payload(record))], capture_output=True)
            self.assertEqual(result.returncode, 0, vector["id"])
            n += 1
        self.assertGreater(n, 50)

    # ---- Input ----

    def test_forms_of_a_record(self):
        smv = {"signedMeterData": base64.b64encode(
                   self.good.encode()).decode(),
               "signingMethod": "", "encodingMethod": "OCMF",
               "publicKey": base64.b64encode(
                   ("oca:base16:asn1:" + self.key).encode()).decode()}
        plain_key = dict(smv, publicKey=base64.b64encode(
            self.key.encode()).decode())
        everest = {"signed_meter_data": self.good, "public_key": self.key,
                   "encoding_method": "OCMF"}
        forms = {
            "line": json.dumps({"ocmf": self.good, "publicKey": self.key}),
            "record": json.dumps({"record": self.pretty,
                                  "publicKey": self.key}),
            "signedData": json.dumps({"signedData": self.good,
                                      "publicKey": self.key}, indent=2),
            "ocpp 2.0.1": json.dumps({"meterValue": [{"sampledValue": [
                {"value": 1, "signedMeterValue": smv}]}]}, indent=1),
            "ocpp 2.0.1, key without prefix": json.dumps(plain_key),
            "ocpp 1.6": json.dumps({"format": "SignedData",
                                    "value": json.dumps(smv)}),
            "everest": json.dumps(everest),
            "array": json.dumps([{"ocmf": self.good, "publicKey": self.key}],
                                indent=1),
            "within": json.dumps({"publicKey": self.key,
                                  "list": [{"ocmf": self.good}]}),
        }
        for name, text in forms.items():
            with self.subTest(form=name):
                self.assertEqual(self.verdicts("-", stdin=text), ["valid"])
                path = self.path("file", "\ufeff" + text + "\r\n")
                self.assertEqual(self.verdicts(path), ["valid"])

    def test_bare_records(self):
        for name, text, wanted in [
                ("one", self.good, ["valid"]),
                ("newline", self.good + "\n", ["valid"]),
                ("crlf", self.good + "\r\n", ["valid"]),
                ("several lines", self.pretty + "\n", ["valid"]),
                ("both", self.pretty + "\n\n" + self.good, ["valid"] * 2),
                ("base64", base64.b64encode(self.good.encode()).decode(),
                 ["valid"]),
                ("cut", self.good[:300] + "\n" + self.good,
                 ["norecord", "valid"]),
                ("junk", "hello\n" + self.good, ["norecord", "valid"]),
                ("cut json", '{"ocmf":\n', ["norecord"]),
                ("other json", '{"a": "b"}\n', ["norecord"]),
                ("two in a line", self.good + self.good, ["norecord"])]:
            with self.subTest(form=name):
                self.assertEqual(
                    self.verdicts("--key", self.key, "-", stdin=text), wanted)
        self.assertEqual(self.verdicts("--key", self.key, self.good),
                         ["valid"])

    def test_many_records_in_one_object(self):
        one = {"ocmf": self.good, "publicKey": self.key}
        for n, wanted in ((256, []), (257, ["norecord"])):
            text = json.dumps({"list": [one] * n})
            self.assertEqual(self.verdicts("-", stdin=text),
                             ["valid"] * 256 + wanted)

    def test_forms_of_a_key(self):
        der = bytes.fromhex(self.key)
        b64 = base64.b64encode(der).decode()
        pem = ("-----BEGIN PUBLIC KEY-----\n" + b64[:64] + "\n" + b64[64:] +
               "\n-----END PUBLIC KEY-----\n")
        for name, key in [
                ("hex", self.key), ("base64", b64), ("PEM", pem),
                ("DER file", self.path("key.der", der)),
                ("PEM file", self.path("key.pem", pem)),
                ("hex file", self.path("key.hex", self.key + "\n")),
                ("oca", "oca:base16:asn1:" + self.key)]:
            with self.subTest(key=name):
                self.assertEqual(self.verdicts("--key", key, self.good),
                                 ["valid"])
        raw = self.key[-128:]
        self.assertEqual(self.verdicts("--key", raw, self.good),
                         ["valid-lenient"])
        # A key of the command line goes before one that comes along.
        line = json.dumps({"ocmf": self.good, "publicKey":
                           self.by_id["gen/key/other"]["publicKey"]})
        self.assertEqual(self.verdicts("-", stdin=line), ["invalid"])
        self.assertEqual(self.verdicts("--key", self.key, "-", stdin=line),
                         ["valid"])
        line = json.dumps({"ocmf": self.good, "publicKey": "3059"})
        (record,) = self.verify_json("-", stdin=line)
        self.assertEqual(record["verdict"], "nokey")
        self.assertIn("key", record["reason"])

    # ---- Containers ----

    def container(self, values):
        text = '<?xml version="1.0" encoding="UTF-8"?>\n<values>\n'
        for transaction, context, record, key in values:
            text += (f'<value transactionId="{transaction}" '
                     f'context="Transaction.{context}">\n'
                     f'<signedData format="OCMF" encoding="plain">\n  '
                     f'{escape(record)}\n</signedData>\n'
                     f'<publicKey encoding="plain">{key}</publicKey>'
                     '</value>\n')
        return self.path("container.xml", text + "</values>\n")

    def signed(self, mark, page, energy, key_path):
        """A record of one reading, signed with openssl."""
        body = ('{"FV":"1.0","GI":"G","GS":"1","PG":"T%d","MS":"S1",'
                '"IS":true,"IT":"NONE","ID":"","RD":[{"TM":"2025-01-02T0%d:00:'
                '00,000+0000 S","TX":"%s","RV":%s,"RI":"1-b:1.8.0",'
                '"RU":"kWh","EF":"","ST":"G"}]}' % (page, page, mark, energy))
        der = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", key_path],
            input=body.encode(), capture_output=True, check=True).stdout
        return "OCMF|" + body + '|{"SD":"' + der.hex() + '"}'

    def make_key(self):
        path = os.path.join(self.directory, "sign.pem")
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey",
                        "-noout", "-out", path], check=True)
        spki = subprocess.run(["openssl", "ec", "-in", path, "-pubout",
                               "-outform", "DER"], capture_output=True,
                              check=True).stdout
        return path, spki.hex()

    def test_begin_and_end_of_a_container(self):
        path, key = self.make_key()
        begin = self.signed("B", 1, "10.00", path)
        end = self.signed("E", 2, "12.50", path)
        for order in ((("Begin", begin), ("End", end)),
                      (("End", end), ("Begin", begin))):
            container = self.container(
                [(7, context, record, key) for context, record in order])
            found = self.verify_json("--strict", container)
            self.assertEqual([f["type"] for f in found],
                             ["record", "record", "transaction"])
            for record in found[:2]:
                self.assertEqual(record["verdict"], "valid")
                self.assertNotIn("error", [f["severity"]
                                           for f in record["findings"]])
            self.assertEqual(found[2]["energy_kwh"], 2.5)
            self.assertEqual(found[2]["duration_s"], 3600)
            self.assertTrue(found[2]["billable"])
            self.assertEqual(
                self.run_verify("--strict", container).returncode, 0)

    def test_begin_and_end_that_do_not_fit(self):
        path, key = self.make_key()
        begin = self.signed("B", 1, "10.00", path)
        for end, wanted in [
                (self.signed("E", 2, "9.00", path), "pair-energy"),
                (self.signed("E", 1, "12.00", path), "pair-pagination"),
                (self.signed("E", 3, "12.00", path), "pair-gap"),
                (self.signed("B", 2, "12.00", path), "pair-count")]:
            container = self.container([(7, "Begin", begin, key),
                                        (7, "End", end, key)])
            found = self.verify_json(container)
            self.assertIn(wanted, [f["id"] for f in found[2]["findings"]])
            if wanted != "pair-gap":
                self.assertFalse(found[2]["billable"])
                result = self.run_verify("--strict", container)
                self.assertEqual(result.returncode, 1)
                self.assertIn(wanted, result.stdout)

    def test_a_crowd_of_values(self):
        path, key = self.make_key()
        begin = self.signed("B", 1, "10.00", path)
        end = self.signed("E", 2, "12.50", path)
        found = self.verify_json(self.container(
            [(7, "Begin", begin, key), (7, "End", end, key),
             (7, "End", end, key), (8, "End", self.good, self.key)]))
        self.assertEqual(len(found), 4)
        for record in found[:3]:
            self.assertIn("pair-count", [f["id"] for f in record["findings"]])
        self.assertNotIn("pair-count", [f["id"] for f in found[3]["findings"]])

    def test_one_number_for_two_whole_records(self):
        found = self.verify_json(self.container(
            [(1, "End", self.good, self.key), (1, "End", self.good, self.key)]))
        self.assertEqual([f["verdict"] for f in found[:2]], ["valid"] * 2)
        self.assertEqual(found[2]["findings"], [])

    # ---- Output ----

    def test_one_record_gets_a_report(self):
        result = self.run_verify("--key", self.key, self.good)
        self.assertEqual(result.returncode, 0)
        for text in ("VALID", "T17", "WM3M4C", "18230001", "123457.52 kWh",
                     "1.49 kWh", "0:01:44", "billable     yes",
                     "ECDSA-secp256r1-SHA256"):
            self.assertIn(text, result.stdout)

    def test_many_records_get_lines(self):
        good = json.dumps({"ocmf": self.good, "publicKey": self.key})
        bad = json.dumps({"id": "x9", "ocmf": self.bad, "publicKey": self.key})
        lenient = json.dumps(self.by_id["gen/key/raw64"])
        result = self.run_verify("-", stdin="\n".join(
            [good, bad, good, lenient, good]))
        lines = result.stdout.splitlines()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(lines), 3)
        self.assertTrue(lines[0].startswith("stdin:2 x9: invalid: "))
        self.assertTrue(lines[1].startswith("stdin:4 gen/key/raw64: "
                                            "valid-lenient: key-raw"))
        self.assertTrue(lines[2].startswith(
            "5 records: 3 valid, 1 valid with deviations, 1 not valid"))
        result = self.run_verify("--verbose", "-", stdin=good + "\n" + good)
        self.assertEqual(result.stdout.count("1.49 kWh"), 2)

    def test_order_is_kept_by_all_workers(self):
        lines = []
        for i in range(1500):
            record = self.good if i % 3 else self.bad
            lines.append(json.dumps({"id": f"r{i}", "ocmf": record,
                                     "publicKey": self.key}))
        found = self.verify_json("--jobs", "5", "-", stdin="\n".join(lines))
        self.assertEqual([f["id"] for f in found],
                         [f"r{i}" for i in range(1500)])
        self.assertEqual([f["valid"] for f in found],
                         [i % 3 != 0 for i in range(1500)])

    def test_control_characters_never_reach_the_terminal(self):
        path, key = self.make_key()
        record = self.signed("B", 1, "1.00", path).replace(
            '"SD"', '"SA":"\\u001b]0;x\\u0007","SD"')
        result = self.run_verify("--key", key, record)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no algorithm of OCMF", result.stdout)
        self.assertNotIn("\x1b", result.stdout)
        self.assertNotIn("\x07", result.stdout)

    def test_profiles(self):
        fv14 = self.by_id["gen/payload/fv14"]
        line = json.dumps(fv14)
        self.assertEqual(self.run_verify("-", stdin=line).returncode, 0)
        for version in ("1.3", "1.4"):
            profile = f"transparenzsoftware-{version}"
            result = self.run_verify("--profile", profile, "-", stdin=line)
            self.assertEqual(result.returncode, 1)
            self.assertIn("transparenz-version", result.stdout)
            self.assertIn(f"{profile} would refuse it", result.stdout)
            (record,) = self.verify_json("--profile", profile, "-", stdin=line)
            self.assertEqual((record["verdict"], record["profile"],
                              record["profile_accepts"]),
                             ("valid", profile, False))
            self.assertEqual(self.run_verify(
                "--profile", profile, "--key", self.key,
                self.good).returncode, 0)
            self.assertEqual("transparenz-inferred" in self.run_verify(
                "--profile", profile, "--key", self.key, self.good).stdout,
                version == "1.3")

    def test_strict(self):
        line = json.dumps(self.by_id["gen/key/raw64"])
        self.assertEqual(self.run_verify("-", stdin=line).returncode, 0)
        self.assertEqual(self.run_verify("--strict", "-",
                                         stdin=line).returncode, 1)
        line = json.dumps(self.by_id["gen/table/TX-C"])
        self.assertEqual(self.run_verify("-", stdin=line).returncode, 0)
        self.assertEqual(self.run_verify("--strict", "-",
                                         stdin=line).returncode, 1)

    def test_exit_codes(self):
        for args, wanted in [
                (["--key", self.key, self.good], 0),
                (["--key", self.key, self.bad], 1),
                ([self.good], 1), (["--key", self.key, "/nowhere"], 1),
                ([], 2), (["--bogus", "x"], 2), (["--jobs", "0", "x"], 2),
                (["--jobs", "2x", "x"], 2), (["--profile", "y", "x"], 2),
                (["--key", "no key", "x"], 2), (["explain"], 2),
                (["explain", "a", "b"], 2), (["--help"], 0),
                (["explain", "--help"], 0), (["--list-checks"], 0),
                ([self.path("empty", "")], 1)]:
            with self.subTest(args=args):
                result = self.run_verify(*args)
                self.assertEqual(result.returncode, wanted, result.stderr)
                if wanted == 2:
                    self.assertTrue(result.stderr.strip())

    def test_list_of_checks(self):
        text = self.run_verify("--list-checks").stdout.splitlines()
        listed = [json.loads(line) for line in self.run_verify(
            "--list-checks", "--json").stdout.splitlines()]
        self.assertEqual(len(text), len(listed))
        self.assertEqual(len({c["id"] for c in listed}), len(listed))
        for check, line in zip(listed, text):
            self.assertTrue(line.startswith(check["id"]))
            self.assertIn(check["severity"], ("note", "warning", "error"))
        known = {c["id"]: c["severity"] for c in listed}
        for vector in vectors():
            for record in self.verify_json("-", stdin=json.dumps(vector)):
                for finding in record["findings"]:
                    self.assertEqual(known[finding["id"]],
                                     finding["severity"])

    # ---- Explain ----

    def test_explain(self):
        result = self.run_verify("explain", self.good)
        self.assertEqual(result.returncode, 0)
        for text in ("RD[1].TX", "end, for no more exact reason",
                     "clock synchronised", "ST", "good", "kilowatt hours",
                     "XA", "of the vendor"):
            self.assertIn(text, result.stdout)
        files = [f"{SOURCE}/tests/vectors/ocmf_{n}.jsonl"
                 for n in ("published",)]
        result = self.run_verify("explain", "--json", *files)
        self.assertEqual(result.returncode, 0)
        records = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(records), 8)
        for record, vector in zip(records, list(vectors())[-8:]):
            body = json.loads(vector["ocmf"].split("|")[1])
            told = {m["path"]: m["value"] for m in record["members"]}
            self.assertEqual(told["PG"], body["PG"])
            for i, reading in enumerate(body["RD"]):
                for name, value in reading.items():
                    self.assertEqual(told[f"RD[{i}].{name}"], value)
        self.assertEqual(self.run_verify("explain", "OCMF|x").returncode, 1)


if __name__ == "__main__":
    unittest.main()
