#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""A VM is paused, resumed, stopped, restarted, destroyed and defined again from the console, and gets and gives memory, while its
neighbour goes on. Each start finds the state that the first one found."""

import re
import time

import harness

STANDS_US = 500_000  # less than the time that the VM is paused, by the machine's clock


def order(m, command):
    """One command, and the line of commands is left."""
    m.send(harness.ESCAPE + ":")
    m.send(f"vm {command}\r")
    m.send("\r")


def told(m, step, name):
    """The line about memory after a step of its life; what it says of tables, nodes and ledger."""
    match = m.want(rf"^bulkhead: vm one: {step}; RAM free (\d+) MiB \(clean \d+\), (table pages .*)\n", name)
    return match and match.groups()


def born(m, name):
    match = m.want(r"^\[one\] born, seed 1, state (0x\w+), memory has 0 dirty words$", name)
    return match and match.group(1)


def time_of(m, vm):
    m.send("t")
    match = m.want(rf"^\[{vm}\] behind the machine by (\d+) us, counted (\d+)\n", f"{vm} says what time it is")
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def pause(m):
    m.focus(0)
    before = time_of(m, "one")
    order(m, "pause one")
    told(m, "paused", "a VM is paused")
    at = m.at
    order(m, "pause one")
    m.want(r"^vm one: is paused already$", "it is so once")
    m.send("x")
    m.focus(1)
    two = time_of(m, "two")
    time.sleep(1)
    order(m, "list")
    m.want(r"^one +paused ", "the list says so")
    harness.ok(time_of(m, "two")[0] - two[0] < STANDS_US, f"{m.label}: its neighbour's time goes on")
    harness.ok("[one]" not in m.text[at:m.at], f"{m.label}: it says nothing meanwhile")
    m.focus(0)
    order(m, "resume one")
    told(m, "resumed", "a VM is resumed")
    m.want(r"^\[one\] key x$", "resumed, it answers the key that came meanwhile", everywhere=True)
    m.want(r"^\[one\] beat \d+$", "its timer fires again")
    after = time_of(m, "one")
    harness.ok(after[0] - before[0] >= STANDS_US, f"{m.label}: its time stood still")
    harness.ok(after[1] > before[1], f"{m.label}: its second vCPU counts on")
    order(m, "resume one")
    m.want(r"^vm one: is not paused$", "what runs is not resumed")


def start_again(m, first):
    order(m, "pause one")
    told(m, "paused", "paused again")
    order(m, "stop one")
    told(m, "stopped", "what is paused can be stopped")
    order(m, "pause one")
    m.want(r"^vm one: is not running$", "what has stopped is not paused")
    order(m, "start one")
    told(m, "started", "what has stopped is started")
    harness.ok(born(m, "and started") == first, f"{m.label}: it finds what it found at first")
    for how in ("restarts", "restarts once more"):
        order(m, "restart one")
        harness.ok(born(m, how) == first, f"{m.label}: it finds what it found at first")
    order(m, "pause one")
    told(m, "paused", "paused")
    order(m, "restart one")
    harness.ok(born(m, "what is paused restarts") == first, f"{m.label}: it finds what it found at first")


def destroy(m, first):
    order(m, "define one")
    m.want(r"^vm one: is defined already$", "what is defined is not defined")
    m.focus(0)
    m.send("a")
    m.want(r"^\[one\] alarm$", "an interrupt of its device comes")
    gone, there = [], []
    for how in ("a VM that runs", "one that is ready"):
        order(m, "destroy one")
        gone.append(told(m, "destroyed", f"{how} is destroyed"))
        order(m, "destroy one")
        m.want(r"^vm one: is not defined$", "once")
        order(m, "list")
        m.want(r"^one +absent ", "the list says so")
        order(m, "define one")
        there.append(told(m, "defined", "and defined again"))
    harness.ok(gone[0] == gone[1] and there[0] == there[1], f"{m.label}: nothing is missing: {gone} {there}")
    order(m, "start one")
    harness.ok(born(m, "and started") == first, f"{m.label}: it finds what it found at first")
    m.send("a")
    m.want(r"^\[one\] alarm$", "the interrupt that was never ended comes again")
    order(m, "pause one")
    told(m, "paused", "paused")
    order(m, "destroy one")
    harness.ok(told(m, "destroyed", "what is paused is destroyed") == gone[0], f"{m.label}: nothing is missing")
    order(m, "start one")
    harness.ok(born(m, "what is absent is defined and started") == first, f"{m.label}: it finds what it found at first")


def memory(m, events, listed, name):
    m.focus(0)
    m.send("m")
    m.want(rf"^\[one\] events {events}, rings 1$", f"{name}: it is told, by its doorbell")
    text = m.find(r"^\[one\] that is all$")
    text = m.text[m.text.rindex("[one] events", 0, text.end()):text.end()] if text else ""
    got = re.findall(r"\[one\] memory (0x\w+)\+(0x\w+): (\d+) dirty words(.*)", text)
    harness.ok([part[1:] for part in got] == listed, f"{m.label}: {name}: {got}")
    return got[0][0] if got else "0"


def resize(m, first):
    order(m, "grow one 4M")
    told(m, "has more memory", "memory is added")
    ipa = memory(m, "0x10", [("0x400000", "0", "")], "it is clean")
    harness.ok(int(ipa, 0) % (2 << 20) == 0, f"{m.label}: it lies where blocks can")
    order(m, "grow one 4M")
    m.want(r"^vm one: .*quota.*$", "no more than the manifest allows")
    order(m, "grow one 100")
    m.want(r"^vm one: cannot have that much: it is no multiple of its granule$", "whole pages")
    order(m, f"shrink one {ipa} 2M")
    m.want(r"^vm one: was not given that memory at run time$", "what was added is asked for, and nothing else")
    order(m, f"shrink one {ipa} 4M")
    order(m, f"shrink one {ipa} 4M")
    memory(m, "0x20", [("0x400000", "1024", ", asked back")], "it is asked back, twice, and the doorbell rings once")
    at = m.at
    m.send("b")
    m.want(r"^\[one\] gives back: yes$", "the guest gives it back")
    m.at = at  # on two CPUs either may be first
    told(m, "has less memory", "and it is gone")
    memory(m, "0x40", [], "nothing is left")
    order(m, "grow one 4M")
    told(m, "has more memory", "memory is added again")
    memory(m, "0x10", [("0x400000", "0", "")], "it is clean again")
    m.send("s")
    m.want(r"^\[one\] shares: yes$", "a page in the middle of it is shared")
    order(m, f"shrink one {ipa} 4M now")
    m.want(r"^vm one: shares a part of it, or has something else there$", "then it cannot be taken")
    m.send("b")
    m.want(r"^\[one\] gives back: no$", "nor given back")
    m.send("u")
    m.want(r"^\[one\] takes back: yes$", "it ends the share")
    order(m, f"shrink one {ipa} 4M now")
    told(m, "has less memory", "what is not given back is taken")
    memory(m, "0x40", [], "nothing is left")
    order(m, "grow one 2M")
    told(m, "has more memory", "and added")
    order(m, "restart one")
    harness.ok(born(m, "a restart forgets it") == first, f"{m.label}: it finds what it found at first")


def doorbell(m, first):
    """What happens while nobody hears it is told later, once: while the guest has it disabled, and while the VM is paused. A restart
    forgets it."""
    m.focus(0)
    m.send("d")
    m.want(r"^\[one\] doorbell off$", "the doorbell is disabled")
    order(m, "grow one 2M")
    told(m, "has more memory", "memory is added meanwhile")
    m.send("d")
    m.want(r"^\[one\] doorbell on$", "the doorbell is enabled")
    ipa = memory(m, "0x10", [("0x200000", "0", "")], "enabled again")
    order(m, "pause one")
    told(m, "paused", "paused")
    for _ in range(2):
        order(m, f"shrink one {ipa} 2M")
    order(m, "resume one")
    told(m, "resumed", "resumed")
    memory(m, "0x20", [("0x200000", "512", ", asked back")], "resumed")
    m.send("m")
    m.want(r"^\[one\] events 0x0, rings 0$", "it is told once")
    order(m, "pause one")
    told(m, "paused", "paused")
    order(m, f"shrink one {ipa} 2M now")
    told(m, "has less memory", "memory goes meanwhile")
    order(m, "restart one")
    harness.ok(born(m, "a restart forgets it") == first, f"{m.label}: it finds what it found at first")


def crash(m, first):
    """One vCPU resets the VM while the other one strays: a reset that was begun comes."""
    m.focus(0)
    for n in range(4):
        at = m.at
        m.send("c")
        match = m.want(r"^(?:\[one\] born, seed 1, state (0x\w+), memory has 0 dirty|bulkhead: vm one: stopped: an access)",
                       "a reset, and a crash of the other vCPU")
        found = match and match.group(1)
        if not found:
            harness.ok("restarting after" not in m.text[at:m.at], f"{m.label}: the crash came first")
            order(m, "start one")
            found = born(m, "it is started")
        harness.ok(found == first, f"{m.label}: it finds what it found at first")


# As it is, and with every operation on an address space audited.
for image, label in ((harness.IMAGE, "life"), (harness.variant("audit"), "life-audit")):
    with harness.boot("life", smp=2, limit=240, image=image, label=label) as m:
        m.want(r"^\[two\] born, seed 2, state 0x\w+, memory has 0 dirty words$", "the neighbour starts", everywhere=True)
        m.at = 0
        state = born(m, "the VM starts")
        pause(m)
        start_again(m, state)
        destroy(m, state)
        resize(m, state)
        doorbell(m, state)
        crash(m, state)
        harness.ok(len(re.findall(r"^\[two\] born", m.text, re.MULTILINE)) == 1, f"{m.label}: the neighbour was born once")
        m.absent(r"[1-9]\d* dirty words$", "nobody found another's bytes at a start")
        m.focus(1)
        m.send("z")
        m.want(r"^\[two\] key z$", "the neighbour goes on")
        order(m, "destroy one")
        told(m, "destroyed", "destroyed for good")
        m.send(harness.ESCAPE + "q")
        m.ended("the machine goes off")
harness.done()
