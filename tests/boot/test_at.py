#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Every page of every area, asked of the CPU's own walker with AT S12E1R and AT S12E1W, for each VM as it starts."""

import harness

VMS = {"demo": ("linux", "u-boot", "probe", "pong", "ping"), "probe": ("probe", "pages"),
       "windows": ("owner", "writer", "reader", "other")}

for cpu in harness.CPUS:
    for bundle, vms in VMS.items():
        with harness.boot(bundle, cpu=cpu, smp=4, image=harness.AT_IMAGE, label=f"at-{bundle}-{cpu}") as m:
            for vm in vms:
                match = m.want(rf"\b{vm}\b.*at-check: (\d+) pages, (\d+) differ", f"{vm}: the walker is asked", everywhere=True)
                if match:
                    harness.ok(int(match.group(1)) > 0 and match.group(2) == "0",
                               f"{m.label}: {vm}: of {match.group(1)} pages {match.group(2)} differ")
harness.done()
