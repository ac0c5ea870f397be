#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The command line: every command as text and as JSON, beside what the manifest says; what is refused; the keys of the line; and
guests that write meanwhile."""

import itertools
import json
import os
import re

import harness

PROMPT = r"^bulkhead> "
PATIENCE = 30
ASKS = 200  # of what takes its time
LISTINGS = 400  # more than can be typed ahead, 1024 characters
CUTS = 5
marks = itertools.count()


def ask(m, command):
    """The lines that a command answers with, without those of others and of what is typed, which may be broken off and shown again.
    They end where a second command, typed ahead, is answered."""
    mark, start = f"end{next(marks)}", m.at
    m.send(f"{command}\r{mark}\r")
    end = m.find(rf"^there is no command {mark};.*$", PATIENCE)
    if not end:
        return ["no answer"]
    return [line for line in m.text[start:end.start()].split("\n")[1:] if not re.match(r"\[\w+\] |bulkhead[:>] |$", line)]


def rows(m, command):
    """The same in JSON."""
    lines = ask(m, command + " -j")
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        harness.ok(False, f"{m.label}: {command} -j is JSON: {error}: {lines}")
        return []


def same(got, wanted, name):
    if not harness.ok(got == wanted, name):
        harness.note(f"got    {got}\nwanted {wanted}")


def part(row, *keys):
    return tuple(row.get(key) for key in keys)


def both(m, command, name):
    """Text and JSON say the same: a heading of the keys, and under it as many rows."""
    objects, lines = rows(m, command), ask(m, command)
    headings = []
    for row in objects:
        if not headings or headings[-1] != list(row):
            headings.append(list(row))
    texts = [line.split() for line in lines]
    same([t for t in texts if t in headings], headings, f"{name}: the text's headings are the keys")
    same(len([t for t in texts if t not in headings]), len(objects), f"{name}: as many rows as objects")
    return objects


def refuses(m, command, wanted):
    same(ask(m, command), [wanted], f"refused: {command}")
    same(rows(m, command), [{"error": wanted}], f"refused in JSON: {command}")


def until(m, command, holds, name):
    """Asks again and again: what was begun is done in idle time."""
    last = None
    for _ in range(ASKS):
        last = rows(m, command)
        if holds(last):
            harness.ok(True, name)
            return last
    harness.ok(False, name)
    harness.note(f"last: {last}")
    return last


def state_is(vm, *states):
    return lambda answer: any(part(row, "vm", "work") == (vm, None) and row["state"] in states for row in answer)


def lists(m):
    same([row["command"] for row in both(m, "help", "help")],
         ["help", "vm", "areas", "table", "frames", "ledger", "stats", "audit"], "help lists the commands")
    same(both(m, "vm", "vm"), [
        {"vm": "first", "state": "running", "work": None, "vcpus": 1, "cpus": [0], "memory": 8454144, "starts": 1, "console": 0},
        {"vm": "second", "state": "running", "work": None, "vcpus": 2, "cpus": [0, 1], "memory": 8388608, "starts": 1, "console": 1},
        {"vm": "flood", "state": "ready", "work": None, "vcpus": 1, "cpus": [1], "memory": 4194304, "starts": 0, "console": 2},
    ], "vm: what the manifest has")
    same(rows(m, "vm list"), rows(m, "vm"), "vm list is the same")


def memory(m):
    areas = both(m, "areas first", "areas")
    same([part(a, "area", "start", "end", "size", "kind", "rights", "memory") for a in areas], [
        ("gic/distributor", "0x8000000", "0x8010000", 65536, "trap", "rw--", None),
        ("gic/redistributor", "0x80a0000", "0x80c0000", 131072, "trap", "rw--", None),
        ("uart", "0x9000000", "0x9001000", 4096, "trap", "rw--", None),
        ("ram", "0x40000000", "0x40400000", 4194304, "alloc", "rwxu", "wb"),
        ("board", "0x48000000", "0x48010000", 65536, "shared", "rw--", "wb"),
        ("later", "0x50000000", "0x50400000", 4194304, "lazy", "rwxu", "wb"),
        ("fixed", "0x60000000", "0x60010000", 65536, "linear", "r---", "wb"),
    ], "areas: what the manifest has")
    same([part(a, "pa", "resident", "promised", "leaves") for a in areas if a["area"] in ("uart", "later", "fixed")],
         [(None, 0, 0, []), (None, 0, 4194304, []), ("0x70000000", 65536, 0, [[4096, 16]])], "areas: what is there and what is promised")
    ram = areas[3]
    same(part(ram, "resident", "promised", "leaves"), (4194304, 0, [[2097152, 2]]), "areas: blocks")

    runs = both(m, "table first", "table")
    same([part(r, "start", "end", "leaves", "each", "level") for r in runs if int(r["start"], 16) >= 0x48000000],
         [("0x48000000", "0x48010000", 16, 4096, 3), ("0x60000000", "0x60010000", 16, 4096, 3)], "table: leaves in a row are one")
    same(runs[-1], {"start": "0x60000000", "end": "0x60010000", "pa": "0x70000000", "level": 3, "leaves": 16, "each": 4096,
                    "rights": "r---", "memory": "wb", "contiguous": True}, "table: memory at a chosen place")
    same(sum(r["leaves"] for r in rows(m, "table second") if int(r["start"], 16) < 0x49000000), 2048, "table: every page is counted")
    walk = both(m, "table first 0x40000123", "table VM IPA")
    same([part(w, "level", "kind") for w in walk], [(1, "table"), (2, "block")], "a walk, level by level")
    same(part(walk[-1], "pa", "rights", "memory", "contiguous"), (ram["pa"], "rwxu", "wb", False), "it ends in the area's memory")
    same(int(walk[0]["descriptor"], 16) & 0xfffffffff000, int(walk[0]["pa"], 16), "a descriptor is decoded")
    same(int(walk[1]["slot"], 16) & ~0xfff, int(walk[0]["pa"], 16), "the next one lies in its table")
    same([w["kind"] for w in rows(m, "table first 0x50000000")][-1], "invalid", "a walk to what is not there")


def books(m):
    frames = both(m, "frames", "frames")
    whole = {f["memory"]: f for f in frames if "total" in f}
    same(list(whole), ["general", "bank"], "frames: general memory and the named region")
    same(part(whole["bank"], "total", "free", "promised", "largest", "permille_not_in_2M"), (16 << 20, 12 << 20, 0, 8 << 20, 0),
         "frames: a region of 16M of which a VM has 4M")
    for name, w in whole.items():
        blocks = [f for f in frames if f["memory"] == name and "block" in f]
        same(sum(b["block"] * b["free_blocks"] for b in blocks), w["free"], f"frames: the free blocks of {name} are what is free")
        same(max(b["block"] for b in blocks), w["largest"], f"frames: the largest of {name}")

    ledger = both(m, "ledger", "ledger")
    ends = [int(e["end"], 16) for e in ledger]
    harness.ok(all(int(e["start"], 16) >= end for e, end in zip(ledger[1:], ends)), "ledger: ascending, nothing twice")
    same([part(e, "start", "end", "state", "rights", "share", "ipa") for e in ledger if e["owner"] == "flood"],
         [("0x60000000", "0x60400000", "owned", "rwxu", None, "0x40000000")], "ledger: a VM of named memory")
    same({e["state"] for e in ledger}, {"device", "hypervisor", "free", "owned", "shared"}, "ledger: states")
    shared = [e for e in ledger if e["state"] == "shared"]
    same([part(e, "owner", "size", "ipa") for e in shared], [("first", 65536, "0x48000000")], "ledger: the window is the owner's")
    entry, borrower = both(m, "ledger " + shared[0]["start"], "ledger PA")
    same(entry, shared[0], "ledger PA: the entry")
    same(borrower, {"share": entry["share"], "kind": "share", "size": 65536, "ending": False, "borrower": "second", "has": "held",
                    "rights": "r---", "ipa": "0x49000000"}, "ledger PA: and who borrows it")
    same([part(e, "owner", "state") for e in rows(m, "ledger 0x70008000")], [("first", "owned")], "ledger PA: in the middle of an entry")

    stats = both(m, "stats", "stats")
    held = {s["vm"]: s for s in stats if "quota" in s}
    same([part(held["first"], "state", "starts", "held", "promised", "shared", "quota")],
         [("running", 1, 4 << 20, 4 << 20, 64 << 10, (12 << 20) + (64 << 10))], "stats: what a VM holds, and may hold")
    same(part(held["flood"], "state", "starts", "held", "quota"), ("ready", 0, 4 << 20, 4 << 20), "stats: one that was not started")
    harness.ok(all(0 < s["tables"] <= s["tables_quota"] for s in held.values()), "stats: table pages")
    exits = {s["vm"]: s for s in stats if "mmio" in s}
    harness.ok(exits["first"]["mmio"] > 0 and exits["flood"]["mmio"] == 0, "stats: exits")
    pools = {s["pool"]: s for s in stats if "pool" in s}
    harness.ok(pools["tables 4K"]["count"] - pools["tables 4K"]["free"] >= sum(s["tables"] for s in held.values()),
               "stats: the pool of table pages")
    audit = rows(m, "audit")
    harness.ok(len(audit) == 1 and re.fullmatch(r"clean \(3 spaces, \d+ leaves, \d+ ledger entries, \d+ frames\)", audit[0].get("audit", "")),
               f"audit: one line, clean: {audit}")


# QEMU's virt board, as its device tree has it when there is firmware; who has it, by the page.
DEVICES = (
    (0x0, 0x8000000, "device"),  # flash
    (0x8000000, 0x8010000, "hypervisor"),  # GIC distributor
    (0x8080000, 0x80a0000, "device"),  # its ITS, which nobody uses
    (0x80a0000, 0x9000000, "hypervisor"),  # redistributors
    (0x9000000, 0x9001000, "hypervisor"),  # UART
    (0x9010000, 0x9011000, "device"),  # clock
    (0x9020000, 0x9021000, "device"),  # fw_cfg
    (0xa000000, 0xa004000, "device"),  # virtio
    (0x4010000000, 0x4020000000, "device"),  # PCIe, and what its bridge hands on
    (0x10000000, 0x3f000000, "device"),
    (0x8000000000, 0x10000000000, "device"),
)
RAM = (0x40000000, 0x80000000)
TREE, IMAGE_AT, BUNDLE_AT = 0x40000000, 0x40400000, 0x44000000  # where U-Boot puts them


def whole_machine(m):
    """Every physical range that the machine has is in the ledger, and the hypervisor's own is the hypervisor's."""
    ledger = [(int(e["start"], 16), int(e["end"], 16), e["owner"], e["state"]) for e in rows(m, "ledger")]

    def states(start, end):
        """Of every byte of the range; None: there is a gap."""
        found, at = set(), start
        for first, last, _, state in ledger:
            if first <= at < min(last, end):
                found.add(state)
                at = last
        return found if at >= end else None

    for start, end, state in DEVICES:
        same(states(start, end), {state}, f"ledger: {start:#x}..{end:#x} is known: {state}")
    same(states(*RAM), {"free", "hypervisor", "owned", "shared"}, "ledger: all RAM, without a gap")
    slots = [int(w["slot"], 16) for w in rows(m, "table second 0x40000000")]
    own = [("its image, with stacks", IMAGE_AT, os.path.getsize(harness.IMAGE)), ("the machine's device tree", TREE, 4096),
           ("the bundle", BUNDLE_AT, os.path.getsize(harness.bundle_path("console")))]
    for name, start, size in own + [("a table page", slot & ~0xfff, 4096) for slot in slots]:
        same(states(start, start + size), {"hypervisor"}, f"ledger: {name} is the hypervisor's")
    same({(state, owner) for _, _, owner, state in ledger if state in ("free", "hypervisor", "device")},
         {("free", None), ("hypervisor", "hypervisor"), ("device", None)}, "ledger: nobody's is nobody's, its own the hypervisor's")


def refusals(m):
    vms = "there are: first second flood"
    for command, wanted in (
            ("bogus", "there is no command bogus; help lists them"),
            ("help me", "usage: help"),
            ("areas", "usage: areas VM"),
            ("areas first second", "usage: areas VM"),
            ("areas nobody", f"there is no VM nobody; {vms}"),
            ("table nobody", f"there is no VM nobody; {vms}"),
            ("table first x", "x is no number such as 4096, 0x1000, 4K or 2M"),
            ("table first 0x10000000000", "0x10000000000 is beyond the 40 bits that first has"),
            ("ledger x", "x is no number such as 4096, 0x1000, 4K or 2M"),
            ("ledger 0x3f000000", "0x3f000000 is nothing that the machine has"),
            ("ledger 0xffffffffffffffff", "0xffffffffffffffff is nothing that the machine has"),
            ("frames x", "usage: frames"),
            ("stats x", "usage: stats"),
            ("vm bogus", "vm cannot bogus: list, define, start, pause, resume, stop, restart, destroy, grow, shrink"),
            ("vm list x", "usage: vm list"),
            ("vm start", "usage: vm start NAME"),
            ("vm start first second", "usage: vm start NAME"),
            ("vm start nobody", f"there is no VM nobody; {vms}"),
            ("vm start first", "vm first: is running already"),
            ("vm resume first", "vm first: is not paused"),
            ("vm pause flood", "vm flood: is not running"),
            ("vm stop flood", "vm flood: is not running"),
            ("vm restart flood", "vm flood: is not running"),
            ("vm define first", "vm first: is defined already"),
            ("vm define flood", "vm flood: is defined already"),
            ("vm grow first", "usage: vm grow NAME SIZE"),
            ("vm grow first much", "much is no number such as 4096, 0x1000, 4K or 2M"),
            ("vm shrink first 0x1000", "usage: vm shrink NAME IPA SIZE [now]"),
            ("vm shrink first x 4K", "x is no number such as 4096, 0x1000, 4K or 2M"),
            ("vm shrink first 0x1000 4K soon", "soon is unknown here: now, or nothing")):
        refuses(m, command, wanted)
    for command in ("vm grow first 8M", "vm grow first 1", "vm shrink first 0x40000000 4M", "vm grow flood 4K"):
        answer = rows(m, command)
        harness.ok(len(answer) == 1 and set(answer[0]) == {"error"} and answer[0]["error"].startswith(f"vm {command.split()[2]}: "),
                   f"refused with the phrase of who refuses it: {command}")
    lists(m)  # and nothing has happened


def keys(m):
    m.send("vn\bm lisx\x7fttt\b\b\r")
    m.want(r"^vm +state", "backspace and delete take characters back")
    m.find(PROMPT)
    m.send("bogus\x15help\r")
    m.want(r"^command +words", "Ctrl-U takes all back")
    m.find(PROMPT)
    m.send("x" * 120 + "\r")
    m.want(r"^there is no command x{95};", "a line has an end")
    m.find(PROMPT)
    m.send("\x1b[A\x1b[Dhelp\x1b[C\r")
    m.want(r"^command +words", "arrows do nothing")
    m.find(PROMPT)
    m.send("  \r")
    m.want(PROMPT, "blanks are no command")
    m.send("vm list\rareas first -j\rbogus\rhelp\r")
    for pattern in (r"^vm +state", r'^{"area":"gic/distributor"', r"^there is no command bogus", r"^command +words"):
        m.want(pattern, "what is typed ahead has its turn")
    m.find(PROMPT)
    m.send("\r")
    m.want(r"^console: input goes to 0, first$", "an empty line closes")
    m.send("x")
    m.want(r"^\[first\] key x$", "and the guest has the keyboard")
    m.send(harness.ESCAPE + ":")
    m.find(PROMPT)
    m.send("vm li" + harness.ESCAPE + "i")
    m.want(r"^pool +count", "Ctrl-T i in the middle of a line")
    m.find(r"^ledger nodes.*$")
    m.want(PROMPT + "vm li", "which is shown again")
    m.send("st\r")
    m.want(r"^vm +state", "and goes on")
    m.find(PROMPT)
    m.send("half\x03")
    m.want(r"^console: input goes to 0, first$", "Ctrl-C closes")
    m.send(harness.ESCAPE + ":")
    m.find(PROMPT)
    m.focus(1)
    m.want(r"^console: input goes to 1, second$", "so does the focus on a VM")
    m.send("y")
    m.want(r"^\[second\] key y$", "and it has the keyboard")
    m.send(harness.ESCAPE + "i")
    m.want(r"^pool +count", "Ctrl-T i is stats, without the line")
    m.send(harness.ESCAPE + "a")
    m.want(r"^ram +0x40000000 +0x40800000", "Ctrl-T a is areas")
    m.focus(0)
    m.send(harness.ESCAPE + ":")
    m.find(PROMPT)


def ahead(m):
    """More is typed ahead than there is room for, and all of it is taken back, in the middle of a listing: which may be cut behind its
    last row but one, or may have had a row to lose. Not often."""
    each, rest = len(rows(m, "ledger")), 0
    for _ in range(CUTS):
        mark = len(m.text)
        m.paste("ledger\r" * LISTINGS)
        m.find(r"^ +0x", PATIENCE)
        m.paste("\x03")
        ask(m, "help")  # behind those that were begun by then
        listed = len(re.findall(r"^ *0x[0-9a-f]+ +0x", m.text[mark:], re.MULTILINE))
        rest = listed % each
        if rest not in (0, each - 1):
            break
    harness.ok(0 < listed < LISTINGS * each, f"Ctrl-C takes back what was typed ahead, {listed} rows before")
    harness.ok(rest not in (0, each - 1), f"and ends the listing that was at work, after {rest} rows of {each}")
    same([row["command"] for row in rows(m, "help")][:1], ["help"], "and there is room again")


def life(m):
    def asked(command, **more):
        vm = command.split()[2]
        same([part(r, "vm", "asked", *more) for r in rows(m, command)], [(vm, command.split()[1], *more.values())], command)

    asked("vm pause first")
    until(m, "vm", state_is("first", "paused"), "it pauses")
    refuses(m, "vm pause first", "vm first: is paused already")
    refuses(m, "vm start first", "vm first: is running already")
    asked("vm resume first")
    until(m, "vm", state_is("first", "running"), "and runs again")
    asked("vm grow first 2M", ipa="0x40400000", size=2 << 20)
    until(m, "areas first", lambda answer: any(part(a, "start", "resident") == ("0x40400000", 2 << 20) for a in answer),
          "memory is added")
    same(part(rows(m, "vm")[0], "vm", "memory"), ("first", 8454144 + (2 << 20)), "vm: with what was added")
    asked("vm shrink first 0x40400000 2M now", ipa="0x40400000", size=2 << 20)
    until(m, "areas first", lambda answer: not any(a["start"] == "0x40400000" for a in answer), "and taken away")
    asked("vm stop second")
    until(m, "vm", state_is("second", "stopped"), "it stops")
    asked("vm destroy second")
    until(m, "vm", state_is("second", "absent"), "it goes")
    refuses(m, "areas second", "vm second: has no memory now")
    refuses(m, "table second 0", "vm second: has no memory now")
    for verb, why in (("pause", "is not running"), ("resume", "is not paused"), ("stop", "is not running"), ("restart", "is not running"),
                      ("destroy", "is not defined"), ("grow", "is not running")):
        refuses(m, f"vm {verb} second" + (" 4K" if verb == "grow" else ""), f"vm second: {why}")
    same([part(s, "state", "tables", "tables_quota", "held", "promised", "shared", "quota") for s in rows(m, "stats")
          if s.get("vm") == "second" and "quota" in s], [("absent", 0, 0, 0, 0, 0, 0)], "stats: it holds nothing, and may hold nothing")
    same([e for e in rows(m, "ledger") if e["owner"] == "second"], [], "nothing is its own any more")
    asked("vm define second")
    line = m.want(r"^bulkhead: vm second: defined; RAM free (\d+) MiB \(clean \d+\), table pages 4K: (\d+), (\d+) free, nodes (\d+) free, "
                  r"ledger entries (\d+)$", "one line says what memory there is")
    until(m, "vm", state_is("second", "ready"), "it is there again")
    pool, stats = rows(m, "frames"), rows(m, "stats")
    wanted = [sum(f["free"] for f in pool if "total" in f) >> 20, *part(next(s for s in stats if s.get("pool") == "tables 4K"), "count", "free"),
              next(s["nodes_quota"] - s["nodes"] for s in stats if s.get("vm") == "second" and "nodes" in s), len(rows(m, "ledger"))]
    same([int(n) for n in line.groups()] if line else None, wanted, "and the same is what frames, stats and ledger list")
    asked("vm start second")
    hello = r"^\[second\] hello, seed 2, memory is clean$"
    m.want(rf"{hello}[\s\S]*{hello}", "and starts", everywhere=True)
    asked("vm restart first")
    until(m, "vm", lambda answer: part(answer[0], "state", "starts") == ("running", 2), "a restart counts")
    m.send("vm restart first\rhel")
    m.want(r"^\[first\] hello.*\n(.*\n)*bulkhead> hel$", "a line that a guest has broken off is shown again")
    m.send("p\r")
    m.want(r"^command +words", "and goes on")
    m.find(PROMPT)


def flood(m):
    same(len(rows(m, "vm start flood")), 1, "the flood begins")
    harness.ok(m.find(r"^\[flood\] line \d+ of a flood that nobody asked for$"), "and is seen")
    for command in ("ledger", "stats", "areas first", "frames", "table second"):
        harness.ok(len(rows(m, command)) > 3, f"beside a flood: {command}")
    same(part(rows(m, "vm")[2], "vm", "state"), ("flood", "running"), "the flood goes on meanwhile")
    same(len(rows(m, "vm stop flood")), 1, "and is stopped")
    until(m, "vm", state_is("flood", "stopped"), "it has stopped")
    whole = re.findall(r"^\[flood\] line (\d+) of a flood that nobody asked for$", m.text, re.MULTILINE)
    same([int(n) for n in whole], list(range(1, len(whole) + 1)), "its lines are whole and in order")


with harness.boot("console", smp=2, limit=300) as machine:
    machine.want(r"^\[second\] hello", "guests run", everywhere=True)
    machine.send(harness.ESCAPE + ":")
    machine.want(PROMPT, "a colon behind Ctrl-T opens the line")
    for group in (lists, memory, books, whole_machine, refusals, keys, ahead, life, flood):
        group(machine)
    machine.send(harness.ESCAPE + "q")
    machine.ended("the keys behind Ctrl-T work as ever: power off")
    machine.absent("hypervisor crashed", "nothing went wrong")
harness.done()
