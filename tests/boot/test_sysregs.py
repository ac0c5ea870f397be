#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Three guests on one CPU fill their registers with patterns of their own: nobody sees another's."""

import harness

for cpu in harness.CPUS:
    with harness.boot("sysregs", cpu=cpu, smp=1) as m:
        for vm in ("pattern1", "pattern2", "pattern3"):
            harness.guest_tap(m, vm, "registers")
        m.ended("the machine goes off when the last VM has")
harness.done()
