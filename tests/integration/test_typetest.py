"""metergate typetest: table, JSON, exit codes, defects, options."""
import json
import os
import pty
import subprocess
import unittest

from depot import METERGATE, Depot

MODELS = ["cpim1000", "cpkm3000", "kpm31", "wm3m4c"]


class Typetest(Depot):
    def run_json(self, *args):
        result = self.run_cli("typetest", "--json", *args)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0 if report["passed"] else 1)
        return report

    def test_models_pass(self):
        tests = {"intrinsic", "starting", "no-load", "constant",
                 "repeatability", "influence", "composite", "reactive",
                 "accuracy"}
        for model in MODELS:
            with self.subTest(model=model):
                report = self.run_json(model)
                rows = report["rows"]
                self.assertTrue(report["passed"])
                self.assertEqual(report["model"], model)
                self.assertEqual(report["defect"], "none")
                self.assertLessEqual(tests, {row["test"] for row in rows})
                counts = [sum(row["verdict"] == v for row in rows)
                          for v in ("pass", "fail", "skip")]
                self.assertEqual(counts, [report["n_passed"], 0,
                                          report["n_skipped"]])
                for row in rows:
                    self.check_row(row)

    def check_row(self, row):
        if row["verdict"] == "skip":
            self.assertTrue(row["note"])
            return
        self.assertTrue(row["source"])
        self.assertIn(row["confidence"], ("H", "M/H", "M", "L"))
        self.assertLessEqual(abs(row["error"]), row["limit"])
        if row["test"] == "intrinsic":
            self.assertLessEqual(3 * abs(row["error"]), row["limit"])
            self.assertIn(row["limit"], (0.5, 0.6, 1, 1.5, 2, 2.5, 3.5))

    def test_same_again(self):
        args = ("typetest", "--json", "--only", "repeatability", "cpkm3000")
        first = self.run_cli(*args).stdout
        self.assertEqual(self.run_cli(*args).stdout, first)
        other = self.run_cli(*args, "--seed", "2").stdout
        self.assertNotEqual(other, first)

    def test_table(self):
        result = self.run_cli("typetest", "--only", "intrinsic", "kpm31")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "")
        lines = result.stdout.splitlines()
        self.assertIn("class 0.5S, 2 (reactive)", lines[0])
        self.assertIn("Note: class 0.5S is for meters behind transformers",
                      result.stdout)
        rows = [line for line in lines if line.startswith("  pass  ")]
        self.assertGreater(len(rows), 30)
        self.assertIn("%d rows: %d passed, 0 failed, 0 skipped" %
                      (len(rows), len(rows)), result.stdout)
        self.assertIn("Intrinsic errors within a third of the limit: "
                      "%d of %d" % (len(rows), len(rows)), result.stdout)
        self.assertIn("IEC 62053-22", result.stdout)

    def test_notes_and_bands(self):
        report = self.run_json("cpkm3000", "--only", "composite")
        skipped = [row for row in report["rows"] if row["verdict"] == "skip"]
        self.assertIn("25 mA", report["note"])
        self.assertEqual(len(skipped), 1)
        self.assertIn("-40", skipped[0]["condition"])
        report = self.run_json("cpim1000", "--only", "composite")
        self.assertEqual(len({row["condition"].split(", ", 3)[3]
                              for row in report["rows"]
                              if row["verdict"] == "pass"}), 3)

    def test_defects(self):
        expected = {"phase-error": ("intrinsic", "PF 0.5 ind"),
                    "pulses-at-update": ("repeatability", "Imin"),
                    "creep": ("starting", "first impulse"),
                    "remainder": ("intrinsic", "0.250 A, balanced, PF 1")}
        for defect, (test, condition) in expected.items():
            report = self.run_json("cpkm3000", "--defect", defect,
                                   "--only", test)
            failed = [row for row in report["rows"]
                      if row["verdict"] == "fail"]
            self.assertFalse(report["passed"], defect)
            self.assertEqual(report["defect"], defect)
            self.assertTrue(any(condition in row["condition"]
                                for row in failed), defect)
            if defect == "phase-error":
                for row in failed:
                    self.assertIn("PF 0.5 ind", row["condition"])
                    self.assertAlmostEqual(row["error"], -1.21, delta=0.12)

    def test_options(self):
        for model, option in (("cpkm3000", "variant=1ph"),
                              ("wm3m4c", "single-phase=true"),
                              ("cpim1000", "phases=one"),
                              ("cpim1000", "side=left"),
                              ("kpm31", "variant=BK")):
            with self.subTest(model=model, option=option):
                report = self.run_json(model, "--option", option)
                self.assertTrue(report["passed"])
                self.assertEqual(report["options"], [option])
                if option != "side=left":
                    self.assertFalse([row for row in report["rows"]
                                      if "only" in row["condition"]
                                      or "sequence" in row["condition"]])

    def test_list_and_help(self):
        result = self.run_cli("typetest", "--list")
        self.assertEqual(result.returncode, 0)
        names = [line.split()[0] for line in result.stdout.splitlines()]
        self.assertEqual(names[0], "intrinsic")
        self.assertIn("repeatability", names)
        result = self.run_cli("typetest", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example:", result.stdout)
        for word in ("--json", "--only", "--list", "--defect", "--option",
                     "--seed"):
            self.assertIn(word, result.stdout)

    def test_usage(self):
        for args in ((), ("kpm31", "wm3m4c"), ("nothing",),
                     ("--only", "nothing", "kpm31"),
                     ("--defect", "nothing", "kpm31"),
                     ("--seed", "x", "kpm31"), ("--seed", "-1", "kpm31"),
                     ("--option", "variant", "kpm31"),
                     ("--option", "variant=Z", "kpm31"),
                     ("--option", "color=red", "kpm31"), ("--bogus",)):
            result = self.run_cli("typetest", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "")
            self.assertTrue(result.stderr)

    def test_progress_on_a_terminal(self):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
                [METERGATE, "typetest", "--only", "starting", "cpkm3000"],
                stdout=subprocess.DEVNULL, stderr=theirs) as process:
            os.close(theirs)
            text = b""
            while True:
                try:
                    chunk = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not chunk:
                    break
                text += chunk
            self.assertEqual(process.wait(), 0)
        os.close(ours)
        self.assertIn(b"2 of 2 measurements", text)


if __name__ == "__main__":
    unittest.main()
