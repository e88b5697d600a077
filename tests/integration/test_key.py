"""`metergate key`: files, tokens, and a QR code that a scanner reads."""
import json
import os
import stat
import subprocess
import unittest

from depot import Depot

MODULES = ("/usr/lib/softhsm/libsofthsm2.so",
           "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so")
HALVES = {"\u2588": (0, 0), "\u2580": (0, 1), "\u2584": (1, 0), " ": (1, 1)}


def openssl_spki(path):
    """The public key as openssl reads the private one, upper-case hex."""
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout",
                          "-outform", "DER"], capture_output=True, check=True)
    return der.stdout.hex().upper()


def scan(text, directory):
    """What a scanner reads of a code drawn with half blocks."""
    rows = []
    for line in text.splitlines():
        line = line.replace("\033[40;97m", "").replace("\033[0m", "")
        rows.append([HALVES[c][0] for c in line])
        rows.append([HALVES[c][1] for c in line])
    scale = 6
    path = os.path.join(directory, "qr.pbm")
    with open(path, "w", encoding="ascii") as out:
        out.write(f"P1\n{len(rows[0]) * scale} {len(rows) * scale}\n")
        for row in rows:
            line = " ".join(str(bit) for bit in row for _ in range(scale))
            out.write((line + "\n") * scale)
    return subprocess.run(["zbarimg", "-q", "--raw", path],
                          capture_output=True, text=True,
                          check=True).stdout.strip()


class Key(Depot):
    def path(self, name):
        return os.path.join(self.directory, name)

    def test_file(self):
        for curve in ("secp384r1", "secp256r1"):
            with self.subTest(curve=curve):
                pem = self.path(curve + ".pem")
                result = self.run_cli("key", "generate", "--out", pem,
                                      "--curve", curve, "--format", "json")
                self.assertEqual(result.returncode, 0, result.stderr)
                made = json.loads(result.stdout)
                self.assertEqual(made["curve"], curve)
                self.assertEqual(made["public_key"], openssl_spki(pem))
                self.assertEqual(stat.S_IMODE(os.stat(pem).st_mode), 0o600)
                shown = self.run_cli("key", "show", pem, "--format", "hex")
                self.assertEqual(shown.stdout.strip(), made["public_key"])
                again = self.run_cli("key", "generate", "--out", pem)
                self.assertEqual(again.returncode, 1)
                self.assertIn("File exists", again.stderr)
                self.assertEqual(openssl_spki(pem), made["public_key"])

    def test_file_for_others(self):
        pem = self.path("open.pem")
        self.run_cli("key", "generate", "--out", pem)
        os.chmod(pem, 0o640)
        result = self.run_cli("key", "show", pem)
        self.assertEqual(result.returncode, 1)
        self.assertIn("expected 0600", result.stderr)

    def test_public_forms(self):
        pem = self.path("key.pem")
        self.run_cli("key", "generate", "--out", pem)
        expected = openssl_spki(pem)
        for form in ("hex", "base64", "pem"):
            text = self.run_cli("key", "show", pem, "--format", form).stdout
            shown = self.run_cli("key", "show", "--public", text, "--format",
                                 "hex")
            self.assertEqual(shown.stdout.strip(), expected, form)
        text = self.run_cli("key", "show", pem).stdout
        self.assertNotIn("PRIVATE", text)
        self.assertIn("curve        secp384r1\n", text)
        self.assertEqual(scan(text[text.index("\033"):], self.directory),
                         expected)

    def test_qr_is_read_by_a_scanner(self):
        for curve in ("secp384r1", "secp256r1"):
            pem = self.path(curve + ".pem")
            self.run_cli("key", "generate", "--out", pem, "--curve", curve)
            drawn = self.run_cli("key", "show", pem, "--format", "qr").stdout
            self.assertEqual(scan(drawn, self.directory), openssl_spki(pem))

    def test_usage(self):
        for args in ([], ["make"], ["generate"], ["show"],
                     ["generate", "--out", "x", "--curve", "secp192r1"],
                     ["generate", "--out", "x", "--module", "m", "--uri", "u"],
                     ["show", "a", "b"], ["show", "a", "--public", "b"],
                     ["show", "a", "--module", "m"], ["show", "a", "--uri", "u"],
                     ["show", "a", "--pin-file", "p"], ["show", "a", "--out", "b"],
                     ["show", "a", "--format", "yaml"]):
            result = self.run_cli("key", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn("--help", result.stderr)

    def test_wrong_usage_makes_no_key(self):
        pem = self.path("none.pem")
        for args in (["--format", "yaml"], ["--public", "00"],
                     ["--curve", "secp192r1"], ["--pin-file", "p"],
                     ["--uri", "u"], ["--module", "m"]):
            result = self.run_cli("key", "generate", "--out", pem, *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertFalse(os.path.exists(pem), args)

    def test_token(self):
        module = [m for m in MODULES if os.path.exists(m)][0]
        os.mkdir(self.path("tokens"))
        conf = self.path("softhsm.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write(f"directories.tokendir = {self.path('tokens')}\n"
                      "objectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = conf
        self.addCleanup(os.environ.pop, "SOFTHSM2_CONF")
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label",
                        "depot", "--pin", "271828", "--so-pin", "314159"],
                       check=True, capture_output=True)
        pin = self.path("pin")
        with open(os.open(pin, os.O_CREAT | os.O_WRONLY, 0o600), "w",
                  encoding="ascii") as out:
            out.write("271828\n")
        token = ["--module", module, "--uri", "pkcs11:token=depot;object=s1",
                 "--pin-file", pin]
        made = self.run_cli("key", "generate", *token, "--format", "hex")
        self.assertEqual(made.returncode, 0, made.stderr)
        shown = self.run_cli("key", "show", *token, "--format", "hex")
        self.assertEqual(shown.stdout, made.stdout)
        again = self.run_cli("key", "generate", *token)
        self.assertEqual(again.returncode, 1)
        self.assertIn("there is a key already", again.stderr)
        with open(pin, "w", encoding="ascii") as out:
            out.write("161803\n")
        wrong = self.run_cli("key", "show", *token)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("login", wrong.stderr)
        self.assertNotIn("161803", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
