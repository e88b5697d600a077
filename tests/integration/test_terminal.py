"""The live table of the demo on a real pty: what a small window shows."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import unittest

from depot import METERGATE, SOURCE, wait_for


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", rows, columns, 0, 0))


class Screen:
    """As much of a terminal as the table needs. A line that wraps or scrolls
    away while it is drawn over is a failure."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.clear()

    def clear(self):
        self.lines, self.row, self.column, self.n_scrolled = {}, 0, 0, 0

    def text(self):
        return [self.lines.get(i, "").rstrip() for i in range(self.rows)]

    def put(self, char):
        assert self.column < self.columns, "wrapped: " + self.lines[self.row]
        line = self.lines.get(self.row, "").ljust(self.columns)
        self.lines[self.row] = line[:self.column] + char + \
            line[self.column + 1:]
        self.column += 1

    def newline(self):
        self.column = 0
        if self.row + 1 < self.rows:
            self.row += 1
            return
        self.lines = {i - 1: t for i, t in self.lines.items() if i > 0}

    def escape(self, arguments, letter):
        number = int(arguments or 1)
        if letter == "A":
            assert number <= self.row, "moved above the window"
            self.row -= number
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "J":
            kept = self.row if arguments == "" else 0
            self.lines = {i: t for i, t in self.lines.items() if i < kept}
        elif letter == "K":
            line = self.lines.get(self.row, "")
            self.lines[self.row] = line[:self.column]

    def feed(self, text):
        for match in re.finditer(r"\x1b\[(\d*)(?:;\d+)*([A-Za-z])|(.|\n|\r)",
                                 text):
            arguments, letter, char = match.groups()
            if letter:
                self.escape(arguments, letter)
            elif char == "\n":
                self.newline()
            elif char == "\r":
                self.column = 0
            else:
                self.put(char)


class Terminal(unittest.TestCase):
    def setUp(self):
        self.master, slave = pty.openpty()
        set_size(self.master, 30, 80)
        demo = os.path.join(SOURCE, "config/examples/demo.yaml")
        self.process = subprocess.Popen([METERGATE, "demo", demo],
                                        stdin=slave, stdout=slave,
                                        stderr=slave)
        os.close(slave)
        self.output = ""

    def tearDown(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read(self):
        ready, _, _ = select.select([self.master], [], [], 0.05)
        if ready:
            try:
                self.output += os.read(self.master, 65536).decode()
            except OSError:
                pass  # it ended
        return self.output

    def frames(self):
        """What was written, cut before each title line."""
        return self.read().split("metergate  20")

    def draw(self, rows, columns):
        """The screen after a few frames in a window of this size."""
        set_size(self.master, rows, columns)
        n = len(self.frames())
        wait_for("frames", lambda: len(self.frames()) >= n + 5)
        begin = self.output.rindex("\x1b[H\x1b[2J")
        screen = Screen(rows, columns)
        screen.feed(self.output[begin:])
        return screen.text()

    def test_every_window(self):
        wait_for("table", lambda: "mosquitto connected" in self.read() and
                 "16/16" in self.read())
        self.assertNotIn("Warning", self.output, "mosquitto's, for root")
        text = self.draw(24, 79)
        self.assertEqual(len([x for x in text if x.startswith("metergate")]), 1)
        self.assertEqual(len([x for x in text if x.startswith("cp")]), 16)
        self.assertTrue(any("mosquitto_sub" in x for x in text), text)
        text = self.draw(50, 200)
        self.assertTrue(any("f/Hz" in x for x in text))
        text = self.draw(24, 40)
        self.assertEqual(len([x for x in text if x.startswith("cp")]), 16)
        self.assertFalse(any("f/Hz" in x for x in text))
        text = self.draw(10, 80)
        self.assertTrue(text[0].startswith("metergate"))
        self.assertIn("more meters", "\n".join(text))
        text = self.draw(3, 15)
        self.assertTrue(text[0].startswith("metergate"))

        self.process.send_signal(signal.SIGINT)
        wait_for("end", lambda: self.read() and self.process.poll() is not None)
        self.assertEqual(self.process.returncode, 0)

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            return [int(x) for x in f.read().split()]

    def test_killed_leaves_no_process(self):
        wait_for("table", lambda: "16/16" in self.read())
        children = self.children()
        self.assertEqual(len(children), 2, "mosquitto and simulate")
        folder = re.search(r"/tmp/metergate-demo-\w+", "".join(
            open(f"/proc/{x}/cmdline", encoding="utf-8").read()
            for x in children)).group()
        self.addCleanup(shutil.rmtree, folder)
        self.process.kill()
        self.process.wait()
        for pid in children:
            wait_for("end of a child",
                     lambda p=pid: not os.path.exists(f"/proc/{p}/exe"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
