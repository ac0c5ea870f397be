#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""How many instructions EL2 executes for a fault, from the vector to the ERET. QEMU's -icount makes the count exact, so that it
may be asserted. Not asserted is what is not part of a fault: memory that is zeroed, a vCPU's cache that is filled."""

import harness

LIMIT = 900
ASSERTED = ("first touch of loaded memory", "read of a page beside it", "write to a page beside it", "what is there already")
# Of pages that may become runs, where the vCPU's cache is empty, and where it is not.
FILLS, FILLED = ASSERTED[0], "first touch further away"

for cpu in ("cortex-a57", "max"):
    for bundle in ("cost", "cost-runs", "cost-blocks"):
        asserted = [FILLED if bundle == "cost-runs" and a == FILLS else a for a in ASSERTED]
        more = ["-kernel", harness.variant("measure"), "-initrd", harness.bundle_path(bundle), "-icount", "shift=0"]
        with harness.bare(more, f"{bundle}-{cpu}", cpu=cpu, audit=True) as m:
            seen = set()
            while (match := m.find(r"^\[cost\] (?:next: (.*)|cost: end)\n")) and match.group(1):
                m.send("x")
                match = m.find(r"^\[cost\] cost: (.*): (\d+) to (\d+)\n")
                if not match:
                    break
                what, least, most = match.group(1), int(match.group(2)), int(match.group(3))
                seen.add(what)
                harness.note(f"{m.label}: {what}: {least}" + (f" to {most}" if most != least else ""))
                if what in asserted:
                    harness.ok(0 < least <= most <= LIMIT, f"{m.label}: {what}: at most {LIMIT} instructions ({most})")
                if what == "no exit":
                    harness.ok(most == 0, f"{m.label}: the counter counts at EL2 alone")
            missing = set(asserted) - seen - (set() if bundle != "cost-blocks" else {a for a in ASSERTED if "beside" in a})
            harness.ok(not missing, f"{m.label}: everything was counted")
            m.ended("the guest comes to its end")
harness.done()
