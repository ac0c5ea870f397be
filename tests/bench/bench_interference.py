#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What a neighbour costs. A guest does the same work each time: alone, beside one that does nothing, beside one that works, and
beside each way of guest/hostile, on its own CPU and on another one. On its own: QEMU's -icount shift=0 makes a nanosecond of virtual
time an instruction, of EL2 a PMU counter counts them. On another one -icount would say nothing, since QEMU then runs the CPUs one
after the other: without it, the exits of the victim are counted. Nothing here is about caches, which QEMU does not have.

    bench_interference.py [cpu ...]"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../boot"))
import harness  # noqa: E402  (found through the line above)

IMAGE = harness.variant("measure")
WAYS = ("memory", "EL0", "stage 1", "calls", "registers", "interrupts", "power", "hand-over", "invalidations")
# Registers are left out: among them are the counters, which this hypervisor lets every guest have.
HOSTILE = [n for n, way in enumerate(WAYS) if way != "registers"]


def neighbours():
    """A title, and image and arguments of two vCPUs."""
    yield "nobody", None, None
    yield "one that is idle", "work.elf", "idle"
    yield "one that works", "work.elf", "rounds=0"
    for way in HOSTILE:
        yield WAYS[way], "hostile.elf", f"ways={1 << way}"
    yield "all of these", "hostile.elf", f"ways={sum(1 << way for way in HOSTILE)}"


def bundle(name, image, arguments, cpu):
    with open(os.path.join(harness.TOP, "guest/manifests/interference.dts"), encoding="utf-8") as f:
        text = f.read()
    if image is None:
        text = re.sub(r"( +)neighbour \{.*?\n\1\};\n", "", text, flags=re.DOTALL)
    else:
        text = text.replace('"hostile.elf"', f'"{image}"').replace("ways=0x1ff", arguments)
        if image == "work.elf":
            text = re.sub(r'"seed=.*"', f'"{arguments}"', text)
        if cpu == 1:  # longer, so that all are at it at the same time
            text = text.replace("rounds=3000", "rounds=30000")
        text = text.replace("vcpus = <2>;\n            cpus = <0>", f"vcpus = <2>;\n            cpus = <{cpu}>")
    directory = os.path.join(harness.BUILD, "log")
    os.makedirs(directory, exist_ok=True)
    source, out = (os.path.join(directory, f"interference-{name}.{end}") for end in ("dts", "itb"))
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run([os.path.join(harness.TOP, "tools/mkbundle.py"), source, "-o", out, "-I", os.path.join(harness.BUILD, "guest"),
                    "-I", harness.ARM64, "--no-check"], check=True)
    return out


def same_cpu(model, number, image, arguments):
    """Nanoseconds, and instructions of EL2 meanwhile."""
    more = ["-kernel", IMAGE, "-initrd", bundle(f"0-{number}", image, arguments, 0), "-icount", "shift=0"]
    with harness.bare(more, f"{model}-0-{number}", cpu=model, smp=1, limit=400) as m:
        match = m.find(r"^\[victim\] work: (\d+) ns, EL2 (\d+) instructions")
        if not match:
            sys.exit(f"no result; console: {m.log}")
        return int(match.group(1)), int(match.group(2))


def other_cpu(model, number, image, arguments):
    """Exits of the victim, by kind."""
    more = ["-kernel", IMAGE, "-initrd", bundle(f"1-{number}", image, arguments, 1)]
    with harness.bare(more, f"{model}-1-{number}", cpu=model, smp=2, limit=400) as m:
        match = m.find(r"^\[victim\] work: .*") and m.find(r"vm victim: exits: (.*)\n")
        if not match:
            sys.exit(f"no result; console: {m.log}")
        return match.group(1)


def main():
    for model in sys.argv[1:] or ["cortex-a57", "max"]:
        print(f"{model}: a neighbour with two vCPUs on the same CPU")
        alone = None
        for number, (who, image, arguments) in enumerate(neighbours()):
            ns, el2 = same_cpu(model, number, image, arguments)
            alone = alone or ns
            print(f"  {who:18} {ns / 1e6:9.2f} ms, {ns / alone:5.2f} x; EL2: {el2 / 1e6:8.2f} M instructions, {el2 / ns * 100:5.2f} %", flush=True)
        print(f"{model}: on another CPU: exits of the victim")
        for number, (who, image, arguments) in enumerate(neighbours()):
            print(f"  {who:18} {other_cpu(model, number, image, arguments)}", flush=True)


main()
