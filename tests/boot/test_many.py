#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""More VMs than CPUs: eight guests on two CPUs, four of which never give the CPU away."""

import harness

for cpu in ("cortex-a53", "max"):
    with harness.boot("many", cpu=cpu, smp=2) as m:
        for vm in range(8):
            m.want(rf"^\[vm{vm}\] hello, seed {vm}, memory is clean$", f"vm{vm} starts", everywhere=True)
        for vm in range(8):
            m.want(rf"^\[vm{vm}\] counted to 50$", f"vm{vm} gets all its timer interrupts", everywhere=True)
        m.ended("the machine goes off when the last VM has")
harness.done()
