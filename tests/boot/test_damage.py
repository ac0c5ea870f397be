#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What the hypervisor's own audit is worth: one thing at a time is made wrong, in tables, books or EL2's own map, and the audit tells
of just that, whose it is and where, in text and in JSON; when it is undone, of nothing. A hypervisor with SELFTEST_DAMAGE; one CPU, so
that nobody is in the middle of anything."""

import itertools
import json
import re

import harness

PATIENCE = 30
CLEAN = r"clean \(2 spaces, \d+ leaves, \d+ ledger entries, \d+ frames\)"
NOT_ITS_OWN = "is mapped, and the ledger says that it is not this VM's"
RANGE = r"0x[0-9a-f]+\.\.0x[0-9a-f]+"
# What the audit says; {page}: the page that is damaged.
FINDINGS = {
    "alien": [f"vm first, physical {{page}}: {NOT_ITS_OWN} {RANGE} of second"],
    "stale": [f"vm first, physical {{page}}: {NOT_ITS_OWN} {RANGE}"],
    "right": ["vm first, physical {page}: is mapped with rights that the ledger does not allow {page} of first"],
    "descriptor": ["vm second, guest-physical 0x40200000..0x40400000: the sum of a table's leaves is wrong"],
    "freed": ["vm first, physical {page}: is somebody's by the ledger, and the allocator has it free",
              "vm first, physical {page}: is an area's memory, and free"],
    "leak": ["nobody, physical {page}: is free by the ledger, and the allocator has given it to nobody"],
    "charge": [r"vm first: holds another number of frames than its chunks have \(1024, not 1025\)",
               r"vm first: holds other memory than the ledger says it took \(1024, not 1025\)"],
    "account": [r"vm second: takes up another number of ledger entries than it is charged for \(1, not 2\)"],
    "node": [r"vm second: has nodes promised that nobody needs \(\d+, not \d+\)"],
    "table": [r"the hypervisor, physical {where}\.\.0x[0-9a-f]+: has table pages that are charged to nobody, or twice"],
    "share": ["vm first, physical {page}: is in a share, and the ledger does not say so",
              r"vm first: holds other memory than the ledger says it took \(1025, not 1024\)",
              f"vm second, physical {{page}}: {NOT_ITS_OWN} {{page}} of first"],
    "vmid": ["vm second: has a VMID that is another VM's, too"],
    "executable": ["the hypervisor, physical {page}: is writable and executable for the hypervisor"],
    "window": ["the hypervisor, physical {page}: is behind a window that was left open"],
}
marks = itertools.count()


def ask(m, command):
    """The lines that a command answers with; they end where a second command, typed ahead, is answered."""
    mark, start = f"end{next(marks)}", m.at
    m.send(f"{command}\r{mark}\r")
    end = m.find(rf"^there is no command {mark};.*$", PATIENCE)
    if not end:
        return ["no answer"]
    return [line for line in m.text[start:end.start()].split("\n")[1:] if not re.match(r"\[\w+\] |bulkhead[:>] |$", line)]


def audit(m):
    """What it finds, which is the same in text and in JSON; with how many findings it says there are."""
    text, objects = ask(m, "audit"), [json.loads(line) for line in ask(m, "audit -j")]
    harness.ok(text[0] == "audit" and objects == [{"audit": line} for line in text[1:]],
               f"{m.label}: the audit says the same in JSON")
    return text[1:-1], text[-1]


def same(m, found, patterns, where, name):
    page = re.escape(f"{where:#x}..{where + 4096:#x}")
    wanted = [p.replace("{page}", page).replace("{where}", f"{where:#x}") for p in patterns]
    if not harness.ok(len(found) == len(wanted) and all(map(re.fullmatch, wanted, found)), f"{m.label}: {name}"):
        harness.note(f"got    {found}\nwanted {wanted}")


def damage(m, name, patterns):
    made = json.loads(ask(m, f"damage {name} -j")[0])
    harness.ok(made.get("damaged") == name, f"{m.label}: {name}: is done: {made}")
    found, last = audit(m)
    same(m, found, patterns, int(made.get("where", "0"), 16), f"{name}: is found, and nothing else")
    harness.ok(last == f"{len(patterns)} finding{'s' * (len(patterns) != 1)}", f"{m.label}: {name}: is counted: {last}")
    harness.ok(ask(m, "damage undo -j") == [f'{{"undone":"{name}"}}'], f"{m.label}: {name}: is undone")
    found, last = audit(m)
    harness.ok(not found and re.fullmatch(CLEAN, last), f"{m.label}: {name}: and nothing is found: {found} {last}")


for cpu in ("cortex-a72", "max"):
    with harness.boot("damage", cpu=cpu, smp=1, image=harness.variant("damage")) as m:
        for vm in ("first", "second"):
            m.want(rf"^\[{vm}\] hello, .*$", f"{vm} runs", everywhere=True)
        m.send(harness.ESCAPE + ":")
        m.want(r"^bulkhead> ", "the command line")
        harness.ok([json.loads(line)["damage"] for line in ask(m, "damage -j")] == list(FINDINGS),
                   f"{m.label}: all that can be damaged is")
        found, last = audit(m)
        harness.ok(not found and re.fullmatch(CLEAN, last), f"{m.label}: at first nothing is found: {last}")
        harness.ok(ask(m, "damage vmid") == ["vmid: they are to be paused first: who runs with another's VMID meets its translations"],
                   f"{m.label}: no VM that runs gets another's VMID")
        for vm in ("first", "second"):
            ask(m, f"vm pause {vm}")
        damage(m, "vmid", FINDINGS["vmid"])
        for vm in ("first", "second"):
            ask(m, f"vm resume {vm}")
        for name, patterns in FINDINGS.items():
            if name != "vmid":
                damage(m, name, patterns)
        m.send("\r")
        for number, vm in enumerate(("first", "second")):
            m.focus(number)
            m.send("x")
            m.want(rf"^\[{vm}\] key x$", f"{vm} has noticed nothing")
harness.done()
