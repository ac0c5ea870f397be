#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""tools/mkbundle.py: what it packs, what it refuses, and that U-Boot's own tool reads the result."""

import os
import pathlib
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", TREE / "build"))
HEAD = '/dts-v1/; / { compatible = "bulkhead,manifest"; vms { '
GOOD = HEAD + 'a { image = "deep/kernel"; initrd = "rd"; memory = "16M"; }; b { image = "rd"; memory = "4M"; }; }; };'

count = failed = 0


def ok(condition, name, detail=""):
    global count, failed
    count += 1
    failed += not condition
    print(f"{'ok' if condition else 'not ok'} {count} - {name}", flush=True)
    if not condition:
        print("\n".join("# " + line for line in str(detail).splitlines()), file=sys.stderr)


def checker():
    for name in ("host", "host-clang"):
        if (BUILD / name / "bundle-check").exists():
            return BUILD / name / "bundle-check"
    sys.exit(f"# no bundle-check under {BUILD}: make check-unit builds it")


def pack(work, source, *more):
    (work / "m.dts").write_text(source)
    return subprocess.run([TREE / "tools/mkbundle.py", work / "m.dts", "-o", work / "m.itb", "--checker", checker(), *more],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        (work / "inc" / "deep").mkdir(parents=True)
        (work / "inc" / "deep" / "kernel").write_bytes(b"k" * 5000)
        (work / "rd").write_bytes(b"r" * 100)

        done = pack(work, GOOD)
        ok(done.returncode != 0 and "'deep/kernel' is in none of" in done.stdout, "a missing file is named", done.stdout)
        ok("vm " in done.stdout and "is not in the bundle" in done.stdout, "and who wants it", done.stdout)
        ok(not (work / "m.itb").exists(), "and nothing is written")
        done = pack(work, GOOD, "-I", work / "inc")
        ok(done.returncode == 0 and done.stdout == "", "files are found beside the manifest and with -I", done.stdout)
        listed = subprocess.run(["dumpimage", "-l", work / "m.itb"], stdout=subprocess.PIPE, text=True).stdout
        ok(listed.count("Hash algo:    sha256") == 3, "each file is packed once, with its hash", listed)
        ok("Description:  deep/kernel" in listed, "under the manifest's name for it", listed)
        done = pack(work, GOOD.replace("memory = \"16M\"", "memroy = \"16M\""), "-I", work / "inc")
        ok(done.returncode != 0 and "vm a: memroy: unknown property" in done.stdout, "what would be refused at boot is refused",
           done.stdout)
        done = pack(work, GOOD.replace("memory = \"16M\"", "memroy = \"16M\""), "-I", work / "inc", "--no-check")
        ok(done.returncode == 0, "unless it is told not to look", done.stdout)
        done = pack(work, "/dts-v1/; / { oops", "-I", work / "inc")
        ok(done.returncode != 0 and "syntax error" in done.stdout, "the compiler's complaint is passed on", done.stdout)

        pack(work, GOOD, "-I", work / "inc")
        bundle = bytearray((work / "m.itb").read_bytes())
        bundle[bundle.rindex(b"kkkk")] ^= 1
        (work / "m.itb").write_bytes(bundle)
        done = subprocess.run([checker(), work / "m.itb"], stderr=subprocess.PIPE, text=True)
        ok(done.returncode == 1 and 'image "deep/kernel": sha256 differs' in done.stderr, "the checker sees a changed byte",
           done.stderr)
        ok(subprocess.run([checker(), "--trees", tmp, work / "m.itb"], stderr=subprocess.PIPE).returncode == 1
           and (work / "b.dtb").exists() and not (work / "a.dtb").exists(), "--trees writes those of VMs that would start")
    print(f"1..{count}")
    sys.exit(failed != 0)


main()
