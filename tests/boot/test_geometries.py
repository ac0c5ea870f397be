#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""VMs with tables of sixteen shapes side by side: each touches all its memory, up to the last address, and every page is asked
of the CPU's own walker. What a CPU cannot do is refused, with what it can."""

import re

import harness

# Start level and root tables of each VM (D8.2), in the order of the manifest: granule-address bits.
SHAPES = {
    "4k-32": (2, 4), "4k-34": (2, 16), "4k-40": (1, 2), "4k-48": (0, 1), "4k-52": (0, 16),
    "16k-36": (2, 1), "16k-40": (2, 16), "16k-47": (1, 1), "16k-48": (1, 2), "16k-51": (1, 16),
    "64k-33": (3, 16), "64k-40": (2, 1), "64k-42": (2, 1), "64k-46": (2, 16), "64k-48": (1, 1), "64k-52": (1, 1),
}
# CPU model, CPUs, granules that it lacks at stage 2, address bits, what it says of itself, VMs that are started once more: with
# sixteen root tables, which have to be found in a pool that others have used.
RUNS = (
    ("max", 2, (), 52, "4K to 52 bits, 16K to 52, 64K to 52", ("4k-34", "16k-51")),
    ("max", 1, (), 52, "4K to 52 bits, 16K to 52, 64K to 52", ("16k-40",)),
    ("cortex-a72", 2, ("16k",), 44, "4K to 44 bits, 64K to 44", ("64k-33",)),
    ("cortex-a53", 1, ("16k",), 40, "4K to 40 bits, 64K to 40", ("64k-33",)),
)


def table_pages(m, granules, name):
    """All and free ones of each pool."""
    m.send(harness.ESCAPE + "m")
    pools = "; ".join(rf"{granule.upper()}: (\d+), (\d+) free" for granule in granules)
    return m.want(rf"^bulkhead: RAM: .+; table pages: {pools}$", name)

for cpu, smp, lacks, most, have, again in RUNS:
    with harness.boot("geometries", cpu=cpu, smp=smp, image=harness.AT_IMAGE, label=f"geometries-{cpu}-{smp}", limit=240,
                      bootargs="on-all-stopped=halt") as m:
        runs = [vm for vm in SHAPES if vm.split("-")[0] not in lacks and int(vm.split("-")[1]) <= most]
        m.want(rf"^  guest-physical addresses: {have}$", "what the CPUs have")
        for vm in SHAPES:
            granule, bits = vm.split("-")
            if vm not in runs:
                why = ("granule: is not supported: needs a granule that a CPU lacks at stage 2" if granule in lacks else
                       "ipa-bits: is not supported: is more than the CPUs' physical address size")
                m.want(rf"^bulkhead: vm {vm}: {re.escape(why)}; the CPUs have {have}$", f"{vm} is refused with a reason")
        for vm in runs:
            granule, bits = vm.split("-")
            level, roots = SHAPES[vm]
            m.want(rf"^  {vm} +ELF64, 1 vCPU on CPU \d, {bits}-bit IPA, {granule.upper()} granule, "
                   rf"{roots} roots? at level {level}, \d+ table pages$", f"{vm} has the tables it should")
        for vm in runs:
            match = m.want(rf"\b{vm}\b.*at-check: (\d+) pages, (\d+) differ", f"{vm}: the walker is asked", everywhere=True)
            if match:
                harness.ok(int(match.group(1)) > 0 and match.group(2) == "0",
                           f"{m.label}: {vm}: of {match.group(1)} pages {match.group(2)} differ")
        for vm in runs:
            harness.guest_tap(m, vm, "memory from inside")
        m.want(r"^bulkhead: every VM has stopped; the console stays up$", "each VM switches itself off")
        granules = [granule for granule in ("4k", "16k", "64k") if granule not in lacks]
        before = table_pages(m, granules, "each granule has its table pages")
        for vm in again:
            m.focus(runs.index(vm))
            m.send(harness.ESCAPE + "s")
            m.want(rf"\b{vm}\b.*at-check: \d+ pages, 0 differ", f"{vm} is built and asked about once more")
            m.want(rf"^\[{vm}\] # probe: 0 of \d+ failed$", f"{vm} runs once more")
            m.want(r"^bulkhead: every VM has stopped; the console stays up$", f"{vm} stops once more")
        after = table_pages(m, granules, "and still has them")
        if before and after:
            harness.ok(before.groups() == after.groups(), f"{m.label}: no table page was lost: {after.group(0)}")

# Linux has pages of 4K, whatever stage 2 has; and a driver that looks for its device's identification where the device ends.
for cpu, guests in (("cortex-a72", ("large",)), ("max", ("large", "middle"))):
    with harness.boot("linux-granules", cpu=cpu, smp=2, image=harness.AT_IMAGE) as m:
        for vm in guests:
            m.want(rf"\b{vm}\b.*at-check: \d+ pages, 0 differ", f"{vm}: the walker is asked", everywhere=True)
        for vm in guests:
            m.want(rf"^\[{vm}\] Linux 6\.\S+ is up: 2 CPUs", f"{vm}: Linux comes up", everywhere=True)
harness.done()
