#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Attacks that take two vCPUs, AArch32, tables of the guest's own or many starts leave its neighbours alone."""

import harness

for cpu in ("cortex-a53", "max"):
    with harness.boot("wild", cpu=cpu, smp=2, limit=240) as m:
        for victim in (0, 1):
            m.want(rf"\[victim{victim}\] counted to 500", f"the neighbour on CPU {victim} counts on", everywhere=True)
        harness.guest_tap(m, "wild", "everything that takes a plot")
        m.absent("[\x80-\x9f]", "no control character of eight bits reaches the terminal")
        m.ended("the machine goes off when the last VM has")
harness.done()
