#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What a neighbour costs. A guest does the same work each time: alone, beside one that does nothing, beside one that works, and
beside each way of guest/hostile, on its own CPU and on another one. With QEMU's -icount shift=0 a nanosecond of virtual time is an
instruction of any CPU; of EL2 on the victim's CPU a PMU counter counts them. Nothing here is about caches, which QEMU does not have.

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


def neighbours(cpu):
    """A title, and image and arguments of two vCPUs."""
    yield "nobody", None, None
    yield "one that is idle", "work.elf", "idle"
    if cpu == 0:  # alone on a CPU and without a timer it would have QEMU run nothing else for seconds of virtual time
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
        text = text.replace("vcpus = <2>;\n            cpus = <0>", f"vcpus = <2>;\n            cpus = <{cpu}>")
    directory = os.path.join(harness.BUILD, "log")
    os.makedirs(directory, exist_ok=True)
    source, out = (os.path.join(directory, f"interference-{name}.{end}") for end in ("dts", "itb"))
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run([os.path.join(harness.TOP, "tools/mkbundle.py"), source, "-o", out, "-I", os.path.join(harness.BUILD, "guest"),
                    "-I", harness.ARM64, "--no-check"], check=True)
    return out


def measure(model, cpu, number, image, arguments):
    """Nanoseconds, and instructions of EL2 on the victim's CPU."""
    path = bundle(f"{cpu}-{number}", image, arguments, cpu)
    more = ["-kernel", IMAGE, "-initrd", path, "-icount", "shift=0"]
    with harness.bare(more, f"{model}-{cpu}-{number}", cpu=model, smp=cpu + 1, limit=400) as m:
        match = m.find(r"^\[victim\] work: (\d+) ns, EL2 (\d+) instructions")
        if not match:
            sys.exit(f"no result; console: {m.log}")
        return int(match.group(1)), int(match.group(2))


def main():
    for model in sys.argv[1:] or ["cortex-a57", "max"]:
        for cpu, title in ((0, "on the same CPU"), (1, "on another CPU")):
            print(f"{model}: a neighbour with two vCPUs {title}")
            alone = None
            for number, (who, image, arguments) in enumerate(neighbours(cpu)):
                ns, el2 = measure(model, cpu, number, image, arguments)
                alone = alone or ns
                print(f"  {who:18} {ns / 1e6:9.2f} ms, {ns / alone:5.2f} x; EL2 here: {el2:9} instructions, {el2 / ns * 100:5.2f} %",
                      flush=True)


main()
