#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The event trace at EL2: two VMs are built and run, and one of them is taken down and built again. Every line is whole and none
is missing; and what they say is what the machine was to do."""

import os
import sys

import harness

sys.path.insert(0, os.path.join(harness.TOP, "tools"))
import eventtrace  # noqa: E402  (found through the line above)

IMAGE = harness.variant("trace")
KINDS = "write,tlbi,barrier,vttbr,memory,enter"


def of(events, kind, word=""):
    return [e for e in events if e.kind == kind and e.text.startswith(word)]


def traced(cpu, smp):
    """A run, from the first event to the last; the events."""
    with harness.boot("probe", cpu=cpu, smp=smp, bootargs=f"trace={KINDS}", image=IMAGE, label=f"trace-{cpu}") as m:
        for vm in ("probe", "pages"):
            m.want(rf"^\[{vm}\] # probe: 0 of \d+ failed$", f"{vm} runs as without a trace", everywhere=True)
        m.send(harness.ESCAPE + "r")
        m.want(r"^\[probe\] # probe: 0 of \d+ failed$", "and once more when it is restarted")
        m.send(harness.ESCAPE + "q")
        end = m.want(r"^bulkhead: trace: (\d+) events; lost at the end: (\d+)\n", "how many events there were is said at the end")
        m.ended("the machine goes off")
        return eventtrace.read(m.text.splitlines()), end


for cpu, smp in (("cortex-a72", 1), ("max", 2)):
    (events, bad), end = traced(cpu, smp)
    if not harness.ok(not bad, f"{cpu}: no line is malformed"):
        harness.note("\n".join(bad[:5]))
    harness.ok(end and [e.number for e in events] == list(range(int(end[1]))) and end[2] == "0",
               f"{cpu}: the lines are numbered, in their order, without a gap, to the last")
    harness.ok({e.cpu for e in events} == set(range(smp)), f"{cpu}: every CPU has its share")
    harness.ok({e.kind for e in events} <= set(KINDS.split(",")) and not of(events, "lost"), f"{cpu}: only what was asked for, nothing lost")
    found, early = eventtrace.flushes(events)
    harness.ok(not early, f"{cpu}: every TLBI is completed by its DSB before a guest is entered")
    # Two vCPUs of one VM take turns on the only CPU (T13).
    harness.ok(any(f[-3:] == ("vmalle1", "dsb nsh", "isb") for f in found) == (smp == 1),
               f"{cpu}: a vCPU that follows its sibling begins with a local flush")
    harness.ok(any("vmalls12e1is" in f for f in found), f"{cpu}: a VM that goes is one flush of its VMID")
    loaded = {eventtrace.field(e, "vmid") for e in of(events, "vttbr")}
    harness.ok(loaded >= {1, 2}, f"{cpu}: both VMs' contexts are loaded")
    harness.ok({eventtrace.field(e, "vmid") for e in of(events, "enter")} <= loaded, f"{cpu}: none is entered that was not loaded")
    zeroed = {eventtrace.field(e, "pa") for e in of(events, "memory", "zero")}
    harness.ok(zeroed and 0 not in zeroed and zeroed <= {eventtrace.field(e, "pa") for e in of(events, "memory", "clean")},
               f"{cpu}: what is zeroed is cleaned, by its physical address")
    harness.ok(of(events, "write", "fill") and of(events, "write", "release") and of(events, "write", "cas"),
               f"{cpu}: leaves, tables, and leaves of faults are written")

def wrong_locks(events):
    """Locks given up that were not held, and guests entered with one held: as far as each CPU lost nothing."""
    held, wrong, gaps = {cpu: [] for cpu in range(2)}, [], set()
    for e in events:
        if e.kind == "lost":
            gaps.add(e.cpu)
        if e.cpu in gaps:
            continue
        which = e.text.replace("try", "exclusive").removesuffix(" done")
        if e.kind == "lock" and not which.endswith("failed"):
            held[e.cpu].append(which)
        elif e.kind == "unlock" and which in held[e.cpu]:
            held[e.cpu].remove(which)
        elif e.kind == "unlock" or (e.kind == "enter" and held[e.cpu]):
            wrong.append(e)
    return wrong


# All kinds, locks among them, from two CPUs: more than the line can take, and the VMs run all the same.
with harness.boot("keys", cpu="max", smp=2, bootargs="trace=all", image=IMAGE, label="trace-all") as m:
    m.want(r"^\[last\] hello", "VMs run", everywhere=True)
    m.send(harness.ESCAPE + "k")
    m.want(r"^bulkhead: vm first: stopped: by the console", "one is stopped")
    m.send(harness.ESCAPE + "q")
    m.want(r"^bulkhead: trace: \d+ events; lost at the end: \d+$", "the trace ends")
    m.ended("the machine goes off")
    events, bad = eventtrace.read(m.text.splitlines())
    harness.ok(events and not bad, "trace-all: no line is malformed")
    harness.ok({e.kind for e in events} >= {"write", "barrier", "vttbr", "lock", "unlock", "memory", "enter"},
               "trace-all: every kind that a VM's building and running has")
    harness.ok(not wrong_locks(events), "trace-all: locks are given up by whoever took them, before a guest is entered")

# Without the argument there is no trace.
with harness.boot("keys", smp=1, image=IMAGE, label="trace-not-asked-for") as m:
    m.want(r"^\[first\] hello", "a VM runs", everywhere=True)
    m.send(harness.ESCAPE + "q")
    m.ended("the machine goes off")
    m.absent(r"^trace |bulkhead: trace", "nothing is traced that nobody asked for")
harness.done()
