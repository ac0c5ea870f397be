#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Guests that would have the console, and the machine, for themselves."""

import re

import harness

LINES = 2000

for cpu in ("cortex-a53", "max"):
    with harness.boot("flood", cpu=cpu, smp=2) as m:
        m.want(r"^bulkhead: vm flood: stopped: the guest switched itself off$", "the flood ends", everywhere=True)
        m.want(r"^bulkhead: vm resets: restarting after start \d+: the guest asked for a reset$", "resets are told",
               everywhere=True)
        for victim in (0, 1):
            m.want(rf"^\[victim{victim}\] counted to 100$", f"the neighbour on CPU {victim} counts to the end",
                   everywhere=True)
        # The last of it may come behind the notice: it waited in the virtual UART.
        m.want(rf"^\[flood\] line {LINES} of", "all of it is seen", everywhere=True)
        # A line that another writer cut short appears twice: the second time whole, or both times, without its end.
        whole = re.findall(r"^\[flood\] line (\d+) of a flood that nobody asked for$", m.text, re.MULTILINE)
        harness.ok(list(dict.fromkeys(whole)) == [str(n + 1) for n in range(LINES)], f"{m.label}: line by line, whole and in order")
        # The first of them when the machine starts.
        lacks = len(re.findall(r"^bulkhead: vm short: window box: exceeds", m.text, re.MULTILINE))
        resets = len(re.findall(r"^bulkhead: vm resets: restarting", m.text, re.MULTILINE))
        harness.ok(1 <= lacks <= resets + 1, f"{m.label}: what a restart lacks is told no more often than the restart")
        m.focus(4)
        m.want(r"^console: input goes to 4, victim1$", "and the keyboard works")
        m.absent(r"hypervisor crashed", "nothing went wrong")

# Work on VMs goes round: those that always want some leave a turn to the others.
with harness.boot("resets", smp=2) as m:
    m.want(r"^\[victim\] hello, seed 3, memory is clean$", "a VM starts beside two that reset for ever", everywhere=True)
    for command, what in (("restart", "it is restarted"), ("destroy", "and destroyed"), ("start", "and defined and started")):
        m.send(harness.ESCAPE + f":vm {command} victim\r\r")
        if command == "destroy":
            m.want(r"^bulkhead: vm victim: destroyed; ", what)
        else:
            m.want(r"^\[victim\] hello, seed 3, memory is clean$", what)
harness.done()
