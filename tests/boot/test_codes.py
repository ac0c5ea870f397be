#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Answers of the hypercalls that depend on what the VMs are like, by the codes of docs/hypercalls.md, whose table is read."""

import os
import re

import harness

with open(os.path.join(harness.TOP, "docs/hypercalls.md"), encoding="utf-8") as page:
    CODES = {name: int(code) for code, name in re.findall(r"^\| (-?\d+) \| ([A-Z_]+) \|", page.read(), re.MULTILINE)}

OWNER = (
    ("shared with one that is absent", "NO_ENTRY"),
    ("16M of lazy memory: busy 1 times", None),  # of 8 chunks 4 at once
    ("16M of lazy memory", "SUCCESS"),
    ("and taken back", "SUCCESS"),
    # kind, open, the owner's; bytes, where, one borrower that does not hold it
    ("query of a share: 0x0 0x10000 0x50040000 0x1", None),
    ("query of a loan: 0x1 0x10000 0x50040000 0x1", None),
    ("query of a donation: 0x2 0x10000 0x50040000 0x1", None),
    ("what is offered to it, mapped where its donation was", "SUCCESS"),
    ("memory that is another's, shared", "DENIED"),
    ("the donation, reclaimed", "EXISTS"),
    ("it is: 0x102", None),  # a donation, withdrawn
    ("the place, cleared", "SUCCESS"),
    ("and reclaimed again", "SUCCESS"),
    ("it holds what it held: yes", None),
    ("QUERY with more than a handle", "DENIED"),
    ("MEMORY 7", "SUCCESS"),
    ("of so many bytes: 0", None),
    ("MEMORY 8", "NO_ENTRY"),
    ("MEMORY of all ones", "NO_ENTRY"),
    ("its RAM, given back", "NO_ENTRY"),
    ("nothing, given back", "NO_ENTRY"),
    ("all, given back", "NO_ENTRY"),
    ("what is lent, shared", "DENIED"),
    ("a window of the manifest, shared", "DENIED"),
    ("and the loan ends", "SUCCESS"),
)
OTHERS = (
    ("coarse", "takes a share", "ALIGN", "memory that does not suit its granule"),
    ("far", "takes a share", "SUCCESS", "one whose memory comes from elsewhere can have a share"),
    ("far", "takes a donation", "DENIED", "but no donation"),
    ("small", "takes a share", "SUCCESS", "one that may have no more memory can have a share"),
    ("small", "takes a donation", "QUOTA", "but no donation"),
    ("tight", "takes a share", "SUCCESS", "one that may have few tables can have a share"),
    ("tight", "takes a share", "QUOTA", "but not as many as it likes"),
)


def line(vm, text, code):
    return rf"^\[{vm}\] {re.escape(text)}" + (f": {-CODES[code]}$" if code else "$")


with harness.boot("codes", smp=2, limit=180) as m:
    m.want(line("small", "offers a page", "SUCCESS"), "a page is offered to the owner", everywhere=True)
    m.send(harness.ESCAPE + ":vm destroy absent\n")
    m.want(r"^bulkhead: vm absent: destroyed;", "a VM is destroyed")
    m.send(harness.ESCAPE + "0g")
    for what, answer in OWNER:
        m.want(line("owner", what, answer), f"{what}: {answer}" if answer else what)
    for name, what, answer, why in OTHERS:
        m.want(line(name, what, answer), f"{why}: {answer}", everywhere=True)
harness.done()
