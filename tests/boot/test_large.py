#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Books grow with the VMs: the ledger has an entry for each 2 MiB of their memory, on a machine that has it; a machine whose VMs
need a larger ledger than the hypervisor's pool is refused, and says what would do."""

import harness

LARGE, SMALL = 6 * 1024 + 4, 4  # MiB of the VMs of large.dts that a machine of 8 GiB can have
LEAST = 1024  # nodes, on every machine


def machine(memory, **how):
    """Of which QEMU takes no more than is touched."""
    more = ["-kernel", harness.IMAGE, "-initrd", harness.bundle_path("large"), "-machine", "memory-backend=ram",
            "-object", f"memory-backend-ram,id=ram,size={memory},reserve=off"]
    return harness.bare(more, f"large-{memory}", memory=memory, **how)


def ledger_nodes(m):
    m.send(harness.ESCAPE + ":")
    m.send("stats -j\r")
    row = m.want(r'^\{"pool":"ledger nodes","count":(\d+),"free":(\d+)\}$', "the ledger's nodes are listed")
    return int(row.group(1)) if row else 0


with machine("1G", audit=True) as m:
    m.want(r"^\[small\] hello, seed 2, memory is clean$", "a small VM runs where larger ones cannot")
    harness.ok(ledger_nodes(m) == LEAST, f"{m.label}: and the ledger is the smallest")
    m.send("\r")

with machine("8G", audit=True) as m:
    m.want(r"^bulkhead: vm huge: memory: 0x4000400000 bytes are asked for, .* are left$", "what has no room at all is refused")
    for vm, seed in (("large", 1), ("small", 2)):
        m.want(rf"^\[{vm}\] hello, seed {seed}, memory is clean$", f"{vm} runs", everywhere=True)
    # For each 2 MiB one entry, and one for what is free beside it; five or six to a node, and some for the machine itself.
    nodes, pieces = ledger_nodes(m), (LARGE + SMALL) // 2
    harness.ok(2 * pieces / 5.5 < nodes < 2 * pieces / 5 + 100, f"{m.label}: the ledger has room for {pieces} pieces: {nodes} nodes")
    m.send("\r")

with machine("400G") as m:
    m.want(r"^bulkhead: machine: the hypervisor's pool \(HYP_POOL_MIB\) is too small for the ledger: 3\d{4} KiB for VMs of 268300 MiB$",
           "a machine whose books have no room is refused, with what they would take")
    m.ended("and is switched off")
harness.done()
