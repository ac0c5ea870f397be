#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Nothing that guests do stops the hypervisor, gets at another VM's memory, or takes more of its time than their slices.

    BULKHEAD_SEED=N tests/boot/test_hostile.py

Two guests do everything they should not, with five vCPUs, and start again and again; on each of their CPUs one sums up its memory at
every beat of its timer. With seconds as its argument the test goes on so long, by the same rules (make hostile-long)."""

import collections
import itertools
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
# hostile-pages.dts: every page of 31 bits, and one of 16 of as many beyond.
PAGES = (1 << 19) + (1 << 15)


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
                                                      ("was answered", "held meanwhile"), ("got", "mixed up")))
    for title, lines in (("did", did), ("was stopped", stopped), ("was answered", answered)):
        total = collections.Counter()
        for _, numbers in lines:
            total.update(numbers)
        harness.note(f"{m.label}: {title}: " + ", ".join(f"{k} {n}" for k, n in total.items()))
    for vm in ("hostile", "accomplice"):
        mine = [numbers for v, numbers in did if v == vm]
        harness.ok(mine and all(len(n) == WAYS and min(n.values()) > 0 for n in mine), f"{m.label}: {vm} tried each way it knows")
    for call in ("share", "lend", "retrieve", "relinquish", "reclaim", "secrets kept", "held meanwhile"):
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


def asked(m, command):
    """What the command line answers: the row under the heading, or the sentence that refuses; None: not in time."""
    m.send(harness.ESCAPE + f":{command}\n\r")
    verb, vm = command.split()[1:3]
    return m.find(rf"^{vm} +{verb} +(0x[0-9a-f]+) +(\w+)$|^vm {vm}: \w.*$", seconds=3)


def resize(m):
    """Memory is added while they run, which they share, lend and give back, and taken away while they use it, at once or when they
    are asked. Some is refused: that is their quota, or they are just being restarted. Until a keeper is done, or for so long."""
    m.find(r"^\[hostile\] # hostile: seed", everywhere=True)
    done = collections.Counter()
    until = time.monotonic() + SECONDS
    for n in range(100) if not SECONDS else itertools.count():
        vm = ("hostile", "accomplice")[n // 2 % 2]
        answer = asked(m, f"vm grow {vm} 64K")
        if answer and answer.group(1):
            done["grow"] += 1
            # Half of it stays until they give it back themselves.
            if n % 2:
                answer = asked(m, f"vm shrink {vm} {answer.group(1)} 64K" + (" now" if n % 3 else ""))
                done["shrink"] += bool(answer and answer.group(1))
        over = time.monotonic() > until if SECONDS else done["grow"] > 12 and done["shrink"]
        if over or re.search(r"^\[keeper\d\] kept", m.text, re.MULTILINE):
            break
    harness.note(f"{m.label}: memory was added {done['grow']} times, and {done['shrink']} times asked back or taken away")
    harness.ok(done["grow"] > 0 and done["shrink"] > 0, f"{m.label}: memory is added and taken away meanwhile")
    m.want(r"^bulkhead: vm (hostile|accomplice): has less memory;", "some of it goes while they run", everywhere=True)


def side_by_side(cpu):
    seen = r"^\[{0}\] kept {1} beats, 0 lost, 0 words wrong$"
    with harness.boot(bundle("hostile"), cpu=cpu, smp=2, limit=400 + SECONDS, label=f"hostile-{cpu}") as m:
        resize(m)
        if SECONDS:
            m.absent(r"words wrong", "the neighbours are at it still")
        else:
            for vm in ("keeper0", "keeper1"):
                m.want(seen.format(vm, BEATS), f"{vm} keeps its time and its memory", everywhere=True)
        for vm in ("hostile", "accomplice"):
            m.want(rf"^\[{vm}\] # hostile: got", f"{vm} tells what it did", everywhere=True)
        reports(m)
        stop(m, ["hostile", "accomplice"] + (["keeper0", "keeper1"] if SECONDS else []))
        m.ended("the machine goes off when the last VM has")


def every_page(cpu):
    """The whole of a small IPA space."""
    with harness.boot("hostile-pages", cpu=cpu, smp=2, limit=400) as m:
        m.want(rf"^\[hostile\] # hostile: pages, visited {PAGES}, reached 0, missed 0$",
               "read, written and executed: each page of the IPA space is what the manifest says, and nothing else is there",
               everywhere=True)
        for vm in ("keeper0", "keeper1"):
            m.want(rf"^\[{vm}\] kept 100 beats, 0 lost, 0 words wrong$", f"{vm} keeps its time and its memory", everywhere=True)
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
    every_page("max")
    for model in ("cortex-a53", "max"):
        exactly(model)
harness.done()
