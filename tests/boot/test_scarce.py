#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What a VM lacks: whatever it is, the VM is left undefined, nothing is held, and nobody else notices."""

import harness


def order(m, command):
    m.send(harness.ESCAPE + ":")
    m.send(f"vm {command}\r")
    m.send("\r")


def told(m, vm, step, name):
    match = m.want(rf"^bulkhead: vm {vm}: {step}; RAM free (\d+) MiB \(clean \d+\), (table pages .*)\n", name)
    return match and match.groups()


def fails(m, vm, what, lacks):
    """Defining it fails for that, and again; what is free afterwards."""
    free = []
    for again in ("", ", and again"):
        order(m, f"define {vm}")
        m.want(rf"^bulkhead: vm {vm}: {what}: {lacks}.*$", f"{vm} lacks something{again}")
        m.want(rf"^bulkhead: vm {vm}: cannot be defined$", f"{vm} is not defined{again}")
        free.append(told(m, vm, "destroyed", f"{vm} gives back what it had got{again}"))
    harness.ok(free[0] == free[1], f"{m.label}: nothing is held: {free}")
    return free[0]


with harness.boot("scarce", smp=2, limit=180) as m:
    m.want(r"^\[witness\] hello, seed 4, memory is clean$", "one that has what it needs starts", everywhere=True)
    m.want(r"^bulkhead: vm third: refused, see above$", "one that has not does not", everywhere=True)
    m.at = len(m.text)
    fails(m, "third", "(table-pages|memory/.*)", ".*quota")
    order(m, "grow first 2M")
    m.want(r"^vm first: is not running$", "what does not run gets no memory")
    order(m, "start first")
    m.want(r"^\[first\] hello, seed 1, memory is clean$", "the first one starts")
    order(m, "grow first 2M")
    m.want(r"^vm first: (?!is not running).*$", "it cannot have memory that is not there")
    order(m, "destroy second")
    told(m, "second", "destroyed", "the second one goes")
    order(m, "grow first 2M")
    told(m, "first", "has more memory", "and the first one can have it")
    scarce = fails(m, "second", "memory/ram", ".*")
    order(m, "restart first")
    m.want(r"^\[first\] hello, seed 1, memory is clean$", "the first one begins without it")
    order(m, "define second")
    told(m, "second", "defined", "and the second one can be")
    order(m, "start second")
    m.want(r"^\[second\] hello, seed 2, memory is clean$", "in clean memory")
    order(m, "destroy second")
    told(m, "second", "destroyed", "it goes again")
    order(m, "grow first 2M")
    told(m, "first", "has more memory", "and the first one has it again")
    harness.ok(fails(m, "second", "memory/ram", ".*") == scarce, f"{m.label}: nothing is missing")
    m.focus(3)
    m.send("y")
    m.want(r"^\[witness\] key y$", "nobody else noticed")
    m.send(harness.ESCAPE + "q")
    m.ended("the machine goes off")
harness.done()
