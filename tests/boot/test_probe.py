#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What a guest finds from inside, on every CPU model, with large leaves and with pages only; and with features masked."""

import harness

for cpu, bootargs in (("cortex-a53", ""), ("cortex-a72", ""), ("max", ""), ("max", "mask=ttl,bbm,tlbirange,fwb")):
    label = f"probe-{cpu}" + ("-masked" if bootargs else "")
    with harness.boot("probe", cpu=cpu, bootargs=bootargs, label=label) as m:
        for vm in ("probe", "pages"):
            harness.guest_tap(m, vm, "areas from inside")
harness.done()
