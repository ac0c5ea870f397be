#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The table of registers: its documentation is current, its mistakes are found."""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GENERATOR = os.path.join(TOP, "tools", "gen-sysregs.py")
TABLE = os.path.join(TOP, "hyp", "cpu", "sysregs.tbl")
count = failed = 0


def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good and why:
        print(f"# {why}", file=sys.stderr)


def run(*args):
    return subprocess.run([sys.executable, GENERATOR, *args], capture_output=True, text=True, check=False)


def refused(line, words, name):
    """The table with one line more is refused with these words."""
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "t.tbl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(open(TABLE, encoding="utf-8").read() + line + "\n")
        result = run(path, "--out", where)
        ok(result.returncode != 0 and words in result.stderr, name, result.stderr)


result = run(TABLE, "--check", os.path.join(TOP, "docs", "sysregs.md"))
ok(result.returncode == 0, "docs/sysregs.md is what the table says", result.stderr)

with tempfile.TemporaryDirectory() as where:
    stale = os.path.join(where, "sysregs.md")
    open(stale, "w", encoding="utf-8").write("old\n")
    ok(run(TABLE, "--check", stale).returncode != 0, "a stale document is noticed")
    run(TABLE, "--out", where)
    table = open(os.path.join(where, "sysregs_table.h"), encoding="utf-8").read()
    keys = [int(k, 16) for k in re.findall(r"^    (0x[0-9a-f]{4}),$", table, re.MULTILINE)]
    ok(len(keys) > 100 and keys == sorted(set(keys)), "keys are in ascending order, none twice")
    ok(len(re.findall(r"^    \{.*\}, /\* .* \*/$", table, re.MULTILINE)) == len(keys), "each key has its rule")
    switch = open(os.path.join(where, "sysregs_switch.h"), encoding="utf-8").read()
    save = switch[switch.index("sysregs_save("):switch.index("sysregs_restore(")]
    restore = switch[switch.index("void sysregs_restore("):switch.index("sysregs_write_live(")]
    saved = set(re.findall(r"s->(\w+)", save))
    restored = set(re.findall(r"s->(\w+)", restore))
    by_hand = {"sctlr_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1"}
    shadowed = {"mdscr_el1", "dbgbvr_el1", "dbgbcr_el1", "dbgwvr_el1", "dbgwcr_el1"}
    ok(saved == (restored - shadowed) | by_hand and not by_hand & restored,
       "what is saved is restored, but for the four that switch.c orders", str(saved ^ restored))

refused("register SCTLR_AGAIN 3 0 1 0 0 base switch", "are the same register", "a register named twice is refused")
refused("register NEW_EL1 3 0 1 0 9 base wish", "no policy 'wish'", "an unknown policy is refused")
refused("register NEW_EL1 3 0 1 0 9 magic switch", "no feature 'magic'", "an unknown feature is refused")
refused("register NEW_EL1 3 0 1 0 9 base id", "go together", "an ID register without fields is refused")
refused("registre X", "starts no line", "a line that is none is refused")
print(f"1..{count}")
sys.exit(failed > 0)
