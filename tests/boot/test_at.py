#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Every page of every area, asked of the CPU's own walker with AT S12E1R and AT S12E1W."""

import harness

for cpu in harness.CPUS:
    for bundle in ("demo", "probe"):
        with harness.boot(bundle, cpu=cpu, smp=4, image=harness.AT_IMAGE, label=f"at-{bundle}-{cpu}") as m:
            match = m.want(r"at-check: (\d+) pages, (\d+) differ", "the walker is asked")
            while match:
                harness.ok(int(match.group(1)) > 0 and match.group(2) == "0",
                           f"{m.label}: {match.group(1)} pages, {match.group(2)} differ")
                match = m.find(r"at-check: (\d+) pages, (\d+) differ", seconds=8)
harness.done()
