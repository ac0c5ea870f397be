#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Two VMs in one memory region that is divided by cache colours: every page that they have, by their tables, and the ledger's word
for it; and one of them is started again, destroyed and defined, beside the other."""

import re

import harness

COLOURS, STRIPE, PAINT, BYTES = 8, 0x8000, 0x6c000000, 16 << 20
REGIONS = {("red", 0x40000000): (1024, (0, 1, 2)), ("red", 0x60000000): (256, (7,)), ("blue", 0x40000000): (1024, (4, 6))}
ROW = re.compile(r"^ *0x([0-9a-f]+) +0x([0-9a-f]+) +0x([0-9a-f]+) +3 .*$", re.MULTILINE)
SETTLES = 40
HELLO = r"^\[red\] hello, seed 5, memory is clean$"
marks = iter(range(1000))


def ask(m, command):
    mark, start = f"end{next(marks)}", m.at
    m.send(f"{command}\r{mark}\r")
    end = m.find(rf"^there is no command {mark};.*$", SETTLES)
    return m.text[start:end.start()] if end else ""


def frames(m, vm):
    """IPA page -> PA, by the tables."""
    found = {}
    for row in ROW.finditer(ask(m, f"table {vm}")):
        start, end, pa = (int(n, 16) for n in row.groups())
        found.update({ipa: pa + ipa - start for ipa in range(start, end, 4096)})
    return found


def check_frames(m, vm, lowest=True):
    """Page n of a region is the n-th frame of its colours, from the lowest place on that was free."""
    found = frames(m, vm)
    ok = len(set(found.values())) == len(found) == sum(pages for (name, _), (pages, _) in REGIONS.items() if name == vm)
    for (name, start), (pages, colours) in REGIONS.items():
        if name != vm:
            continue
        first = PAINT if lowest else found.get(start, PAINT) // STRIPE * STRIPE
        mine = (pa for pa in range(first, PAINT + BYTES, 4096) if pa // 4096 % COLOURS in colours)
        ok = ok and all(found.get(start + n * 4096) == pa for n, pa in zip(range(pages), mine))
    harness.ok(ok, f"{m.label}: {vm}: every page is the frame of its colours that it should be, and no leaf is larger")


def holder(m, pa):
    row = re.search(r"^ *0x[0-9a-f]+ +0x[0-9a-f]+ +\S+ +(\S+) +(\S+) ", ask(m, f"ledger {pa:#x}"), re.MULTILINE)
    return row.groups() if row else None


def check_holders(m, red, name):
    owners = {0: red, 1: red, 2: red, 3: None, 4: "blue", 5: None, 6: "blue", 7: red}
    wanted = [(vm, "owned") if vm else ("-", "coloured") for vm in owners.values()]
    got = [holder(m, PAINT + 0x18000 + c * 4096) for c in owners]
    harness.ok(got == wanted, f"{m.label}: the ledger says whose each colour is, {name}")


for cpu in ("cortex-a53", "max"):
    with harness.boot("colours", cpu=cpu, image=harness.variant("colours")) as m:
        for line, name in ((r"^bulkhead: machine: memory-region skew is not a number of whole stripes of colours, 0x8000$",
                            "a region that begins in the middle of the colours is refused"),
                           (r"^bulkhead: vm green: memory/ram: is not there: is of a memory-region that is not there$",
                            "and with it the VM that would have memory of it"),
                           (HELLO, "a VM of two coloured regions runs"),
                           (r"^\[blue\] no window; 0x60000000: nothing there$", "and one beside it, with colours of its own")):
            m.at = 0
            m.want(line, name)
        m.send(harness.ESCAPE + ":")
        m.want(r"^bulkhead> ", "the command line")
        check_frames(m, "red")
        check_frames(m, "blue")
        check_holders(m, "red", "at first")
        m.send("vm restart red\r")
        m.want(HELLO, "it is started again")
        check_frames(m, "red", lowest=False)  # where it was may be being scrubbed still
        m.send("vm destroy red\r")
        m.want(r"^bulkhead: vm red: destroyed; .*$", "it is destroyed")
        check_holders(m, None, "when one is gone")
        m.send("vm define red\r")
        m.want(r"^bulkhead: vm red: defined; .*$", "it is defined again")
        m.send("vm start red\r")
        m.want(HELLO, "and runs")
        check_frames(m, "red", lowest=False)
        check_frames(m, "blue")
harness.done()
