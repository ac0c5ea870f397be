# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Boot tests: QEMU with a time limit, its serial console read and written, the verdict as TAP.

A test is a script:

    import harness
    with harness.boot("many", smp=2) as m:
        m.want(r"\\[vm0\\] counted to 50", "vm0 counts to the end")
    harness.done()

The whole console goes to build/log/<script>-<bundle>-<cpu>.log, which is named where something fails. Waiting has a limit that
is generous, since it only says when to give up: nothing is asserted about time. BULKHEAD_PATIENCE multiplies it.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))
import machine  # noqa: E402  (found through the line above)

BUILD = os.environ.get("BULKHEAD_BUILD", os.path.join(TOP, "build"))
IMAGE = os.environ.get("BULKHEAD_IMAGE", os.path.join(BUILD, "target/bulkhead.img"))
VARIANTS = os.environ.get("BULKHEAD_VARIANTS", BUILD)
AT_IMAGE = os.environ.get("BULKHEAD_AT_IMAGE", os.path.join(BUILD, "at/target/bulkhead.img"))
ARM64 = os.environ.get("BULKHEAD_ARM64", os.path.join(BUILD, "arm64"))
PATIENCE = float(os.environ.get("BULKHEAD_PATIENCE", "1"))
SCRIPT = os.path.splitext(os.path.basename(sys.argv[0]))[0]
CPUS = ("cortex-a53", "cortex-a72", "max")
ESCAPE = "\x14"  # Ctrl-T

_count = 0
_failed = 0


def ok(condition, name):
    """One line of TAP."""
    global _count, _failed
    _count += 1
    _failed += not condition
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    return bool(condition)


def note(text):
    """A diagnostic that prove shows."""
    for line in str(text).splitlines():
        print(f"# {line}", file=sys.stderr, flush=True)


def done():
    """The plan; ends the script."""
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)


class Machine:
    """A running QEMU, as a context manager. The console's text so far is in `text`, without carriage returns and escape
    sequences; what want() has matched is behind `at`."""

    def __init__(self, command, label, limit, audit=False):
        directory = os.path.join(BUILD, "log")
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(directory, f"{SCRIPT}-{label}.log")
        self.label = label
        self.audit = audit
        self.text = ""
        self.at = 0
        self.deadline = time.monotonic() + limit * PATIENCE
        self._more = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, bufsize=0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        held = ""
        with open(self.log, "wb") as log:
            while True:
                data = self._process.stdout.read(4096)
                log.write(data)
                log.flush()
                # An escape sequence may be cut in two by the end of what was read.
                new = held + data.decode("utf-8", "replace")
                held = ""
                if data and (cut := re.search(r"\x1b(\[[0-9;?]*)?$", new)):
                    new, held = new[:cut.start()], new[cut.start():]
                new = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", new)
                with self._more:
                    self.text += new
                    self._ended = not data
                    self._more.notify_all()
                if not data:
                    return

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.audit and self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):  # it ends by itself at this moment
                self.send(ESCAPE + "q")
            self.audited()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    def find(self, pattern, seconds=None, everywhere=False):
        """Waits for pattern behind the last match (or anywhere); the match, or None when time is up or QEMU has ended."""
        expression = re.compile(pattern, re.MULTILINE)
        deadline = self.deadline
        if seconds is not None:
            deadline = min(deadline, time.monotonic() + seconds * PATIENCE)
        with self._more:
            while True:
                match = expression.search(self.text, 0 if everywhere else self.at)
                if match:
                    self.at = max(self.at, match.end())
                    return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._more.wait(left)

    def want(self, pattern, name, **how):
        """find() as a test."""
        match = self.find(pattern, **how)
        if not ok(match, f"{self.label}: {name}"):
            note(f"not seen: {pattern}")
            note(f"console: {self.log}, which ends with")
            note("\n".join("  " + line for line in self.text[self.at:].splitlines()[-12:]))
        return match

    def absent(self, pattern, name):
        """A test that pattern has not appeared until now."""
        match = re.search(pattern, self.text, re.MULTILINE)
        if not ok(not match, f"{self.label}: {name}"):
            note(f"seen: {match.group(0)}")
            note(f"console: {self.log}")

    def send(self, text):
        """Keys. At the pace of a hasty person: a guest polls, and a UART's FIFO has 16 places."""
        for key in text:
            self._process.stdin.write(key.encode())
            time.sleep(0.01)

    def send_fast(self, text):
        """Keys all at once; few, since the console's UART has 16 places."""
        self._process.stdin.write(text.encode())

    def paste(self, text):
        """The same, all at once."""
        self._process.stdin.write(text.encode())

    def focus(self, number):
        self.send(ESCAPE + str(number))

    def audited(self):
        """A test that the hypervisor's last audit found nothing: before the machine goes off, by itself or by the key."""
        self.find(r"^bulkhead: audit: (clean|\d+ finding)", seconds=30)
        said = re.findall(r"^bulkhead: (audit: .*)$", self.text, re.MULTILINE)
        if not ok(said and said[-1].startswith("audit: clean"), f"{self.label}: the audit in the end finds nothing"):
            note("\n".join(said[-8:]) or "it said nothing")
            note(f"console: {self.log}")

    def ended(self, name):
        """A test that QEMU ends by itself, as the machine is switched off."""
        try:
            status = self._process.wait(max(0.1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        if not ok(status == 0, f"{self.label}: {name}"):
            note(f"QEMU's status: {'still running' if status is None else status}; console: {self.log}")
        elif self.audit:
            self._reader.join()
            self.audited()


class Booted(Machine):
    """A machine whose disk is thrown away in the end."""

    def __init__(self, image, bundle, label, cpu, smp, memory, bootargs, limit, more, audit):
        self._disk = tempfile.NamedTemporaryFile(prefix="bulkhead-disk-", suffix=".img", dir=BUILD)
        machine.make_disk(self._disk.name, image, bundle, bootargs)
        command = machine.qemu(cpu, smp, memory)
        command += machine.uboot_drives(self._disk.name, os.path.join(BUILD, "uboot-env.img"))
        command += SERIAL + more
        super().__init__(command, label, limit, audit)

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        self._disk.close()


SERIAL = ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]


def bundle_path(name):
    return os.path.join(BUILD, "bundle", name + ".itb")


def variant(name):
    """The image of a hypervisor that was configured for one kind of test (tools/make/check.mk)."""
    return os.path.join(VARIANTS, name, "target/bulkhead.img")


def boot(bundle, cpu="cortex-a72", smp=2, memory="1G", bootargs="", image=IMAGE, limit=120, label=None, more=(),
         audit=True):
    """U-Boot, Bulkhead and a bundle (a name in guest/manifests, or a path). audit: False where there is none in the end, since the
    hypervisor crashes, or gives up before it knows what the machine has."""
    path = bundle if os.sep in bundle else bundle_path(bundle)
    label = label or f"{os.path.splitext(os.path.basename(path))[0]}-{cpu}"
    return Booted(image, path, label, cpu, smp, memory, bootargs, limit, list(more), audit)


def bare(arguments, label, cpu="cortex-a72", smp=1, memory="1G", el2=True, limit=60, audit=False):
    """QEMU without U-Boot, for what U-Boot would not let pass. audit: for what runs guests to their end."""
    return Machine(machine.qemu(cpu, smp, memory, el2) + SERIAL + arguments, label, limit, audit)


def guest_tap(m, vm, title):
    """The TAP that a guest printed, as tests of this script: all of it once more, to its plan."""
    # The last line, since it shows that it is whole: a line that another writer cuts short appears twice.
    plan = m.find(rf"^\[{vm}\] # .*: \d+ of (\d+) failed$", everywhere=True)
    if not ok(plan, f"{m.label}: {title}: {vm} reports to its end"):
        note(f"console: {m.log}, which ends with")
        note("\n".join("  " + line for line in m.text.splitlines()[-12:]))
        return
    lines = {}
    for match in re.finditer(rf"^\[{vm}\] (not ok|ok) (\d+) - (.*)$", m.text, re.MULTILINE):
        lines[int(match.group(2))] = (match.group(1) == "ok", match.group(3))
    ok(sorted(lines) == list(range(1, int(plan.group(1)) + 1)), f"{m.label}: {vm} reported each of {plan.group(1)} tests")
    for _, (passed, text) in sorted(lines.items()):
        if not ok(passed, f"{m.label}: {vm}: {text}"):
            note(f"console: {m.log}")
