#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""make coverage: is every line and branch of stage2/base and stage2/space run or explained? And does the tool see what is not?"""

import os
import pathlib
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]

PROGRAM = """
enum colour { RED, GREEN };
static int chosen(enum colour c)
{
    switch (c) {
    case RED:
        return 1;
    case GREEN:
        return 2;
    }
    return 0; /* cover: there are two colours */
}
static int half(int x, int y)
{
    if (x && y)@half
        return 1;@inside
    return 0;
}
@above
int main(void)
{
    return chosen(RED) + chosen(GREEN) - 3 + half(@x, 0) + half(0, 0);@run
}
"""

# What stands at each of the places ("x": an argument), and what is complained about.
CASES = (
    ("nothing explained", {}, ["15: branch 2 of 4 never taken", "16: never run"]),
    ("a reason at the line stands for what it keeps from running", {"half": "a test"}, []),
    ("a reason at the line that never runs is not one for the branch", {"inside": "a test"}, ["15: branch 2 of 4 never taken"]),
    ("a reason for what is run", {"half": "a test", "run": "a test"}, ["22: explains what is covered"]),
    ("a reason above what is run", {"half": "a test", "above": "a test"}, ["19: explains what is covered"]),
    ("no reason", {"half": ""}, ["15: gives no reason"]),
    ("one reason for several branches", {"half": "a test", "x": "0"},
     ["15: branch 0, 2, 3 of 4 never taken", "15: explains one branch of several", "16: never run"]),
)

count = 0
failed = 0


def ok(good, name, output):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        print("\n".join("# " + line for line in output.splitlines()), flush=True)


def run(command, **how):
    env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=env, **how)
    return done.returncode, done.stdout


def tool(places):
    """The tool's status and complaints about the program with these reasons."""
    with tempfile.TemporaryDirectory() as tmp:
        text = PROGRAM.replace("@x", places.get("x", "1"))
        for place in ("half", "inside", "above", "run"):
            text = text.replace("@" + place, f" /* cover: {places[place]} */" if place in places else "")
        build = pathlib.Path(tmp, "build", "part")
        source = pathlib.Path(tmp, "part", "program.c")
        build.mkdir(parents=True)
        source.parent.mkdir()
        source.write_text(text)
        for command in (["gcc", "-O0", "--coverage", "-c", "-o", build / "program.o", "part/program.c"],
                        ["gcc", "--coverage", "-o", build / "program", build / "program.o"], [build / "program"]):
            status, output = run(command, cwd=tmp)
            if status:
                return status, [output], output
        status, output = run([TREE / "tools/coverage.py", "--top", tmp, build.parent, "part"])
        start = "part/program.c:"
        said = [": ".join(line.removeprefix(start).split(": ")[:2]) for line in output.splitlines() if line.startswith(start)]
        return status, said, output


def main():
    print(f"1..{len(CASES) + 1}")
    for name, places, complaints in CASES:
        status, said, output = tool(places)
        ok(said == complaints and status == bool(complaints), "the tool: " + name, output)
    # O and the like come from the environment, as make was told: said otherwise, everything would be built again.
    status, output = run(["make", "-C", TREE, "coverage"])
    ok(status == 0, "every line and branch of stage2/base and stage2/space is run or explained", output)
    sys.exit(failed > 0)


main()
