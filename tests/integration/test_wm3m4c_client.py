"""A client of our own that knows the WM3M4C by its manual only (technical
description V1.07): it leads the simulated meter through the documented
procedure with pymodbus and checks the signatures with openssl."""
import json
import os
import re
import struct
import subprocess
import time
import unittest

from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from charging import SPKI_P256, Record, Simulator, openssl_verify
from depot import Depot, wait_for

CONFIG = """\
gateway: {{id: depot-1, state_dir: {dir}/state}}
simulation: {{seed: 11, turnaround: 2ms, paced: false}}
buses:
  - {{id: gw1, type: modbus-tcp, host: 192.0.2.10, port: 502}}
  - {{id: line1, type: modbus-rtu, device: /dev/ttyUSB77, baud: 115200}}
meters:
  - {{id: m1, model: wm3m4c, bus: gw1, unit: 33, options: {{sign-time: 150}},
     simulate: {{voltage: 230 V, current: 40 A, power_factor: 1}}}}
  - {{id: plain, model: wm3m4c, bus: gw1, unit: 34, options: {{crypto: false}}}}
  - {{id: old, model: wm3m4c, bus: gw1, unit: 35,
     options: {{firmware-version: 203, sign-time: 20}}}}
  - {{id: defect, model: wm3m4c, bus: gw1, unit: 36,
     options: {{der-defect: true, sign-time: 20}}}}
  - {{id: error, model: wm3m4c, bus: gw1, unit: 37, options: {{errors: 5}}}}
  - {{id: broken, model: wm3m4c, bus: gw1, unit: 38,
     options: {{crypto-status: 254, sign-time: 20}}}}
  - {{id: serial, model: wm3m4c, bus: line1, unit: 33,
     options: {{sign-time: 20}}}}
"""

SIGNED, BAD_TIME, BAD_COMMAND, BAD_STATE = 15, 128, 130, 131
BAD_FORMAT, BAD_SIZE = 252, 253
IDLE, ACTIVE, AFTER_POWER, AFTER_RESET = range(4)
UNIX_S = 1668172948  # 2022-11-11T13:22:28Z


class Refused(Exception):
    """A Modbus exception."""

    def __init__(self, code):
        super().__init__(f"exception {code}")
        self.code = code


class Meter:
    """Registers by their numbers in the manual, and the procedure of 5.4."""

    def __init__(self, client, unit, directory):
        self.client, self.unit, self.directory = client, unit, directory

    def _take(self, answer):
        if answer.isError():
            raise Refused(getattr(answer, "exception_code", None))
        return answer

    def read(self, register, n=1):
        if register < 40000:
            answer = self.client.read_input_registers(register - 30000, n,
                                                      slave=self.unit)
        else:
            answer = self.client.read_holding_registers(register - 40000, n,
                                                        slave=self.unit)
        registers = self._take(answer).registers
        assert len(registers) == n
        return registers[0] if n == 1 else registers

    def read_u32(self, register):
        high, low = self.read(register, 2)
        return high << 16 | low

    def read_bytes(self, register, length):
        """In pieces of at most 120 registers (5.5.10)."""
        data = b""
        while len(data) < length:
            n = min(120, (length - len(data) + 1) // 2)
            words = self.read(register + len(data) // 2, n)
            words = [words] if n == 1 else words
            data += struct.pack(f">{n}H", *words)
        return data[:length]

    def write(self, register, *values):
        """One value: function 06; several: function 16."""
        if len(values) == 1:
            self._take(self.client.write_register(
                register - 40000, values[0] & 0xffff, slave=self.unit))
        else:
            self._take(self.client.write_registers(
                register - 40000, list(values), slave=self.unit))

    # ---- 5.4, step by step ----

    def set_time(self, unix_s=UNIX_S, offset_min=60, presentation=1,
                 in_one=True):
        self.write(47073, presentation)
        self.write(47053, offset_min)
        words = (unix_s >> 16, unix_s & 0xffff)
        if in_one:
            self.write(47054, *words)
        else:
            self.write(47054, words[0])
            self.write(47055, words[1])
        self.write(47071, 2)

    def set_dataset(self, text):
        """In chunks of 120 registers, each read back (5.5.7)."""
        data = text if isinstance(text, bytes) else text.encode()
        for at in range(0, len(data), 240):
            chunk = data[at:at + 240]
            padded = chunk + b"\0" * (len(chunk) % 2)
            words = struct.unpack(f">{len(padded) // 2}H", padded)
            self.write(47100 + at // 2, *words)
            assert self.read_bytes(47100 + at // 2, len(chunk)) == chunk
        self.write(47056, len(data))

    def prepare(self, text=None, **time_args):
        self.set_time(**time_args)
        self.set_dataset(text or dataset())

    def state(self):
        return self.read(47000)

    def command(self, letter):
        """Give it and wait; the status that it ends with (Table 7)."""
        self.write(47051, ord(letter) << 8)

        def look():
            status = self.read(47052)
            return status if status != 2 else None
        return wait_for("end of the signature", look)

    def record(self):
        """Steps 10 to 14, assembled, verified."""
        output = self.read_bytes(47612, self.read(47057))
        signature = self.read_bytes(48188, self.read(47058))
        is_base64 = self.read(47059) == 1
        section = {"SE": "base64", "SD": signature.decode()} if is_base64 \
            else {"SD": signature.hex().upper()}
        text = f"OCMF|{output.decode()}|{json.dumps(section)}"
        return Record(text)

    def public_key(self):
        return SPKI_P256 + self.read_bytes(48124, 64)

    def signed(self, letter):
        """A command that must succeed; its record, verified."""
        status = self.command(letter)
        assert status == SIGNED, f"{letter}: 47052 is {status}"
        record = self.record()
        assert record.verify(self.directory, self.public_key()), record.text
        return record


def dataset(**members):
    """5.5.13, in this order and without white space."""
    body = {"FV": "1.0", "GI": "Gateway 1", "GS": "123456789", "PG": "",
            "MV": "", "MM": "", "MS": "", "MF": "", "IS": True,
            "IF": ["RFID_PLAIN", "OCPP_RS_TLS"], "IT": "ISO14443",
            "ID": "1F2D3A4F5506C7", "CT": "EVSEID", "CI": "", "RD": []}
    body.update(members)
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


class Wm3m4cClient(Depot):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.simulator = Simulator(self.write_config(), self.directory,
                                   "--links", self.directory)
        self.client = ModbusTcpClient("127.0.0.1",
                                      port=self.simulator.port("gw1"))
        self.assertTrue(self.client.connect())
        self.m1 = self.meter(33)

    def tearDown(self):
        self.client.close()
        code = self.simulator.stop()
        output = self.simulator.output()
        super().tearDown()
        self.assertEqual(code, 0, output)
        self.assertNotIn("runtime error:", output)

    def meter(self, unit):
        return Meter(self.client, unit, self.directory)

    def refused(self, code, function, *args):
        with self.assertRaises(Refused) as caught:
            function(*args)
        self.assertEqual(caught.exception.code, code)

    # ---- 5.4 ----

    def test_documented_procedure(self):
        m = self.m1
        number = 0
        for form in (0, 1):
            for end_format, letter, letters in (
                    (0, "r", "Br"), (1, "r", "BE"), (2, "r", "BE"),
                    (0, "E", "E"), (1, "E", "E"), (2, "E", "BE")):
                with self.subTest(form=form, end_format=end_format,
                                  letter=letter):
                    m.write(47059, form)
                    m.write(47076, end_format)
                    m.prepare()
                    begin = m.signed("B")
                    self.assertEqual(m.state(), ACTIVE)
                    self.assertEqual(begin.letters, "B")
                    end = m.signed(letter)
                    self.assertEqual(m.state(), IDLE)
                    self.assertEqual(end.letters, letters)
                    self.assertEqual(begin.body["PG"], f"T{number + 1}")
                    self.assertEqual(end.body["PG"], f"T{number + 2}")
                    number += 2
                    self.assertEqual(m.read_u32(47013), number)
                    self.check_own_members(m, end)
                    if letters[0] == "B" and len(letters) == 2:
                        self.assertEqual(end.readings[0], begin.readings[0])

    def check_own_members(self, m, record):
        body = record.body
        self.assertEqual(list(body), ["FV", "GI", "GS", "PG", "MV", "MM", "MS",
                                      "MF", "IS", "IF", "IT", "ID", "CT", "CI",
                                      "RD"])
        serial = m.read_bytes(30009, 8).decode().strip("\0 ")
        self.assertEqual((body["MV"], body["MM"], body["MS"], body["MF"]),
                         ("Iskra", "WM3M4C", serial, "2.08"))
        self.assertEqual((body["GI"], body["GS"], body["ID"]),
                         ("Gateway 1", "123456789", "1F2D3A4F5506C7"))
        self.assertNotIn(b" ", record.payload.replace(
            b"Gateway 1", b"").replace(b" S", b""))
        for reading in record.readings:
            self.assertEqual((reading["RI"], reading["RU"], reading["RT"],
                              reading["ST"], reading["EF"]),
                             ("1-b:1.8.0", "kWh", "AC", "G", ""))
            self.assertEqual(reading["RV"].as_tuple().exponent, -2)

    def test_a_tampered_record_does_not_verify(self):
        m = self.m1
        m.prepare()
        record = m.signed("B")
        key = m.public_key()
        for at in (8, len(record.payload) // 2, len(record.payload) - 3):
            bad = bytearray(record.payload)
            bad[at] ^= 1
            self.assertFalse(openssl_verify(self.directory, bytes(bad),
                                            record.der(), key))
        m.signed("E")

    def test_raw_signature_is_the_same(self):
        m = self.m1
        m.prepare()
        record = m.signed("B")
        raw = m.read_bytes(48156, 64)
        der, at, numbers = record.der(), 2, b""
        for _ in range(2):
            length = der[at + 1]
            numbers += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
            at += 2 + length
        self.assertEqual(raw, numbers)
        m.signed("E")

    def test_readings_follow_the_table(self):
        m = self.m1
        m.prepare()
        begin = m.signed("B")
        self.assertEqual(m.read_u32(47015), UNIX_S, "47073: UTC on the line")
        wh = m.read_u32(47017)
        self.assertEqual(begin.wh(0), wh // 10 * 10, "10 Wh steps")
        # 27.6 kW: a counter of 1 Wh moves within a second.
        wait_for("consumption", lambda: m.read_u32(47003) >= 12, 60)
        for letter, counter, at in (("C", 47010, 47029), ("T", 47009, 47025),
                                    ("S", None, 47041)):
            record = m.signed(letter)
            self.assertEqual(record.letters, letter)
            self.assertEqual(record.wh(0), m.read_u32(at) // 10 * 10)
            self.assertGreaterEqual(m.read_u32(at), wh)
            wh = m.read_u32(at)
            if counter:
                self.assertEqual(m.read(counter), 1)
        fiscal = m.signed("f")
        self.assertEqual((fiscal.body["PG"], fiscal.letters), ("F1", "-"))
        self.assertEqual(m.read_u32(47011), 1)
        self.assertEqual(m.read_u32(47013), 4, "fiscal has its own counter")
        exception = m.signed("X")
        self.assertEqual((exception.letters, exception.flags), ("X", "Et"))
        end = m.signed("r")
        stop = m.read_u32(47021)
        self.assertEqual(end.wh(1), stop // 10 * 10)
        self.assertEqual(m.read_u32(47003), stop - m.read_u32(47017))
        self.assertGreaterEqual(stop, wh)
        again = m.signed("i")
        self.assertEqual(again.readings, end.readings)
        self.assertEqual(again.number, end.number + 1)
        m.write(47070, 1)
        self.assertEqual((m.read_u32(47001), m.read_u32(47003)), (0, 0))

    def test_held_reading_is_signed_later(self):
        m = self.m1
        m.prepare()
        m.signed("B")
        self.assertNotIn(m.command("h"), range(128, 256))
        held_s, held_wh = m.read_u32(47035), m.read_u32(47037)
        wait_for("a later reading",
                 lambda: m.read_u32(47007) >= held_s + 2 and
                 m.read_u32(30418) >= held_wh + 10, 60)
        record = m.signed("C")
        self.assertEqual(record.wh(0), held_wh // 10 * 10)
        self.assertEqual(m.read_u32(47029), held_wh)
        later = m.signed("C")
        self.assertGreater(later.readings[0]["RV"], record.readings[0]["RV"])
        m.signed("E")

    # ---- 5.5.4: time ----

    def test_time_presentation(self):
        m = self.m1
        cases = (  # presentation, offset, what is written, TM
            (0, 120, UNIX_S + 7200, "2022-11-11T15:22:"),
            (1, 120, UNIX_S, "2022-11-11T15:22:"),
            (4, 120, UNIX_S + 7200, "2022-11-11T13:22:"),
            (5, 60, UNIX_S, "2022-11-11T13:22:"),
            (1, -210, UNIX_S, "2022-11-11T09:52:"),
            (1, 0, UNIX_S, "2022-11-11T13:22:"))
        for presentation, offset, written, begins in cases:
            with self.subTest(presentation=presentation, offset=offset):
                m.prepare(unix_s=written, offset_min=offset,
                          presentation=presentation)
                time_text = m.signed("B").readings[0]["TM"]
                self.assertTrue(time_text.startswith(begins), time_text)
                shown = 0 if presentation & 4 else offset
                sign = "-" if shown < 0 else "+"
                zone = f"{sign}{abs(shown) // 60:02}{abs(shown) % 60:02}"
                self.assertTrue(time_text.endswith(f",000{zone} S"), time_text)
                self.assertLess(m.read_u32(47007) - written, 60)
                m.signed("E")

    def test_clock_states(self):
        m = self.m1
        for state, letter in enumerate("UISR"):
            m.prepare()
            m.write(47071, state)
            self.assertTrue(m.signed("B").readings[0]["TM"].endswith(
                " " + letter))
            m.signed("E")
        self.refused(3, m.write, 47071, 4)
        self.refused(3, m.write, 47073, 8)

    def test_time_stays_during_charging(self):
        m = self.m1
        m.prepare()
        m.signed("B")
        for register in (47054, 47055):
            with self.assertRaises(Refused):
                m.write(register, 1)
        for step in (4, -4, 100):
            with self.assertRaises(Refused):
                m.write(47074, step)
        before = m.read_u32(47007)
        m.write(47074, 3)
        self.assertGreaterEqual(m.read_u32(47007) - before, 3)
        with self.assertRaises(Refused):
            m.write(47074, 1)
        m.signed("E")
        m.prepare()
        m.signed("B")
        m.write(47074, -3)
        m.signed("E")

    def test_write_forms_of_the_time(self):
        m = self.m1
        for in_one in (True, False):
            m.prepare(in_one=in_one)
            self.assertIn(m.read_u32(47054) - UNIX_S, range(0, 30))
            self.assertTrue(m.signed("B").readings[0]["TM"].startswith(
                "2022-11-11T14:22:"))
            m.signed("E")

    # ---- Table 7, Table 11 ----

    LETTERS = "BELRAPCXTSrfhi"
    ENDS = "ELRAPr"

    def check_letters(self, m, allowed, state):
        """Those that are not allowed say so and change nothing."""
        for letter in self.LETTERS:
            if letter in allowed:
                continue
            before = m.read(47000, 15)
            self.assertEqual(m.command(letter), BAD_STATE, letter)
            after = m.read(47000, 15)
            self.assertEqual(before[9:], after[9:], letter)
            self.assertEqual(m.state(), state)
        for letter in "bZ0e\x7f":
            self.assertEqual(m.command(letter), BAD_COMMAND, letter)
        self.assertEqual(m.state(), state)

    def test_commands_by_state(self):
        m = self.m1
        m.prepare()
        self.assertEqual(m.command("i"), BAD_STATE, "no charge before")
        self.check_letters(m, "Bfi", IDLE)
        self.assertEqual(m.signed("f").body["PG"], "F1")
        for end in self.ENDS:
            m.prepare()
            m.signed("B")
            self.check_letters(m, "ELRAPCXTSrfh", ACTIVE)
            record = m.signed(end)
            self.assertEqual(record.letters[-1], "r" if end == "r" and
                             m.read(47076) == 0 else end.upper())
            self.assertEqual(m.state(), IDLE)
        self.assertEqual(m.signed("i").letters[0], "B")

    def test_commands_after_power_loss(self):
        m = self.m1
        for end in "Er":
            m.prepare()
            begin = m.signed("B")
            wh = m.read_u32(47017)
            self.simulator.order("power m1 300")
            wait_for("power", lambda: self.answers(m))
            self.assertEqual(m.state(), AFTER_POWER)
            self.assertEqual(m.read_u32(47017), wh, "events are kept")
            self.assertEqual(m.command(end), BAD_TIME, "the time is lost")
            m.set_time(unix_s=UNIX_S + 600)
            m.write(47076, 1)
            self.assertEqual(m.command(end), BAD_SIZE, "and the dataset")
            m.set_dataset(dataset())
            self.check_letters(m, "ELRAPCXTSrfh", AFTER_POWER)
            self.assertEqual(m.signed("C").flags, "t")
            record = m.signed(end)
            self.assertEqual(record.readings[-1]["EF"], "t")
            self.assertEqual(m.state(), IDLE)
            if end == "r":
                self.assertEqual(record.letters, "BE")
                self.assertEqual(record.readings[0], begin.readings[0])

    def test_commands_after_reset(self):
        m = self.m1
        m.prepare()
        m.signed("B")
        self.simulator.order("reset m1")
        wait_for("the meter again", lambda: self.answers(m))
        self.assertEqual(m.state(), AFTER_RESET)
        m.set_time(unix_s=UNIX_S + 600)
        m.set_dataset(dataset())
        self.check_letters(m, "ELRAPCXTSrfh", AFTER_RESET)
        record = m.signed("r")
        self.assertIn("E", record.readings[-1]["EF"])
        self.assertEqual(m.state(), IDLE)
        m.prepare()
        m.signed("B")
        self.assertEqual(m.signed("r").flags, "", "the next one is clean")

    def answers(self, m):
        try:
            m.read(47000)
            return True
        except Refused:
            return False

    def test_output_is_gone_after_power_down(self):
        m = self.m1
        m.prepare()
        m.signed("B")
        end = m.signed("r")
        self.simulator.order("power m1 300")
        wait_for("power", lambda: self.answers(m))
        self.assertEqual(m.state(), IDLE)
        self.assertNotEqual(m.read(47052), SIGNED)
        self.assertEqual((m.read(47057), m.read(47058)), (0, 0))
        m.prepare()
        again = m.signed("i")
        self.assertEqual(again.readings, end.readings)
        self.assertEqual(again.number, end.number + 1, "the count goes on")

    def test_refused_datasets(self):
        m = self.m1
        self.assertEqual(m.read(47052) in (0, 1), True)
        self.assertEqual(m.command("B"), BAD_TIME, "no time yet")
        m.set_time()
        self.assertEqual(m.command("B"), BAD_SIZE, "no dataset yet")
        text = dataset()
        swapped = text.replace('"GI":"Gateway 1","GS":"123456789"',
                               '"GS":"123456789","GI":"Gateway 1"')
        bad = (text.replace(",", ", "), text[:-1], text + " ", "{}", swapped,
               text.replace('"FV"', '"Fv"'), text.replace("true", "1"),
               text.replace("[]", "[1]"), text.replace("Gateway", "Gate\tway"))
        for one in bad:
            m.set_dataset(one)
            self.assertEqual(m.command("B"), BAD_FORMAT, one)
            self.assertEqual(m.state(), IDLE)
        m.set_dataset(text)
        for length in (0, 1025, 65535):
            m.write(47056, length)
            self.assertEqual(m.command("B"), BAD_SIZE, length)
        self.assertEqual(m.read_u32(47013), 0, "nothing was signed")
        long = dataset(CI="x" * (1024 - len(text)))
        m.set_dataset(long)
        self.assertEqual(m.read(47056), 1024)
        self.assertEqual(m.command("B"), BAD_SIZE, "no room for the readings")
        m.set_dataset(dataset(CI="x" * 500, ID="\u00e4\u20ac"))
        record = m.signed("B")
        self.assertEqual(record.body["CI"], "x" * 500)
        self.assertEqual(record.body["ID"], "\u00e4\u20ac")
        m.signed("E")

    def test_no_more_than_120_registers(self):
        m = self.m1
        self.refused(3, m.read, 47100, 121)
        self.refused(3, m.read, 30105, 121)
        self.refused(3, m.write, 47100, *([0x2020] * 121))
        m.write(47100, *([0x4142] * 120))
        self.assertEqual(m.read(47100, 120), [0x4142] * 120)
        m.write(47100, 0x4344)
        self.assertEqual(m.read(47100), 0x4344)
        m.write(47611, 0x4546)
        self.refused(2, m.write, 47611, 1, 2)
        self.refused(2, m.write, 47612, 1)
        for register in (47000, 47052, 47057, 47058, 47060, 47069):
            self.refused(2, m.write, register, 1)
        self.refused(2, m.read, 48317)
        self.refused(3, m.write, 47059, 2)
        self.refused(3, m.write, 47076, 3)

    def test_a_command_while_it_signs(self):
        m = self.m1
        m.prepare()
        m.write(47051, ord("B") << 8)
        if m.read(47052) == 2:
            with self.assertRaises(Refused):
                m.write(47051, ord("E") << 8)
        wait_for("signature", lambda: m.read(47052) == SIGNED)
        self.assertEqual(m.state(), ACTIVE)
        m.signed("E")

    # ---- Variants ----

    def test_meter_without_crypto(self):
        plain = self.meter(34)
        self.assertEqual(plain.read_bytes(30001, 16).rstrip(b"\0 "), b"WM3M4")
        self.assertEqual(plain.read(47060), 0)
        for register in (47000, 47051, 47056, 47100, 48124):
            self.refused(2, plain.read, register)
        self.assertEqual(self.m1.read(47060), 4)
        self.assertEqual(self.m1.read(47069), 0x0100)

    def test_version_203(self):
        old = self.meter(35)
        self.assertEqual(old.read(30013), 203)
        self.refused(2, old.read, 47076)
        old.prepare()
        old.signed("B")
        record = old.signed("r")
        self.assertEqual((record.letters, record.body["MF"]), ("Br", "2.03"))
        self.assertEqual(old.command("i"), BAD_COMMAND)

    def test_der_defect(self):
        defect = self.meter(36)
        for _ in range(6):
            defect.prepare()
            self.assertEqual(defect.command("B"), SIGNED)
            record = defect.record()
            der = record.der()
            self.assertEqual((der[3], der[4]), (33, 0))
            raw = defect.read_bytes(48156, 64)
            strict = b""
            for number in (raw[:32], raw[32:]):
                digits = number.lstrip(b"\0")
                digits = b"\0" * (digits[0] >> 7) + digits
                strict += bytes((2, len(digits))) + digits
            strict = bytes((0x30, len(strict))) + strict
            self.assertTrue(openssl_verify(self.directory, record.payload,
                                           strict, defect.public_key()))
            self.assertEqual(defect.command("E"), SIGNED)

    def test_errors_block_the_start(self):
        error = self.meter(37)
        error.prepare()
        self.assertGreaterEqual(error.command("B"), 128)
        self.assertEqual(error.state(), IDLE)
        self.assertEqual(error.read_u32(47013), 0)

    def test_failing_crypto_chip(self):
        broken = self.meter(38)
        broken.prepare()
        self.assertEqual(broken.command("B"), 254)
        self.assertEqual((broken.read(47057), broken.read(47058)), (0, 0))

    # ---- Measurements ----

    def test_measurements(self):
        m = self.m1

        def t5(register):
            high, low = m.read(register, 2)
            exponent = high >> 8
            exponent -= 256 if exponent > 127 else 0
            return ((high & 0xff) << 16 | low) * 10.0 ** exponent
        wait_for("first second", lambda: t5(30107) > 200)
        for register in (30107, 30109, 30111):
            self.assertAlmostEqual(t5(register), 230, delta=2.3)
        for register in (30126, 30128, 30130):
            self.assertAlmostEqual(t5(register), 40, delta=.4)
        self.assertAlmostEqual(t5(30140), 27600, delta=276)
        self.assertAlmostEqual(t5(30105), 50, delta=.25)
        self.assertEqual(m.read(30414), 0)
        self.assertEqual(m.read_u32(30418), m.read_u32(30406))

    def test_mbpoll(self):
        out = subprocess.run(
            ["mbpoll", "-1", "-q", "-m", "tcp", "-p",
             str(self.simulator.port("gw1")), "-a", "33", "-0", "-t", "3:hex",
             "-r", "1", "-c", "3", "127.0.0.1"], capture_output=True,
            text=True, timeout=30, check=False).stdout
        words = re.findall(r"\[\d\]:\s+0x([0-9A-F]{4})", out)
        self.assertEqual(bytes.fromhex("".join(words)), b"WM3M4C", out)

        def volts():
            text = subprocess.run(
                ["mbpoll", "-1", "-q", "-m", "rtu", "-b", "115200", "-P",
                 "none", "-a", "33", "-0", "-t", "3:hex", "-r", "107", "-c",
                 "2", os.path.join(self.directory, "line1")],
                capture_output=True, text=True, timeout=30, check=False).stdout
            found = re.findall(r"\[\d+\]:\s+0x([0-9A-F]{4})", text)
            if len(found) != 2:
                return None
            bits = int("".join(found), 16)
            exponent = (bits >> 24) - (256 if bits >> 31 else 0)
            return (bits & 0xffffff) * 10.0 ** exponent > 200
        wait_for("volts over the line", volts)

    def test_procedure_over_a_serial_line(self):
        client = ModbusSerialClient(method="rtu", baudrate=115200, parity="N",
                                    port=os.path.join(self.directory, "line1"))
        self.assertTrue(client.connect())
        m = Meter(client, 33, self.directory)
        m.prepare()
        m.signed("B")
        record = m.signed("r")
        self.assertIn(record.letters, ("BE", "Br"))
        client.close()

    def test_orders_are_checked(self):
        for line in ("power m1", "power m9 5", "power m1 -1", "reset",
                     "reset m9", "faults 10001", "faults x", "explode", "x" * 200):
            self.assertTrue(self.simulator.refuses(line), line)
        self.simulator.order("faults 0")


if __name__ == "__main__":
    unittest.main(verbosity=2)
