#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""An access that no area allows stops its VM alone, with a report that says what happened."""

import harness

# VM, IPA, access as the report words it, levels of the walk, nearest areas, hint
CASES = (("reader", 0x70000000, r"read of 8 bytes", 2, ("below +ram 0x40000000",), "add a region"),
         ("writer", 0x70000008, r"write of 8 bytes", 2, ("below +ram 0x40000000",), "add a region"),
         ("jumper", 0x70000000, r"execute", 2, ("below +ram 0x40000000",), "add a region"),
         ("scribbler", 0x48000010, r"write of 8 bytes", 3, ("below +ram 0x40000000", "here +constant 0x48000000"), "read-only"),
         ("runner", 0x48000000, r"execute", 3, ("below +ram 0x40000000", "here +data 0x48000000"), "no-execute"))

for cpu in ("cortex-a53", "max"):
    with harness.boot("faults", cpu=cpu) as m:
        for vm, ipa, access, levels, areas, hint in CASES:
            m.want(rf"^\[{vm}\] hello", f"{vm} runs before", everywhere=True)
            m.want(rf"^bulkhead: vm {vm}: stopped: ", f"{vm} is stopped", everywhere=True)
            report = m.want(rf"^bulkhead: vm {vm}: fault: vCPU 0 at PC 0x[0-9a-f]+, IPA 0x{ipa:x}: .*\n((  .*\n)+)",
                            f"{vm}: a report names VM, vCPU, PC and IPA", everywhere=True)
            if not report:
                continue
            lines = [line.strip() for line in report.group(1).splitlines()]
            text = "\n".join(lines)

            def says(pattern, name, text=text, vm=vm):
                if not harness.ok(harness.re.search(pattern, text, harness.re.MULTILINE), f"{m.label}: {vm}: it {name}"):
                    harness.note(f"not in the report: {pattern}\n{text}")

            says(rf"^access +{access}", "says what the access was")
            says(r"^meaning +.* \(ESR_EL2 0x[0-9a-f]+\)$", "says what the syndrome means")
            says(r"^walk +level \d", "shows the table walk")
            harness.ok(sum(bool(harness.re.search(r"level \d +descriptor at 0x", line)) for line in lines) == levels,
                       f"{m.label}: {vm}: level by level")
            for area in areas:
                says(area, "names the nearest areas")
            says(rf"^hint +.*{hint}", "gives a hint")
        m.want(r"^bulkhead: vm far: stopped: ", "an address above the guest's bits stops its VM or is its own exception", everywhere=True)
        m.absent(r"^\[far\] read", "and is no alias of anything")
        m.focus(0)
        m.send("a")
        m.want(r"^\[bystander\] key a$", "the bystander still answers", everywhere=True)
harness.done()
