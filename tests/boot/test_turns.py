#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""A VM is told to start and at once to stop, before any of it is done: nothing was taken for it, so that it is absent. And one whose
restart is turned back while it is taken down was the last one that ran."""

import time

import harness


def order(m, command):
    m.send(harness.ESCAPE + ":")
    m.send(f"vm {command}\r")
    m.send("\r")


def keys(m, *pressed):
    """Those behind Ctrl-T, all at once."""
    m.send_fast("".join(harness.ESCAPE + key for key in pressed))


with harness.boot("turns", smp=1) as m:
    m.want(r"^\[placed\] hello, seed 1, memory is clean$", "a VM at a chosen place starts", everywhere=True)
    m.want(r"^\[large\] hello, seed 2, memory is clean$", "a large one, too", everywhere=True)
    order(m, "destroy placed")
    m.want(r"^bulkhead: vm placed: destroyed; ", "the first one is destroyed")
    m.focus(0)
    for again in ("", ", and again"):
        keys(m, "s", "k")
        m.want(r"^bulkhead: vm placed: stopped: by the console$", f"it is started and stopped at once{again}")
    time.sleep(0.5)
    order(m, "list")
    m.want(r"^placed +absent +- ", "it is what it was")
    keys(m, "s")
    m.want(r"^\[placed\] hello, seed 1, memory is clean$", "it can be started")
    for vm in ("placed", "busy", "busier"):
        order(m, f"stop {vm}")
        m.want(rf"^bulkhead: vm {vm}: stopped; ", f"{vm} is stopped")
    m.focus(1)
    for ms in range(1, 10):  # at one of them it has stopped, and is being taken down
        keys(m, "r")
        time.sleep(ms / 1000)
        keys(m, "k")
        m.want(r"^bulkhead: vm large: stopped: by the console$", f"the last one restarts, and {ms} ms later is turned back")
        m.want(r"^bulkhead: every VM has stopped; the console stays up$", "it was the last one")
        keys(m, "s")
        m.want(r"^\[large\] hello, seed 2, memory is clean$", "it starts again")
    m.send(harness.ESCAPE + "q")
    m.ended("the machine goes off")
harness.done()
