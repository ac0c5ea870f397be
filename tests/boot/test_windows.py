#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Memory that several VMs see from the start; its owner and its borrowers come and go. And memory from a named region."""

import harness

BANK = range(0x6c000000, 0x6d000000)


def command(m, text):
    m.send(harness.ESCAPE + ":" + text + "\n")


def key(m, vm, name):
    m.focus(("owner", "writer", "reader", "other").index(vm))
    m.send(name)


def place(m, vm, area):
    """Where the table says that an area's memory begins."""
    row = m.find(rf"^  {vm} +{area} .* (0x[0-9a-f]+)\+? +[r-][w-][x-] ", everywhere=True)
    return int(row.group(1), 16) if row else 0


def each(m, mark, lines):
    """All of these lines come behind the mark, in whatever order."""
    for pattern, name in lines:
        m.at = mark
        m.want(pattern, name)


def exchange(heard, starts, name):
    return ((rf"^\[owner\] heard {heard} from vm 1, start {starts}$", name),
            (rf"^\[owner\] counted to {heard + 1}$", "and the owner has counted on"))


for cpu in ("cortex-a53", "max"):
    with harness.boot("windows", cpu=cpu, image=harness.variant("audit")) as m:
        each(m, 0, (
            (r"^\[other\] no window; 0x60000000: nothing there$", "who has no part in the window has nothing there"),
            (r"^\[owner\] window mailbox at 0x50000000\+0x10000, rw, owner; empty$", "the owner finds it in its device tree"),
            (r"^\[writer\] window mailbox at 0x60000000\+0x10000, rw, borrower; (empty|in use)$", "so does a borrower"),
            (r"^\[reader\] window mailbox at 0x70000000\+0x10000, r, borrower; (empty|in use)$", "and one that only reads"),
            *exchange(100, 1, "they write and read, a hundred times"),
            (r"^\[owner\] rung by interrupt 34$", "and ring each other, by the interrupts of their device trees"),
            (r"^\[writer\] rung by interrupt 72$", "whatever the manifest says that these are"),
            (r"^\[reader\] rung by interrupt \d+$", "who only reads is rung, too")))
        harness.ok(place(m, "owner", "ram") in BANK and place(m, "owner", "mailbox") in BANK,
                   f"{m.label}: the owner's memory and its window lie in the named region")
        harness.ok(place(m, "writer", "mailbox") == place(m, "reader", "mailbox") == place(m, "owner", "mailbox"),
                   f"{m.label}: the window is the same memory for all")
        harness.ok(not any(place(m, vm, "ram") in BANK for vm in ("writer", "reader", "other")),
                   f"{m.label}: nobody else's memory lies in the named region")

        for vm, name, answer in (("reader", "v", "read: done"), ("reader", "w", "write: refused"), ("reader", "x", "execute: refused"),
                                 ("writer", "w", "write: done"), ("writer", "x", "execute: refused"), ("owner", "x", "execute: refused")):
            key(m, vm, name)
            m.want(rf"^\[{vm}\] {answer}$", f"{vm}: {answer}")

        key(m, "writer", "r")
        m.want(r"^\[writer\] window mailbox at 0x60000000\+0x10000, rw, borrower; in use$",
               "a borrower that restarts finds what the others wrote")
        key(m, "owner", "g")
        each(m, m.at, exchange(200, 2, "and answers again, while the owner went on"))
        m.absent(r"withdrawn|faults", "nobody has lost access so far")

        mark = len(m.text)
        key(m, "owner", "r")
        each(m, mark, [(rf"^\[{vm}\] the window is {what}$", f"{vm} is told that the window is {what}")
                       for vm in ("writer", "reader") for what in ("withdrawn", "back")])
        each(m, mark, ((r"^\[owner\] window mailbox .*; empty$", "an owner that restarts finds its window empty"),
                       *exchange(100, 1, "and the exchange begins anew")))

        mark = len(m.text)
        command(m, "vm destroy owner")
        each(m, mark, ((r"^bulkhead: vm owner: destroyed;", "the owner is destroyed"),
                       (r"^\[writer\] a read of the window faults$", "the writer has no access any more"),
                       (r"^\[reader\] a read of the window faults$", "nor has the reader")))
        command(m, "frames -j")
        m.want(r'"memory":"bank","total":16777216,"free":16777216,.*"largest":16777216,', "all of it is the named region's again")
        before = mark = len(m.text)
        command(m, "vm start owner")
        each(m, mark, ((r"^\[owner\] window mailbox .*; empty$", "the owner is defined and started again"),
                       *exchange(100, 1, "both have the window again"),
                       (r"^\[reader\] the window is back$", "and so has the reader")))
        key(m, "reader", "v")
        m.want(r"^\[reader\] read: done$", "which can read it")
        harness.ok(m.text[before:].count("the window is back") == 2, f"{m.label}: each borrower was told once")
        m.send(harness.ESCAPE + "q")
        m.want(r"^bulkhead: audit: [1-9]\d* of the whole machine while VMs ran$", "the whole machine was audited meanwhile")
        m.ended("the machine goes off")
harness.done()
