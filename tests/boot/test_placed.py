#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""RAM at a chosen place of the machine, and at the same address as in the machine."""

import harness

with harness.boot("placed") as m:
    m.want(r"chosen.*\b0x0*70000000\b", "the table shows the chosen place", everywhere=True)
    m.want(r"^.*0x0*71000000.*0x0*71000000.*$", "and the same address on both sides", everywhere=True)
    for n, vm in enumerate(("chosen", "identity")):
        m.want(rf"^\[{vm}\] hello, seed {n + 1}, memory is clean$", f"{vm} starts", everywhere=True)
        m.want(rf"^\[{vm}\] counted to 5$", f"{vm} runs", everywhere=True)
    m.ended("the machine goes off when the last VM has")
harness.done()
