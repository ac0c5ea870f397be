#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Two guests share, lend and donate memory by hypercalls, ring each other's doorbells, and lose what is withdrawn at once."""

import harness

# As it is, and with every operation of every space checked at its end.
for cpu, image in (("cortex-a53", harness.IMAGE), ("max", harness.variant("audit"))):
    with harness.boot("exchange", cpu=cpu, smp=2, image=image, limit=180) as m:
        m.find(r"^\[owner\] # exchange: \d+ of \d+ failed$", everywhere=True)
        harness.guest_tap(m, "owner", "the owner's view")
        m.want(r"^\[owner\] second life: as expected$", "the owner starts again with nothing but what is offered to it",
               everywhere=True)
        m.find(r"^\[borrower\] # exchange: \d+ of \d+ failed$", everywhere=True)
        harness.guest_tap(m, "borrower", "the borrower's view")
        m.ended("the machine goes off when both have")
harness.done()
