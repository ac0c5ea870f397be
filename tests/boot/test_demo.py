#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""U-Boot, Bulkhead, and the demo's guests side by side, on every CPU model."""

import harness


def shell(m, command, answer, name):
    m.send(command + "\n")
    return m.want(answer, name)


for cpu in harness.CPUS:
    with harness.boot("demo", cpu=cpu, smp=4, limit=180) as m:
        m.want(r"^U-Boot \d+", "U-Boot starts first")
        m.want(r"^Bulkhead \S+: 4 CPUs .+, \d+-bit PA, (8|16)-bit VMID$", "Bulkhead's banner")
        m.want(r"^  guest-physical addresses: 4K to \d+ bits, .*64K to \d+$", "the granules and address sizes that VMs may have")
        m.want(r"^  stage 2: in use: .+; not in use: .+$", "and what of the CPUs it uses")
        m.want(r"^.*linux.*0x0*40000000.*0x0*50000000", "the table of areas has Linux's RAM")
        m.want(r"^\[linux\] Linux 6\.\S+ is up: 2 CPUs", "Linux comes up with both vCPUs")
        m.focus(0)
        m.find(r"linux# ")
        shell(m, "grep -e GIC -e RAM /proc/iomem; echo end-$((6 * 7))", r"end-42", "Linux has a shell that answers")
        m.want(r"^\[linux\] 40000000-4fffffff : System RAM$", "its RAM is what the manifest says", everywhere=True)
        shell(m, "cat /sys/devices/system/cpu/online", r"^\[linux\] 0-1$", "both vCPUs are online")
        m.want(r"^\[u-boot\] U-Boot \d+", "U-Boot starts as a guest", everywhere=True)
        m.focus(1)
        m.send("\n")
        m.want(r"^\[u-boot\] => ", "U-Boot gives its prompt")
        m.send("md.l 0x40000000 1\n")
        m.want(r"^\[u-boot\] 40000000: edfe0dd0", "and finds its device tree at the start of its RAM")
        harness.guest_tap(m, "probe", "demo")
        for start in (1, 2, 3, 4):
            m.want(rf"^\[ping\] answered {50 * start}, start {start}$", f"ping answers, start {start}", everywhere=True)
            m.want(rf"^\[pong\] heard {50 * start} from vm 4, start {start}$",
                   "pong goes on counting through memory that both have", everywhere=True)
harness.done()
