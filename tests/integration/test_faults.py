"""metergate faults: the catalogue as people and programs see it."""
import json
import unittest

from depot import Depot


class Faults(Depot):
    def rows(self, *args):
        result = self.run_cli("faults", "--json", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_json(self):
        rows = {row["id"]: row for row in self.rows()}
        koala = [i for i in rows if i.startswith("urn:fault:koala:")]
        self.assertEqual(len(koala), 35)
        self.assertEqual([i for i in rows if rows[i]["ours"]],
                         ["urn:fault:metergate:welded-contact"])
        self.assertIn("urn:fault:koala:wiredcomss-update-failed", rows)
        over = rows["urn:fault:koala:ac-over-current"]
        self.assertEqual(
            (over["severity"], over["latched"], over["from"]),
            ("major", "until power cycled", "gateway"))
        self.assertIs(over["blocks_sessions"], True)
        severities = [rows[i]["severity"] for i in koala]
        self.assertEqual(
            [severities.count(s) for s in ("minor", "major", "critical")],
            [9, 16, 10])

    def test_table(self):
        lines = self.run_cli("faults").stdout.splitlines()
        self.assertEqual(len(lines), 1 + len(self.rows()))
        self.assertEqual(lines[0].split(), ["ID", "SEVERITY", "LATCHED", "FROM",
                                            "DESCRIPTION"])
        for line, row in zip(lines[1:], self.rows()):
            for key in ("id", "severity", "latched", "from", "description"):
                self.assertIn(row[key], line)

    def test_some(self):
        for name in ("urn:fault:koala:acm-over-temp", "acm-over-temp"):
            result = self.run_cli("faults", name)
            self.assertEqual(result.returncode, 0)
            self.assertIn("urn:fault:koala:acm-over-temp\n", result.stdout)
            self.assertNotIn("acb-over-temp", result.stdout)
        rows = self.rows("welded-contact", "pilot-fault")
        self.assertEqual([row["id"] for row in rows],
                         ["urn:fault:koala:pilot-fault",
                          "urn:fault:metergate:welded-contact"])

    def test_usage(self):
        result = self.run_cli("faults", "acm-over-temp", "over-temp")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertIn("'over-temp'", result.stderr)
        self.assertEqual(self.run_cli("faults", "--bogus").returncode, 2)
        result = self.run_cli("faults", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example:", result.stdout)


if __name__ == "__main__":
    unittest.main()
