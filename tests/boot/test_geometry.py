#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Every geometry that a CPU can have, many times in one boot, with sets of optional features masked such that of any two every
combination occurs: tables are made, cut and emptied at EL2, and the CPU's own walker says what it reads in them."""

import re

import harness

# CPU model, physical address bits, granules, FEAT_LPA2, FEAT_TTST, what is asked for.
RUNS = (
    ("max", 52, (12, 14, 16), True, True, "qemu-7.2"),
    ("cortex-a57", 44, (12, 16), False, False, "all"),
    ("neoverse-n1", 48, (12, 14, 16), False, False, "all"),
)


def not_walked(geometry):
    """What QEMU 7.2 refuses: 16K tables that start at level 0, and 4K tables that start at level -1 for less than 52 bits."""
    kib, bits, _, level, _ = geometry
    return level == 0 if kib == 16 else level == -1 and bits < 52


def start(granule, bits, most, pa, ds, small):
    """Start level and root tables: the highest level number at which most_roots suffice (D8.2)."""
    allowed = {
        12: {3: small, 2: True, 1: True, 0: pa >= 44, -1: pa >= 44 and ds},
        14: {3: True, 2: True, 1: pa >= 42, 0: pa >= 42 and ds},
        16: {3: True, 2: True, 1: pa >= 44},
    }[granule]
    for level in sorted(allowed, reverse=True):
        roots = 2 ** max(0, bits - (granule + (4 - level) * (granule - 3)))
        if allowed[level] and roots <= most:
            return level, roots
    return None


def geometries(pa, granules, lpa2, small):
    """What there is: granule, bits, roots, level, with 52-bit descriptors of the two smaller granules or not."""
    found = set()
    for granule in granules:
        for bits in range(max(granule + 1, 16 if small else 25), pa + 1):
            for most in (1, 2, 4, 8, 16):
                for wide in (False, True):
                    ds = granule < 16 and (wide or bits > 48)
                    if (not ds or lpa2) and (at := start(granule, bits, most, pa, ds, small)):
                        found.add((2 ** (granule - 10), bits, at[1], at[0], ds))
    return found


LINE = (r"^bulkhead: geometry: (\d+)K, (\d+) bits, (\d+) roots? at level (-?\d), \d+-bit outputs(, DS)?: "
        r"(\d) feature sets, (\d+) asked, (\d+) differ$")
SKIPPED = r"^bulkhead: geometry: (\d+)K, (\d+) bits, (\d+) roots at level (-?\d): skipped by the boot argument$"
FEATURE_SETS = 7

for cpu, pa, granules, lpa2, small, what in RUNS:
    with harness.boot("probe", cpu=cpu, smp=1, image=harness.variant("geometry"), bootargs=f"geometries={what}",
                      label=f"geometry-{cpu}", limit=240) as m:
        end = m.want(r"^bulkhead: geometries: (\d+) tested, (\d+) skipped; (\d+) addresses asked, (\d+) differ$",
                     "every geometry is asked about")
        if not end:
            continue
        want = geometries(pa, granules, lpa2, small)
        left_out = {g for g in want if what != "all" and not_walked(g)}
        lines = re.findall(LINE, m.text, re.MULTILINE)
        tested = {(int(k), int(bits), int(roots), int(level), ds != "") for k, bits, roots, level, ds, *_ in lines}
        skipped = {(int(k), int(bits), int(roots), int(level), True) for k, bits, roots, level in
                   re.findall(SKIPPED, m.text, re.MULTILINE)}
        if not harness.ok(tested == want - left_out, f"{m.label}: {len(tested)} geometries, all there are"):
            harness.note(f"missing: {sorted(want - left_out - tested)}; too many: {sorted(tested - want)}")
        harness.ok(skipped == left_out, f"{m.label}: {len(skipped)} left out, as asked for")
        harness.ok(all(int(sets) == FEATURE_SETS for *_, sets, _, _ in lines), f"{m.label}: each with every set of features")
        harness.ok(all(int(asked) > 0 for *_, asked, _ in lines), f"{m.label}: each was asked about")
        wrong = [line for line in lines if line[-1] != "0"]
        if not harness.ok(end.group(4) == "0" and not wrong, f"{m.label}: of {end.group(3)} addresses {end.group(4)} differ"):
            harness.note(f"{len(wrong)} geometries differ, among them {wrong[:8]}; console: {m.log}")
harness.done()
