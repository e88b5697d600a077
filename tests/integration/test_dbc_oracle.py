"""The same random frames, read by ours and by candied, a decoder from npm: every
value must be the same decimal. The seed is printed; set MG_SEED to run it again.

npm and the registry are needed once; the package is kept in ~/.cache/metergate.
Without them the test fails and says what is missing."""
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import unittest
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
FRAMES_EACH = 400
MESSAGES = {  # id as in the file: bytes
    256: 8, 512: 8, 1024: 8, 1025: 4, 2566844672: 8, 2566844673: 8, 1280: 8,
    1281: 8,
}
FLOATS = {"FIntel", "FMotorola"}
FLOAT_STEP = Decimal("1e-9")
INT64 = 2 ** 63


def lock_digest():
    lock = json.loads((HERE / "candied/package-lock.json").read_text())
    return lock["packages"]["node_modules/candied"]["version"]


def npm_modules():
    """The folder with the package; installed there the first time."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            sys.exit(f"test_dbc_oracle: there is no {program} (Debian package "
                     "npm; ./mg setup installs it): the CAN database reader was "
                     "NOT compared with an independent one")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "metergate" / f"candied-{lock_digest()}"
    modules = folder / "node_modules"
    if not (modules / "candied").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "candied" / name, folder)
        result = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder, text=True, capture_output=True, timeout=120,
            check=False)
        if result.returncode != 0:
            shutil.rmtree(modules, ignore_errors=True)
            sys.exit("test_dbc_oracle: npm could not install candied, so the "
                     "CAN database reader was NOT compared with an independent "
                     f"one:\n{result.stdout}{result.stderr}")
    return modules


def run(command, frames):
    result = subprocess.run(command, input=frames, text=True, timeout=60,
                            capture_output=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{command[0]}: {result.stderr}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def exact(theirs):
    """raw * factor + offset without binary rounding: a double prints as the
    decimal that was in the file."""
    return (Decimal(theirs["raw"]) * Decimal(repr(theirs["factor"]))
            + Decimal(repr(theirs["offset"])))


class Oracle(unittest.TestCase):
    def float_is(self, ours, theirs, where):
        bits = int(theirs["raw"]) & 0xffffffff
        value = struct.unpack("<f", struct.pack("<I", bits))[0]
        if not math.isfinite(value):
            self.assertEqual(ours, {"error": "invalid argument"}, where)
            return
        want = Decimal(value).quantize(FLOAT_STEP, ROUND_HALF_EVEN)
        if abs(want) * 10 ** 9 >= INT64:
            self.assertEqual(ours, {"error": "out of range"}, where)
            return
        self.assertEqual(
            Decimal(ours["mantissa"]).scaleb(ours["exp10"]), want, where)

    def value_is(self, ours, theirs, where):
        want = exact(theirs)
        low, high = Decimal(repr(theirs["min"])), Decimal(repr(theirs["max"]))
        if (low, high) != (0, 0) and not low <= want <= high:
            self.assertEqual(ours, {"error": "out of range"}, where)
            return "out of range"
        self.assertNotIn("error", ours, where)
        have = Decimal(ours["mantissa"]).scaleb(ours["exp10"])
        self.assertEqual(have, want, where)
        self.assertTrue(math.isclose(float(have), theirs["value"],
                                     rel_tol=1e-12, abs_tol=1e-9), where)
        return "value"

    def test_same_values(self):
        seed = int(os.environ.get("MG_SEED", random.randrange(2 ** 32)))
        print(f"MG_SEED={seed}", file=sys.stderr)
        rng = random.Random(seed)
        frames = []
        for can_id, length in MESSAGES.items():
            payloads = [bytes(length), b"\xff" * length]
            payloads += [rng.randbytes(length) for _ in range(FRAMES_EACH)]
            frames += [(can_id, data.hex()) for data in payloads]
        rng.shuffle(frames)
        lines = "".join(f"{can_id:x} {data}\n" for can_id, data in frames)
        dbc = str(SOURCE / "tests/vectors/decoders.dbc")
        ours = run([os.path.join(os.environ["MG_BUILD"],
                                 "tests/integration/dbc_decode"), dbc], lines)
        theirs = run(["node", str(HERE / "candied/decode.js"),
                      str(npm_modules()), dbc], lines)
        self.assertEqual(len(ours), len(frames))
        self.assertEqual(len(theirs), len(frames))
        counts = {"value": 0, "out of range": 0, "other page": 0, "float": 0}
        with localcontext() as context:
            context.prec = 100
            for frame, mine, other in zip(frames, ours, theirs):
                self.assertEqual(set(mine), set(other), frame)
                for name, their in other.items():
                    counts[self.compare(frame, name, mine[name], their,
                                        other)] += 1
        print(counts, file=sys.stderr)
        self.assertTrue(all(counts.values()), counts)

    def compare(self, frame, name, mine, their, other):
        where = f"{frame[0]:x} {frame[1]} {name}: {mine} {their}"
        page = their["multiplex"]
        if page.startswith("m") and int(page[1:]) != other["Page"]["raw"]:
            self.assertEqual(mine, {"error": "not found"}, where)
            return "other page"
        if name in FLOATS:
            self.float_is(mine, their, where)
            return "float"
        return self.value_is(mine, their, where)


if __name__ == "__main__":
    unittest.main()
