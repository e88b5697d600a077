#!/usr/bin/python3
"""A machine with a CAN bus: Debian's kernel in QEMU, two emulated Kvaser cards
on one bus (can0, can1), virtual buses (vcan0), ISO-TP sockets, slcan.

    run.py --program build/dev/tests/tools/can_probe --script guest_frames.sh

boots it, runs the scripts one after the other and exits with 0 when all did.
--program FILE       put it, with its shared libraries, into /bin
--file FILE=PATH     put it elsewhere; libraries of programs and modules follow
--script FILE        run by busybox's shell after guest.sh, which has helpers;
                     its exit status counts
Nothing needs rights of root or KVM. The kernel package is fetched once with
`apt-get download` and kept unpacked in the user's cache directory; it is never
installed.
"""
import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = """net/can/can net/can/can-raw net/can/can-isotp net/can/can-gw
    net/can/can-bcm drivers/net/can/dev/can-dev drivers/net/can/vcan
    drivers/net/can/slcan/slcan drivers/net/can/sja1000/sja1000
    drivers/net/can/sja1000/kvaser_pci""".split()
PACKAGES = {  # a file of each
    "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
    "busybox-static": "/bin/busybox",
    "cpio": "/usr/bin/cpio",
    "iproute2": "/bin/ip",
    "can-utils": "/usr/bin/cansend",
}
CAN_UTILS = """candump cansend cangen cansequence isotpsend isotprecv
    isotpdump""".split()
NOISE = re.compile(r"\x1b(\[[0-9;?=]*[A-Za-z]|c)|\r")  # the BIOS clears the screen
RESULT = re.compile(r"^vm: script (\S+) ended with (\d+)$")


def fail(text):
    sys.exit("can_vm: CANNOT RUN: " + text)


def check_packages():
    missing = [p for p, file in PACKAGES.items() if not os.path.exists(file)]
    if missing:
        fail("apt-get install -y --no-install-recommends " + " ".join(missing))


# ---- The kernel ----

def kernel_package():
    text = subprocess.run(["apt-cache", "depends", "linux-image-amd64"],
                          capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", text)
    return found.group(1) if found else None


def unpack_kernel(package, work, into):
    """Leave vmlinuz and the modules of `package` in the directory `into`."""
    done = subprocess.run(["apt-get", "download", package], cwd=work,
                          capture_output=True, text=True)
    debs = [f for f in os.listdir(work) if f.endswith(".deb")]
    if done.returncode != 0 or not debs:
        fail(f"the kernel package is missing: apt-get update && apt-get "
             f"download {package}\n{done.stderr}")
    tree = os.path.join(work, "tree")
    subprocess.run(["dpkg", "-x", os.path.join(work, debs[0]), tree],
                   check=True)
    version = os.listdir(os.path.join(tree, "lib/modules"))[0]
    os.mkdir(into)
    shutil.copy(os.path.join(tree, "boot", "vmlinuz-" + version),
                os.path.join(into, "vmlinuz"))
    for module in MODULES:
        shutil.copy(os.path.join(tree, "lib/modules", version, "kernel",
                                 module + ".ko"), into)


def kernel():
    """@return the directory with vmlinuz and the modules"""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or
                         os.path.expanduser("~/.cache"), "metergate", "can_vm")
    os.makedirs(cache, exist_ok=True)
    kept = sorted(d for d in os.listdir(cache) if d.startswith("linux-image-"))
    if kept:
        return os.path.join(cache, kept[-1])
    package = kernel_package()
    if package is None:
        fail("the kernel package is not known here: apt-get update")
    with tempfile.TemporaryDirectory(dir=cache) as work:
        into = os.path.join(work, "into")
        unpack_kernel(package, work, into)
        try:  # another test may have been faster
            os.rename(into, os.path.join(cache, package))
        except OSError:
            pass
    return os.path.join(cache, package)


# ---- What the machine has on board ----

def libraries(file):
    out = subprocess.run(["ldd", file], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", out)


class Image:
    """The tree that becomes the machine's memory disk."""

    def __init__(self, root):
        self.root = root
        for folder in "bin dev proc sys tmp usr/bin modules scripts".split():
            os.makedirs(os.path.join(root, folder))

    def put(self, file, path):
        target = self.root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            shutil.copy(file, target)

    def put_program(self, file, path):
        self.put(file, path)
        for library in libraries(file):
            self.put(library, library)

    def pack(self, ret):
        names = subprocess.run(["find", ".", "-print0"], cwd=self.root,
                               capture_output=True, check=True).stdout
        packed = subprocess.run(
            ["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"],
            cwd=self.root, input=names, capture_output=True, check=True)
        with gzip.open(ret, "wb", compresslevel=1) as out:
            out.write(packed.stdout)


def build_image(args, kernel_dir, work):
    image = Image(os.path.join(work, "root"))
    image.put("/bin/busybox", "/bin/busybox")
    # busybox's own ip would come first, and knows nothing of CAN
    image.put_program("/bin/ip", "/iproute2/ip")
    for name in CAN_UTILS:
        image.put_program("/usr/bin/" + name, "/usr/bin/" + name)
    for module in MODULES:
        name = os.path.basename(module) + ".ko"
        image.put(os.path.join(kernel_dir, name), "/modules/" + name)
    for file in args.program:
        image.put_program(file, "/bin/" + os.path.basename(file))
    for pair in args.file:
        file, path = pair.split("=", 1)
        image.put_program(file, path)
    for file in args.script:
        image.put(file, "/scripts/" + os.path.basename(file))
    image.put(os.path.join(HERE, "guest.sh"), "/guest.sh")
    image.put(os.path.join(HERE, "init.sh"), "/init")
    os.chmod(os.path.join(image.root, "init"), 0o755)
    packed = os.path.join(work, "initrd.gz")
    image.pack(packed)
    return packed


# ---- Running ----

def start(kernel_dir, initrd, args):
    scripts = ",".join(os.path.basename(s) for s in args.script)
    modules = ",".join(os.path.basename(m) for m in MODULES)
    return subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m",
         str(args.memory), "-nographic", "-no-reboot", "-nodefaults",
         "-serial", "stdio", "-kernel", os.path.join(kernel_dir, "vmlinuz"),
         "-initrd", initrd, "-append",
         f"console=ttyS0 panic=-1 quiet mitigations=off vm_scripts={scripts} "
         f"vm_modules={modules}",
         "-object", "can-bus,id=canbus0",
         "-device", "kvaser_pci,canbus=canbus0",
         "-device", "kvaser_pci,canbus=canbus0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)


def listen(machine, limit_s):
    """Print what the machine says. @return exit status by script"""
    status = {}
    timer = threading.Timer(limit_s, machine.kill)
    timer.start()
    for raw in machine.stdout:
        line = NOISE.sub("", raw.decode(errors="replace")).rstrip()
        found = RESULT.match(line)
        if found:
            status[found.group(1)] = int(found.group(2))
        print(line, flush=True)
    machine.wait()
    timer.cancel()
    return status


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", action="append", default=[])
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--script", action="append", required=True)
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--limit", type=int, default=110, help="seconds")
    args = parser.parse_args()
    if os.uname().machine != "x86_64":
        fail("the programs are not for x86-64, which is what it emulates")
    check_packages()
    kernel_dir = kernel()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="can_vm.") as work:
        machine = start(kernel_dir, build_image(args, kernel_dir, work), args)
        try:
            status = listen(machine, args.limit)
        finally:
            machine.kill()
    names = [os.path.basename(s) for s in args.script]
    bad = [n for n in names if status.get(n) != 0]
    for name in bad:
        print(f"can_vm: {name}:", "did not end" if name not in status else
              f"failed with {status[name]}")
    print(f"can_vm: {len(names) - len(bad)} of {len(names)} scripts passed in "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
