#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The console's focus, and VMs that are reset and powered off alone."""

import harness

with harness.boot("keys") as m:
    for n, vm in enumerate(("first", "second", "last")):
        m.want(rf"^\[{vm}\] hello, seed {n + 1}, memory is clean$", f"{vm} starts", everywhere=True)
    for n, vm in ((1, "second"), (0, "first"), (2, "last")):
        m.focus(n)
        m.send("x")
        m.want(rf"^\[{vm}\] key x$", f"focus {n}: {vm} has the keyboard")
    m.focus(0)
    m.send("r")
    m.want(r"^\[first\] hello, seed 1, memory is clean$", "a VM that resets starts again, in scrubbed memory")
    m.send("r")
    m.want(r"^\[first\] hello, seed 1, memory is clean$", "and again")
    m.send("y")
    m.want(r"^\[first\] key y$", "and has the keyboard still")
    m.focus(1)
    m.send("z")
    m.want(r"^\[second\] key z$", "its neighbour did not notice")
    m.send("r")
    m.want(r"^\[second\] hello, seed 2, memory is clean$", "memory at a chosen place is scrubbed before a new start, too")
    m.send("o")
    m.focus(0)
    m.send("v")
    m.want(r"^\[first\] key v$", "a VM powers off alone")
    m.focus(2)
    m.send("r")
    m.focus(0)
    m.send("u")
    m.want(r"^\[first\] key u$", "on-reset = stop: a reset stops")
    m.send("o")
    m.ended("the machine goes off when the last VM has")
    m.absent(r"memory is dirty", "nobody ever found another's bytes")
harness.done()
