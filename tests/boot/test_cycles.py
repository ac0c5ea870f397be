#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""A VM is destroyed and defined a thousand times, beside two that run; nothing is missing at the end, or at any time before."""

import harness

CYCLES = 1000

with harness.boot("cycles", smp=3, image=harness.variant("cycles"), bootargs=f"cycle-vm=cycled cycles={CYCLES}", limit=240) as m:
    verdict = m.want(r"^bulkhead: vm cycled: (\d+) cycles, (\d+) with a start: (.*)\n", "the cycles come to their end",
                     everywhere=True)
    if verdict:
        harness.ok(int(verdict.group(1)) == CYCLES, f"{m.label}: all {CYCLES} were made")
        harness.ok(int(verdict.group(2)) == CYCLES // 4, f"{m.label}: every fourth with a start")
        harness.ok(verdict.group(3) == "all as at boot",
                   f"{m.label}: ledger, frames and their blocks, table pages and nodes are as at boot: {verdict.group(3)}")
    for n, vm in ((0, "before"), (2, "behind")):
        m.focus(n)
        m.send("x")
        m.want(rf"^\[{vm}\] key x$", f"{vm} did not notice")
    m.absent(r"memory is dirty", "nobody found another's bytes")
    for n in (0, 2):
        m.focus(n)
        m.send("o")
    m.ended("the machine goes off when the last VM has")
harness.done()
