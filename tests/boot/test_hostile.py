#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Nothing that a guest does stops the hypervisor or another VM."""

import harness

for cpu in ("cortex-a53", "max"):
    with harness.boot("hostile", cpu=cpu, smp=1, limit=240) as m:
        m.want(r"\[victim\] counted to 200", "its neighbour counts on", everywhere=True)
        harness.guest_tap(m, "hostile", "everything that is not allowed")
        m.ended("the machine goes off when the last VM has")
harness.done()
