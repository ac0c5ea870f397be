#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Linux to its shell in a VM against the same Linux on the bare machine: same kernel, initramfs, CPU model, CPUs and memory,
runs taken in turn, medians. QEMU starts both directly, so that U-Boot is in neither. Only the ratio means anything.

Also: exits to EL2 by kind, the size of the hypervisor, the time from its entry to the first guest instruction."""

import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../boot"))
import harness  # noqa: E402  (found through the line above)
import machine  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
LINUX = os.path.join(harness.ARM64, "linux")
INITRD = os.path.join(harness.BUILD, "guest/initramfs.cpio.gz")
UP = r"Linux 6\.\S+ is up: 2 CPUs"
IMAGE_LIMIT = 234 * 1024
GOAL = 1.5
BUNDLES = {"linux": "memory taken at the start", "linux-lazy": "memory taken at first touch"}


def launch(command, label):
    started = time.monotonic()
    with harness.Machine(command + harness.SERIAL, label, 120) as m:
        if not m.find(UP):
            sys.exit(f"{label}: no shell; console: {m.log}")
        seconds = time.monotonic() - started
        if label.startswith("vm"):
            m.find(r"# ", seconds=5)
            m.send("poweroff -f\n")
            m.find(r"vm linux: exits: .*\n", seconds=5)
        return seconds, m.text


def plain(cpu):
    return launch(machine.qemu(cpu, 2, "256M", el2=False) + ["-kernel", LINUX, "-initrd", INITRD, "-append", "console=ttyAMA0 quiet"],
                  f"plain-{cpu}")


def vm(cpu, bundle):
    command = machine.qemu(cpu, 2, "1G") + ["-kernel", harness.IMAGE, "-initrd", harness.bundle_path(bundle)]
    return launch(command, f"vm-{bundle}-{cpu}")


def main():
    size = os.path.getsize(harness.IMAGE)
    print(f"hypervisor image: {size / 1024:.1f} KiB (limit {IMAGE_LIMIT // 1024} KiB)")
    for cpu in ("cortex-a72", "max"):
        bare, inside, last = [], {bundle: [] for bundle in BUNDLES}, {}
        for _ in range(RUNS):
            bare.append(plain(cpu)[0])
            for bundle in BUNDLES:
                seconds, last[bundle] = vm(cpu, bundle)
                inside[bundle].append(seconds)
        base = statistics.median(bare)
        print(f"{cpu}: Linux to shell on the bare machine: {base:.2f} s")
        for bundle, title in BUNDLES.items():
            seconds = statistics.median(inside[bundle])
            print(f"  in a VM, {title}: {seconds:.2f} s, ratio {seconds / base:.2f} (goal {GOAL})")
            for line in last[bundle].splitlines():
                if re.search(r"first guest|exits", line):
                    print(f"    {line}")


main()
