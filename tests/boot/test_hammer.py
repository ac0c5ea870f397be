#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Four CPUs of a guest touch the same lazy memory, while a fifth unmaps, maps, protects, splits and promotes it."""

import harness

for cpu in ("cortex-a57", "max"):
    with harness.boot("hammer", cpu=cpu, smp=5, image=harness.variant("hammer"), limit=480) as m:
        edits = m.want(r"^bulkhead: vm hammer: (seed \d+: (\d+) edits, \d+ refused: (\d+) unmapped, (\d+) protected, (\d+) split,"
                       r" (\d+) promoted)$", "the edits come to their end", everywhere=True)
        if edits:
            harness.note(f"{m.label}: {edits.group(1)}")
            for n, what in ((3, "unmapped"), (4, "protected"), (5, "split"), (6, "promoted")):
                harness.ok(int(edits.group(n)) > 0, f"{m.label}: some were {what}")
        faults = m.want(r"^bulkhead: vm hammer: ((\d+) faults, of these (\d+) late and (\d+) tried again; (\d+) checks: (.*))$",
                        "what they led to is told", everywhere=True)
        if faults:
            harness.note(f"{m.label}: {faults.group(1)}")
            harness.ok(int(faults.group(3)) + int(faults.group(4)) > 0, f"{m.label}: CPUs met in faults, or with edits")
            harness.ok(faults.group(6) == "consistent", f"{m.label}: areas, tables and ledger agreed each time")
        harness.guest_tap(m, "hammer", "the guest's view")
        m.ended("the machine goes off when the last VM has")
harness.done()
