#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""An access that no area allows stops its VM alone, with a report that says what happened."""

import re

import harness

# VM, IPA, access
CASES = (("reader", 0x70000000, "read"), ("writer", 0x70000008, "write"), ("jumper", 0x70000000, "execute"),
         ("scribbler", 0x48000010, "write"), ("runner", 0x48000000, "execute"))

for cpu in ("cortex-a53", "max"):
    with harness.boot("faults", cpu=cpu) as m:
        for vm, ipa, access in CASES:
            m.want(rf"^.*{vm}.*vCPU 0.*$", f"{vm}: the report names VM and vCPU", everywhere=True)
            m.want(rf"0x0*{ipa:x}\b", f"{vm}: and the address", everywhere=True)
        m.find(r"far", seconds=5, everywhere=True)
        text = m.text
        for word in ("PC", "IPA", "level", "hint"):
            harness.ok(len(re.findall(rf"\b{word}\b", text, re.IGNORECASE)) >= len(CASES),
                       f"{m.label}: each report has its {word}")
        m.want(r"^\[bystander\] hello, seed 9", "the bystander runs", everywhere=True)
        m.focus(0)
        m.send("a")
        m.want(r"^\[bystander\] key a$", "and still answers after the others were stopped", everywhere=True)
harness.done()
