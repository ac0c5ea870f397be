#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Rules that the tree as a whole keeps: floors include only what is below them, every file names its licence, and the
things that do not belong anywhere are nowhere."""

import ast
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from tap import TOP, end, ok, read  # noqa: E402  (no compiled copy of it in the tree)

STAGE2_FLOORS = ["base", "frame", "table", "space"]
HYP_FLOORS = ["boot", "cpu", "device", "vm", "monitor"]
# Which floor each public noun belongs to; port and version are everybody's.
NOUNS = {"addr": "base", "error": "base", "imap": "base", "bits": "base", "rights": "base", "frames": "frame", "ledger": "frame",
         "share": "frame", "colours": "frame",
         "attr": "table", "caps": "table", "geometry": "table", "gather": "table", "vmid": "table", "tpool": "table",
         "table_types": "table", "area": "space", "backend": "space", "space": "space", "fault": "space", "long": "space",
         "audit": "space",
         "port_types": "base", "trace": "base", "version": "base"}
# The operation collects what every floor needs, so every floor adds to it; it is declared beside the lowest.
SHARED_NOUNS = {"op"}
COMPILER_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "stdarg.h", "limits.h", "stdalign.h", "stdatomic.h", "string.h",
                    "inttypes.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
WITHOUT_LICENCE = {"LICENSE", ".gitignore"}
# The marks of unfinished work, spelled so that this file does not contain them.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b")


def files(*endings):
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=False).stdout.split("\n")
    except FileNotFoundError:
        listing = []
    if not any(listing):  # an exported tree, or a machine without git
        listing = [os.path.relpath(os.path.join(d, f), TOP) for d, _, fs in os.walk(TOP) for f in fs
                   if not re.match(r"(build|\.git|.*__pycache__)(/|$)", os.path.relpath(d, TOP))]
    return [f for f in listing if f and os.path.isfile(os.path.join(TOP, f)) and (not endings or f.endswith(endings))]


def stage2_problem(floor, bracket, header):
    if header in COMPILER_HEADERS or header == "s2_port.h":
        return None
    rank = STAGE2_FLOORS.index(floor)
    parts = header.split("/")
    if parts[0] == "stage2" and len(parts) == 2:
        noun = parts[1][:-2]
        if noun in SHARED_NOUNS:
            return None
        if noun not in NOUNS:
            return f"{header}: which floor is it? (NOUNS in tests/unit/test_tree.py)"
        return None if STAGE2_FLOORS.index(NOUNS[noun]) <= rank else f"{header} is of a higher floor"
    if len(parts) == 1 and bracket == '"':
        return None
    if parts[0] in STAGE2_FLOORS:
        return None if STAGE2_FLOORS.index(parts[0]) <= rank else f"{header} is of a higher floor"
    return f"{header} is not of this library"


def hyp_problem(floor, bracket, header):
    if header in COMPILER_HEADERS or header in ("libfdt.h", "fdt.h"):
        return None
    parts = header.split("/")
    if parts[0] == "stage2" and len(parts) == 2 or header == "s2_port.h":
        return None
    if parts[0] in HYP_FLOORS:
        return None if HYP_FLOORS.index(parts[0]) <= HYP_FLOORS.index(floor) else f"{header} is of a higher floor"
    # Beside the file itself, or generated.
    return None if len(parts) == 1 else f"{header} is neither of this hypervisor nor of stage2's contract"


def floor_problems(house, floors, judge):
    problems = []
    for path in files(".c", ".h", ".S"):
        parts = path.split("/")
        if parts[0] != house or parts[1] not in floors:
            continue
        for bracket, header in INCLUDE.findall(read(path)):
            if problem := judge(parts[1], bracket, header):
                problems.append(f"{path}: {problem}")
    return problems


def licence_problems():
    problems = []
    for path in files():
        if os.path.basename(path) in WITHOUT_LICENCE or path.endswith((".md", ".txt", ".in", ".png")):
            continue
        head = read(path)[:400]
        if "SPDX-License-Identifier: Apache-2.0" not in head or "SPDX-FileCopyrightText: 2026 The Bulkhead authors" not in head:
            problems.append(path)
    return problems


def python_problems():
    problems = []
    for path in files(".py", "tools/run"):
        try:
            ast.parse(read(path), path)
        except SyntaxError as error:
            problems.append(f"{path}: {error}")
    return problems


def unfinished():
    return [f"{path}: {match.group(0)}" for path in files(".c", ".h", ".S", ".py", ".mk", ".dts", ".md")
            for match in [UNFINISHED.search(read(path))] if match]


def globals_in_stage2():
    """What the library's objects would put into writable memory: nothing may."""
    build = os.environ.get("BULKHEAD_BUILD", os.path.join(TOP, "build"))
    archive = next((p for p in (os.path.join(build, v, "libstage2.a") for v in ("host", "host-clang")) if os.path.exists(p)), None)
    if not archive:
        return [f"libstage2.a is not built under {build}"]
    listing = subprocess.run(["nm", "-A", archive], capture_output=True, text=True, check=True).stdout
    # .data, .bss and common symbols; the host's compiler puts constants with addresses into .data.rel.ro, class d too.
    sections = subprocess.run(["size", "-A", archive], capture_output=True, text=True, check=True).stdout
    writable = re.findall(r"^(\.(?:data|bss)(?:\.(?!rel)\S+)?)\s+([1-9]\d*)\s", sections, re.MULTILINE)
    return [f"{name}: {size} bytes in some object" for name, size in writable] + \
           [line for line in listing.splitlines() if re.search(r" [CB] ", line)]


ok(floor_problems("stage2", STAGE2_FLOORS, stage2_problem), "stage2: each floor includes only floors below it")
ok(floor_problems("hyp", HYP_FLOORS, hyp_problem), "hyp: each floor includes only floors below it, and of stage2 only the contract")
ok(globals_in_stage2(), "stage2: no globals")
ok(licence_problems(), "every file names its licence and copyright")
ok(python_problems(), "every Python file parses")
ok(unfinished(), "no file says that it is unfinished")
end()
