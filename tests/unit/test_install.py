#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""make install, then the example port built in another place against the installed files alone, and run."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]


def run(step, command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    number = run.number = run.number + 1
    print(f"{'ok' if done.returncode == 0 else 'not ok'} {number} - {step}", flush=True)
    if done.returncode:
        sys.exit("\n".join("# " + line for line in done.stdout.splitlines()))
    return done.stdout


run.number = 0


def main():
    print("1..6")
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}
        run("make install", ["make", "-C", TREE, f"O={tmp}/build", f"PREFIX={tmp}/usr", "install"], env=env)
        work = shutil.copytree(TREE / "tests" / "example-port", tmp / "port")
        env["PKG_CONFIG_PATH"] = f"{tmp}/usr/lib/pkgconfig"
        run("the example builds against the installed files", ["make", "-C", work], env=env)
        (work / "backend.c").write_text(re.search(r"```c\n(.*?)```", (TREE / "docs/porting.md").read_text(), re.S)[1])
        run("the backend that docs/porting.md shows compiles", ["make", "-C", work, "meter"], env=env)
        run("and counts", [work / "meter"])
        shown = run("the example runs", [work / "example"])
        wanted = ["run the guest again", "emulate it", "all given back"]
        missing = [w for w in wanted if w not in shown]
        print(f"{'not ok' if missing else 'ok'} 6 - it shows what it did")
        if missing:
            sys.exit(f"# missing: {missing}")


main()
