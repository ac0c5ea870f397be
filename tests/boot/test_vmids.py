#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""More VMs than VMIDs: twelve guests share seven numbers, which are dealt out anew again and again. Each keeps its time and its
memory. (QEMU forgets every translation when the VMID changes: what only the host model can see stands in docs/testing.md.)"""

import harness

VMS, BEATS, OFTEN = 12, 40, 20

for cpu in ("cortex-a57", "max"):
    with harness.boot("vmids", cpu=cpu, smp=2, image=harness.variant("vmids")) as m:
        for n in range(VMS):
            m.want(rf"^\[keeper{n}\] kept {BEATS} beats, 0 lost, 0 words wrong$", f"keeper{n} keeps its time and its memory",
                   everywhere=True)
        match = m.want(r"^bulkhead: VMIDs of 3 bits were dealt out (\d+) times$", "three bits are used", everywhere=True)
        if match:
            harness.ok(int(match.group(1)) >= OFTEN, f"{m.label}: they were dealt out often ({match.group(1)} times)")
        m.ended("the machine goes off when the last VM has")
harness.done()
