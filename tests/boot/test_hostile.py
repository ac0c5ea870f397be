#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Nothing that guests do stops the hypervisor, gets at another VM's memory, or takes more of its time than their slices.

    BULKHEAD_SEED=N tests/boot/test_hostile.py

Two guests do everything they should not, with five vCPUs, and start again and again; on each of their CPUs one sums up its memory at
every beat of its timer. With seconds as its argument the test goes on so long, by the same rules (make hostile-long)."""

import collections
import os
import re
import subprocess
import sys
import time

import harness

SEED = int(os.environ.get("BULKHEAD_SEED", "7"))
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 0
BEATS = 600
FOR_EVER = 1 << 40
# With -icount: nanoseconds of virtual time for an instruction (2 ** shift), the slice, and what EL2 may add to each: what a call or a
# fault was at when it was over, and a step of the work that waits for idle time. Either zeroes and cleans 256 frames at most, which
# are 130 thousand instructions; the rest is little.
SHIFT = 2
SLICE_US = 10000
EXTRA_US = 2 * 600
ATTACKERS = 3
WAYS = 9


def bundle(name):
    """The manifest with the seed of this run, and beats without end for a long one."""
    with open(os.path.join(harness.TOP, "guest/manifests", name + ".dts"), encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r'"seed=(\d+) vary', lambda m: f'"seed={SEED + int(m.group(1)) - 7} vary', text)
    if SECONDS:
        text = re.sub(r"beats=\d+", f"beats={FOR_EVER}", text)
    directory = os.path.join(harness.BUILD, "log")
    os.makedirs(directory, exist_ok=True)
    source, out = os.path.join(directory, f"test_hostile-{name}.dts"), os.path.join(directory, f"test_hostile-{name}.itb")
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run([os.path.join(harness.TOP, "tools/mkbundle.py"), source, "-o", out, "-I", os.path.join(harness.BUILD, "guest"),
                    "-I", harness.ARM64, "--no-check"], check=True)
    return out


def reports(m):
    """What the hostile guests say of themselves, up to now; each VM did, nobody got anything, and none lost its head. Lines that
    another writer cut short appear once more, whole."""
    def told(what, last):
        lines = re.findall(rf"^\[(\w+)\] # hostile: {what}, (.* {last} \d+)$", m.text, re.MULTILINE)
        return [(vm, {k: int(n) for k, n in re.findall(r"([^,]+) (\d+)(?:, |$)", rest)}) for vm, rest in lines]

    did, stopped, answered, got = (told(*t) for t in (("did", "invalidations"), ("was stopped", "invalidations"),
                                                      ("was answered", "secrets kept"), ("got", "mixed up")))
    for title, lines in (("did", did), ("was stopped", stopped), ("was answered", answered)):
        total = collections.Counter()
        for _, numbers in lines:
            total.update(numbers)
        harness.note(f"{m.label}: {title}: " + ", ".join(f"{k} {n}" for k, n in total.items()))
    for vm in ("hostile", "accomplice"):
        mine = [numbers for v, numbers in did if v == vm]
        harness.ok(mine and all(len(n) == WAYS and min(n.values()) > 0 for n in mine), f"{m.label}: {vm} tried each way it knows")
    for call in ("share", "lend", "retrieve", "relinquish", "reclaim", "secrets kept"):
        harness.ok(sum(n[call] for _, n in answered) > 0, f"{m.label}: {call}: some succeeded")
    bad = [f"{vm}: {numbers}" for vm, numbers in got if any(numbers.values())]
    if not harness.ok(got and not bad, f"{m.label}: they read, kept and mixed up nothing"):
        harness.note("\n".join(bad))
        harness.note(f"seed {SEED}; console: {m.log}")
    m.absent(r"unexpected exception", "each of their exceptions was one that they asked for")


def stop(m, names):
    """By the console, which answers. One that is just being restarted is asked again."""
    for number, vm in enumerate(names):
        for _ in range(30):
            m.send(harness.ESCAPE + f":vm stop {vm}\n")
            if m.find(rf"^bulkhead: vm {vm}: stopped: .*console", seconds=3, everywhere=True):
                break
        m.want(rf"^bulkhead: vm {vm}: stopped: .*console", f"{vm} is stopped by the console", everywhere=True)


def grow(m):
    """Memory to give back, again and again until a keeper is done, since each restart begins without. Some is refused: that is its
    quota, or it is just being restarted."""
    m.find(r"^\[hostile\] # hostile: seed", everywhere=True)
    for _ in range(100):
        m.send(harness.ESCAPE + ":vm grow hostile 64K\n")
        if m.find(r"^\[keeper\d\] kept", seconds=1, everywhere=True):
            break
    m.want(r"^bulkhead: vm hostile: has more memory;", "it is given memory meanwhile", everywhere=True)


def side_by_side(cpu):
    seen = r"^\[{0}\] kept {1} beats, 0 lost, 0 words wrong$"
    with harness.boot(bundle("hostile"), cpu=cpu, smp=2, limit=400 + SECONDS, label=f"hostile-{cpu}") as m:
        if SECONDS:
            time.sleep(SECONDS)
            m.absent(r"words wrong", "the neighbours are at it still")
        else:
            grow(m)
            for vm in ("keeper0", "keeper1"):
                m.want(seen.format(vm, BEATS), f"{vm} keeps its time and its memory", everywhere=True)
        for vm in ("hostile", "accomplice"):
            m.want(rf"^\[{vm}\] # hostile: got", f"{vm} tells what it did", everywhere=True)
        reports(m)
        stop(m, ["hostile", "accomplice"] + (["keeper0", "keeper1"] if SECONDS else []))
        m.ended("the machine goes off when the last VM has")


def exactly(cpu):
    """All on one CPU, where virtual time is the number of instructions."""
    more = ["-kernel", harness.IMAGE, "-initrd", bundle("hostile-exact"), "-icount", f"shift={SHIFT}"]
    with harness.bare(more, f"exact-{cpu}", cpu=cpu, smp=1, limit=400, audit=True) as m:
        beats = m.want(r"^\[keeper\] # beats at most (\d+) us late, away for at most (\d+) us$", "the neighbour looks at the clock",
                       everywhere=True)
        m.want(r"^\[keeper\] kept 100 beats, 0 lost, 0 words wrong$", "and keeps its time and its memory", everywhere=True)
        if beats:
            late, away = int(beats.group(1)), int(beats.group(2))
            bound = ATTACKERS * (SLICE_US + EXTRA_US)
            harness.note(f"{m.label}: {late} us late at most, away for {away} us at most")
            harness.ok(late <= bound, f"{m.label}: it is late by a slice of each of the others at most ({bound} us)")
            harness.ok(SLICE_US < away <= bound, f"{m.label}: nor is it away for longer")
        reports(m)
        stop(m, ["hostile", "accomplice"])
        m.ended("the machine goes off when the last VM has")


harness.note(f"seed {SEED}: BULKHEAD_SEED={SEED} {sys.argv[0]}")
for model in ("cortex-a53", "max"):
    side_by_side(model)
if not SECONDS:
    for model in ("cortex-a53", "max"):
        exactly(model)
harness.done()
