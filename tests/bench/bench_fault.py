#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What EL2 executes for one exit, from the vector to the ERET, in instructions: as guest/cost counts it by the PMU, and where they
go, from QEMU's own trace of every instruction. QEMU's -icount makes both exact and repeatable; nothing here is time.

    bench_fault.py [--functions] [cpu ...]"""

import bisect
import collections
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../boot"))
import harness  # noqa: E402  (found through the line above)

IMAGE = harness.variant("measure")
ELF = os.path.splitext(IMAGE)[0] + ".elf"
GUEST_ELF = os.path.join(harness.BUILD, "guest/cost.elf")
BUNDLES = {"cost": "memory in pages", "cost-runs": "memory in pages that may become runs",
           "cost-blocks": "memory in the largest leaves"}

# What a function belongs to; the first pattern that fits, of the innermost function of the source first, then of those it was
# inlined into.
PARTS = (
    ("vector, save and restore", r"guest_exit|guest_enter|vectors|serror_window"),
    ("interrupt controller", r"vgic|ich_|gich|gather|choose|resample|read_interface"),
    ("timers", r"run_timers|arm_timer|vtimer|console_poll|cpu_ticks|ticks_per"),
    ("scrub and clean", r"s2_frames_zero|s2_port_zero|clean_poc|sync_code|window|memset"),
    ("lock", r"s2_space_lock|s2_space_unlock|s2_port_(try)?lock|s2_port_unlock|s2_port_await|take_ticket|show_next"),
    ("decode", r"s2_fault_decode|classify|access_of|find_ipa|hpfar_valid|at_s1"),
    ("area", r"s2_area_set_find|area_of|allowed|s2_attr_effective|s2_area_lazy"),
    ("memory behind it", r"s2_chunk|chunk"),
    ("lookup", r"s2_table_lookup|descend|describe"),
    ("install", r"s2_table_install|leaf_level|build|s2_leaf_fits|s2_desc_attr_bits|install|s2_node|promot|mark"),
    ("table pages", r"tpool|tstash|refill"),
    ("invalidation", r"flush_local|gather_|tlbi"),
    ("fault path", r"s2_space_fault|map_fault|resolve|answer_to|watch|good_now|violation"),
    ("emulation", r"emulate|mmio|vuart|pl011"),
    ("dispatch and loop", r"exit_handle|handle_|count|run$|sched|vcpu_|set_hcr|somebody_waits|vm_work|irq_handle|pretend"),
)


class Symbols:
    """Functions of an ELF file by address; with those that were inlined."""

    def __init__(self, elf):
        self.elf = elf
        lines = subprocess.run(["nm", "-n", "--defined-only", elf], check=True, capture_output=True, text=True).stdout
        table = [(int(a, 16), name) for a, kind, name in re.findall(r"^(\S+) (\w) (\S+)$", lines, re.MULTILINE)
                 if kind in "tT" and not name.startswith("$")]
        self.starts, self.names = [a for a, _ in table], [n for _, n in table]
        self.chains = {}

    def function(self, pc):
        at = bisect.bisect_right(self.starts, pc) - 1
        return self.names[at] if at >= 0 else "?"

    def resolve(self, pcs):
        """The functions of each address, innermost first."""
        wanted = sorted(set(pcs) - set(self.chains))
        out = subprocess.run(["aarch64-linux-gnu-addr2line", "-a", "-f", "-i", "-e", self.elf], check=True, text=True,
                             input="".join(f"{pc:#x}\n" for pc in wanted), capture_output=True).stdout
        for block in re.split(r"^(?=0x[0-9a-f]+$)", out, flags=re.MULTILINE)[1:]:
            lines = block.splitlines()
            pc = int(lines[0], 16)
            names = [re.sub(r"\.(constprop|isra|part|lto_priv|cold)[.\d]*", "", name) for name in lines[1::2]]
            self.chains[pc] = [self.function(pc)] if names[:1] in ([], ["??"]) else names


class Trace:
    """QEMU's monitor: from on() to off() every instruction goes to a file."""

    def __init__(self, path, log):
        self.log = log
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self._command({"execute": "qmp_capabilities"})

    def _command(self, command):
        self.file.write(json.dumps(command) + "\n")
        self.file.flush()
        while "return" not in (answer := json.loads(self.file.readline())):
            if "error" in answer:
                sys.exit(f"QEMU: {answer['error']}")

    def _monitor(self, line):
        self._command({"execute": "human-monitor-command", "arguments": {"command-line": line}})

    def on(self):
        self._monitor("singlestep on")
        self._monitor("log exec,nochain")
        self.start = os.path.getsize(self.log)

    def off(self):
        """The addresses, in order."""
        self._monitor("log none")
        self._monitor("singlestep off")
        with open(self.log, encoding="ascii", errors="replace") as file:
            file.seek(self.start)
            return [int(pc, 16) for pc in re.findall(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", file.read(), re.MULTILINE)]


def exits(pcs, vectors, guest):
    """The EL2 part of each exit that one of the guest's of_... functions caused."""
    low, high = vectors.starts[0], vectors.starts[-1] + 0x10000
    found, current, cause = [], [], None
    for pc in pcs:
        if low <= pc < high:
            current.append(pc)
            continue
        if current and cause:
            found.append(current)
        current = []
        cause = guest.function(pc) if guest.function(pc).startswith("of_") else None
    return found


def part_of(chain):
    for name in chain:
        for part, pattern in PARTS:
            if re.match(pattern, name):
                return part
    return "other"


def report(what, counted, found, hyp, by_function):
    hyp.resolve(pc for one in found for pc in one)
    tally = collections.Counter()
    for one in found:
        for pc in one:
            tally[hyp.chains[pc][0] if by_function else part_of(hyp.chains[pc])] += 1
    runs = max(1, len(found))
    total = sum(tally.values()) / runs
    print(f"  {what}: {counted} by the PMU, {total:.1f} in the trace of {len(found)}")
    for name, n in tally.most_common():
        print(f"      {n / runs:8.1f}  {name}")


def run(cpu, bundle, by_function):
    hyp, guest = Symbols(ELF), Symbols(GUEST_ELF)
    with tempfile.TemporaryDirectory() as directory:
        path, log = os.path.join(directory, "qmp"), os.path.join(directory, "trace")
        more = ["-kernel", IMAGE, "-initrd", harness.bundle_path(bundle), "-icount", "shift=0", "-D", log,
                "-qmp", f"unix:{path},server=on,wait=off"]
        with harness.bare(more, f"{bundle}-{cpu}", cpu=cpu) as m:
            trace = None
            while match := m.find(r"^\[cost\] (?:next: (.*)|cost: (end))\n"):
                if match.group(2):
                    return
                trace = trace or Trace(path, log)
                trace.on()
                m.send("x")
                counted = m.find(r"^\[cost\] cost: .*: (\d+) to (\d+)\n")
                if not counted:
                    break
                report(match.group(1), " to ".join(counted.groups()), exits(trace.off(), hyp, guest), hyp, by_function)
            sys.exit(f"the guest did not come to its end; console: {m.log}")


def main():
    words = sys.argv[1:]
    by_function = "--functions" in words
    for cpu in [word for word in words if not word.startswith("-")] or ("cortex-a57", "max"):
        for bundle, title in BUNDLES.items():
            print(f"{cpu}, {title}:")
            run(cpu, bundle, by_function)


main()
