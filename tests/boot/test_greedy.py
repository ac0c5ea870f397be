#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""A VM that uses up memory while it runs is stopped, alone: who was promised memory from the same place has it, and nobody notices."""

import harness

BANK = 32 << 20
PROMISED = 8 << 20


def order(m, command):
    m.send(harness.ESCAPE + ":")
    m.send(command + "\r")
    m.send("\r")


def bank(m, free, promised, name):
    order(m, "frames -j")
    m.want(rf'^{{"memory":"bank","total":{BANK},"free":{free},"clean":\d+,"promised":{promised},', name)


with harness.boot("greedy", smp=2, limit=180, image=harness.variant("audit")) as m:
    m.want(r"^\[bystander\] born, seed 3, state 0x\w+, memory has 0 dirty words$", "its neighbour starts", everywhere=True)
    m.at = 0  # who is first is anybody's guess
    for how in ("at its first start", "at its second"):
        m.want(r"^bulkhead: vm greedy: stopped: memory that was promised without cover has run out$", f"{how} it is stopped")
        m.absent(r"^\[greedy\] born", "it never had all that it touches")
        bank(m, PROMISED, PROMISED, f"{how} it has taken what nobody was promised, and no more")
        mark = m.at
        order(m, "vm start greedy")
        m.want(r"^bulkhead: vm greedy: started; ", "it can be started again")
        m.at = mark
    m.want(r"^bulkhead: vm greedy: stopped: ", "and is stopped")
    order(m, "vm start modest")
    m.want(r"^\[modest\] born, seed 1, state 0x\w+, memory has 0 dirty words$", "who was promised memory has it, and it is clean")
    bank(m, 0, 0, "and then all of it is in use")
    for n, vm in ((0, "modest"), (2, "bystander")):
        m.focus(n)
        m.send("z")
        m.want(rf"^\[{vm}\] key z$", f"{vm} goes on")
    order(m, "vm destroy greedy")
    m.want(r"^bulkhead: vm greedy: destroyed; ", "it goes")
    bank(m, BANK - (4 << 20) - PROMISED, 0, "and all that it had is there")
    m.send(harness.ESCAPE + "q")
    m.ended("the machine goes off")
harness.done()
