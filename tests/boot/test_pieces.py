#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The owner of memory that is shared and its borrower restart at the same moment, again and again."""

import harness

ROUNDS = 5

with harness.boot("pieces") as m:
    for n in range(1, ROUNDS + 1):
        start = m.at
        m.want(r"^\[owner\] shares 16 pieces$", f"start {n}: the owner shares all that it may")
        m.at = start
        m.want(r"^\[borrower\] takes$", "the borrower is there, too")
        m.focus(1)
        m.send("h")
        m.want(r"^\[borrower\] has 16 pieces$", "and has all of it")
        if n < ROUNDS:
            m.send("r")
    m.absent(r"cannot be", "nobody lacks anything")
harness.done()
