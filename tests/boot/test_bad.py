#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What is wrong is said in one line, and what is right still runs."""

import subprocess
import tempfile

import harness

# VM, what the line has to name
LINES = (("typo", "memroy"), ("noimage", "image"), ("absent", "nowhere.bin"), ("small", "linux"), ("huge", "memory"),
         ("crowd", "vcpus"), ("nocpu", "cpus"), ("self", "memory/"), ("gicram", "gic/"), ("odd", "0x400800"),
         ("near", "0x9010800"), ("dma", "unsafe-dma"), ("wrong", "explode"), ("thine", "0x72200000"))

with harness.boot("bad-vms") as m:
    m.want(r"^\[good\] counted to 5$", "the VM that is right runs")
    for vm, word in LINES:
        m.want(rf"^.*vm {vm}: .*{word}", f"{vm} is refused by name", everywhere=True)
        m.absent(rf"^\[{vm}\] ", f"{vm} does not run")

# The same of what VMs share: a window with a problem is left out, and its VMs run without it.
SHARED = ("window lonely: borrowers: there is none", "window stranger: borrowers/z: there is no vm z",
          "window crossed: owner: 0x50008000..0x50018000 overlaps vm a window straight 0x50000000..0x50010000; move one of them",
          "window inside: borrowers/a: 0x40000000..0x40010000 overlaps vm a memory/ram 0x40000000..0x40400000; move one of them",
          "window orphan: owner: vm homeless is refused", "memory-region outside: 0x8000000..0x9000000 is not in the machine's RAM",
          "vm homeless: memory/ram/from: there is no memory-region nowhere", "vm lost: memory/ram/from: memory-region outside cannot be used",
          "vm crowd: memory: 0x400000 bytes are asked for, 0x10000 are left of memory-region tiny")

with harness.boot("bad-windows") as m:
    m.want(r"^\[a\] heard 10 from vm 1, start 1$", "a window that is right is made")
    for line in SHARED:
        m.want(rf"^bulkhead: {harness.re.escape(line)}$", line, everywhere=True)
    for vm in ("homeless", "lost", "crowd"):
        m.absent(rf"^\[{vm}\] ", f"{vm} does not run")
    m.absent(r"lonely +0x|stranger +0x|crossed +0x|inside +0x|orphan +0x", "none of the others is in the table")


def spoiled(name, change):
    """A copy of a good bundle with something changed."""
    with open(harness.bundle_path(name), "rb") as f:
        data = bytearray(f.read())
    change(data)
    copy = tempfile.NamedTemporaryFile(prefix="bulkhead-bad-", suffix=".itb", dir=harness.BUILD)
    copy.write(data)
    copy.flush()
    return copy


def flip_last_image(data):
    # A word in the middle of the images: greeting text, say, or code.
    at = data.rindex(b"hello, seed")
    data[at] ^= 1


def flip_structure(data):
    data[0] ^= 0xFF


def cut(data):
    del data[len(data) // 2:]


def empty(data):
    data[:] = bytes(4096)


for label, change, line in (("damaged-image", flip_last_image, r"sha256 differs|damaged"),
                            ("no-magic", flip_structure, r"bundle: "), ("cut", cut, r"bundle: |damaged|sha256"),
                            ("zeros", empty, r"bundle: ")):
    with spoiled("keys", change) as copy:
        known = label not in ("no-magic", "zeros")  # else no book is made
        with harness.boot(copy.name, label=f"bad-{label}", limit=60, audit=known) as m:
            m.want(line, "a message says so")
            m.absent(r"panic|Unexpected|exception", "a clean stop")

GO = ["-device", f"loader,file={harness.IMAGE},addr=0x40400000,force-raw=on", "-device", "loader,addr=0x40400000,cpu-num=0"]
with harness.bare(GO, "bad-no-device-tree") as m:
    m.want(r"device tree", "without a device tree: a message")
with harness.bare(["-kernel", harness.IMAGE], "bad-no-bundle") as m:
    m.want(r"bundle: ", "without a bundle: a message")
with tempfile.NamedTemporaryFile(prefix="bulkhead-bad-", suffix=".dtb", dir=harness.BUILD) as tree:
    subprocess.run(harness.machine.qemu("cortex-a72", 1) + ["-machine", f"dumpdtb={tree.name}"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for which, address in (("start", "0xc100000"), ("end", "0xc200000")):
        subprocess.run(["fdtput", "-t", "x", tree.name, "/chosen", f"linux,initrd-{which}", address], check=True)
    with harness.bare(["-kernel", harness.IMAGE, "-dtb", tree.name], "bad-bundle-nowhere") as m:
        m.want(r"bundle: /chosen says 0xc100000\.\.0xc200000, which is not in the machine's RAM", "a bundle where no RAM is")
        m.ended("a clean stop")
with harness.bare(["-kernel", harness.IMAGE, "-machine", "secure=on"], "bad-secure-ram") as m:
    m.want(r"RAM \d+ MiB free of 1024$", "RAM that is disabled in the device tree is not counted")
with harness.bare(["-kernel", harness.IMAGE, "-machine", "gic-version=2"], "bad-gicv2") as m:
    m.want(r"no GICv3", "a machine with a GICv2: a message")
    m.ended("a clean stop")
with harness.bare(["-kernel", harness.IMAGE], "bad-el1", el2=False) as m:
    m.want(r"EL1", "entered at EL1: a message")
harness.done()
