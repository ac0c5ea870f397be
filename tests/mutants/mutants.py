#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Seeded mutations: what the tests are worth. Each removes or spoils one thing in the code; a suite has to notice.

The tree is copied to a temporary directory, once per worker. There one mutation at a time is applied, what it touches is
built (plain variant), and the suites named with it run until one of them fails. The verdict is TAP:

    ok 1 - caught: flush_first_dsb by test_gather
    not ok 2 - survived: flush_last_dsb (test_gather test_table_random)

    mutants.py [--boot] [--jobs N] [name ...]
    mutants.py --list | --dry-run

Names choose mutations, --boot those that need QEMU (BULKHEAD_BUILD: a build directory in which `make boot-files` was run).
--list prints the rows of docs/testing.md, --dry-run which mutations do not fit the code.
The mutations are in the other files of this directory, as (name, file, old text, new text, what it breaks, suites); the old
text occurs exactly once in the file, so that a mutation cannot silently stop being one.
"""

import argparse
import concurrent.futures
import contextlib
import importlib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

COPIED = ("Makefile", "Kconfig", "stage2", "hyp", "guest", "tests", "tools")
SUITE_SECONDS = 120
BOOT_SECONDS = 150  # one script, to its first failure; or
BOOT_TIMES = 3      # so many times what it takes without a mutation, where that is more


class Mutation:
    def __init__(self, row):
        self.name, self.file, self.old, self.new, self.breaks, suites = row
        self.suites = suites.split()

    def boots(self):
        return any(s.endswith(".py") for s in self.suites)

    def problem(self, top=TOP):
        """Why this is no mutation of the tree, or None."""
        try:
            with open(os.path.join(top, self.file), encoding="utf-8") as f:
                found = f.read().count(self.old)
        except OSError:
            return f"{self.file} is not there"
        if found != 1:
            return f"the text to replace is in {self.file} {found} times"
        return "it changes nothing" if self.old == self.new else None


def mutations():
    """Of every file beside this one; those that need QEMU at the end."""
    files = sorted(f.removesuffix(".py") for f in os.listdir(HERE) if f.endswith(".py") and f != os.path.basename(__file__))
    return sorted((Mutation(row) for f in files for row in importlib.import_module(f).MUTATIONS), key=Mutation.boots)


def run(command, seconds, **how):
    """Exit status (None: no end within the time) and output."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
                              errors="replace", text=True, **how)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace")


def run_to_failure(command, seconds, env):
    """A TAP script, ended at its first failure. What failed, or None."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env,
                             start_new_session=True)
    late = threading.Timer(seconds, lambda: os.killpg(child.pid, 9))
    late.start()
    failure, plan = None, False
    for line in child.stdout:
        plan |= line.startswith("1..")
        if line.startswith("not ok"):
            failure = line.strip()
            break
    late.cancel()
    if child.poll() is None:
        try:
            os.killpg(child.pid, 9)  # the script and the QEMU it has started
        except ProcessLookupError:
            pass
    child.wait()
    child.stdout.close()
    return failure or (None if plan else "it does not come to its end")


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Tree:
    """A copy of the sources with a build directory of its own."""

    def __init__(self, directory, like=None):
        self.top = directory
        os.makedirs(directory, exist_ok=True)
        if like:
            shutil.copytree(like.top, directory, dirs_exist_ok=True, symlinks=True)
            return
        for name in COPIED:
            source = os.path.join(TOP, name)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(directory, name))
            else:
                shutil.copy2(source, directory)

    def make(self, *arguments):
        # Mutations leave variables unused: no warning is an error here.
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        return run(["make", "-C", self.top, "O=build", "warn=-w", *arguments], 600, env=env)

    def build_units(self, suites):
        return self.make("unit", "unit_bin=" + " ".join(f"build/host/unit/{s}" for s in suites))

    def build_images(self, build, targets):
        """Not optimised as a whole, which would take ten times as long."""
        a64 = os.environ.get("BULKHEAD_ARM64", os.path.join(build, "arm64"))
        return self.make("-j2", "A64=" + a64, "lto=", "small=", "link=$(LD) $(ldflags)", *targets)

    @contextlib.contextmanager
    def mutated(self, mutation):
        path = os.path.join(self.top, mutation.file)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        write(path, text.replace(mutation.old, mutation.new))
        try:
            yield
        finally:
            write(path, text)


class Host:
    """Suites that run here."""

    def __init__(self, directory, chosen, jobs):
        first = Tree(os.path.join(directory, "0"))
        suites = sorted({s for m in chosen for s in m.suites})
        status, output = first.make("-j2", "unit", "unit_bin=" + " ".join(f"build/host/unit/{s}" for s in suites))
        if status:
            sys.exit(f"Bail out! the tree does not build\n{output}")
        for suite in suites:
            if not self.passes(first, suite):
                sys.exit(f"Bail out! {suite} fails without a mutation")
        self.trees = [first] + [Tree(os.path.join(directory, str(i)), first) for i in range(1, jobs)]

    @staticmethod
    def passes(tree, suite):
        return run([os.path.join(tree.top, "build/host/unit", suite)], SUITE_SECONDS, cwd=tree.top)[0] == 0

    def catcher(self, tree, mutation):
        """(suite, None), (None, None) when it survives, or (None, why it is no mutation)."""
        for suite in mutation.suites:
            status, output = tree.build_units([suite])
            if status:
                return None, "does not build:\n" + "\n".join(output.splitlines()[-6:])
            if not self.passes(tree, suite):
                return suite, None
        return None, None


class Boot:
    """Scripts that start QEMU, one at a time."""

    def __init__(self, directory, chosen, _jobs):
        self.build = os.environ.get("BULKHEAD_BUILD", os.path.join(TOP, "build"))
        self.trees = [Tree(os.path.join(directory, "0"))]
        scripts = sorted({s for m in chosen for s in m.suites})
        status, output = self.trees[0].build_images(self.build, [i for s in scripts for i in self.images(s)])
        if status:
            sys.exit(f"Bail out! the tree does not build\n{output}")
        self.seconds = {}
        for script in scripts:
            began = time.monotonic()
            failure = self.failure(self.trees[0], script, 6 * BOOT_SECONDS)
            if failure:
                sys.exit(f"Bail out! {script} fails without a mutation: {failure}")
            self.seconds[script] = max(BOOT_SECONDS, BOOT_TIMES * (time.monotonic() - began))

    @staticmethod
    def images(script):
        """What to build for it: the hypervisor, and those of other configurations."""
        with open(os.path.join(TOP, "tests/boot", script), encoding="utf-8") as f:
            return ["hyp"] + [v + "-image" for v in sorted(set(re.findall(r'harness\.variant\("(\w+)"\)', f.read())))]

    def failure(self, tree, script, seconds):
        env = dict(os.environ, BULKHEAD_BUILD=self.build, PYTHONDONTWRITEBYTECODE="1",
                   BULKHEAD_IMAGE=os.path.join(tree.top, "build/target/bulkhead.img"),
                   BULKHEAD_VARIANTS=os.path.join(tree.top, "build"))
        env.setdefault("BULKHEAD_PATIENCE", "0.4")
        return run_to_failure([sys.executable, os.path.join(tree.top, "tests/boot", script)], seconds, env)

    def catcher(self, tree, mutation):
        status, output = tree.build_images(self.build, [i for s in mutation.suites for i in self.images(s)])
        if status:
            return None, "does not build:\n" + "\n".join(output.splitlines()[-6:])
        for script in mutation.suites:
            failure = self.failure(tree, script, self.seconds[script])
            if failure:
                print(f"# {mutation.name}: {failure}", flush=True)
                return script, None
        return None, None


def verdict(place, trees, mutation):
    tree = trees.get()
    try:
        with tree.mutated(mutation):
            return place.catcher(tree, mutation)
    finally:
        trees.put(tree)


def report(chosen, place):
    failed = 0
    trees = queue.Queue()
    for tree in place.trees:
        trees.put(tree)
    with concurrent.futures.ThreadPoolExecutor(len(place.trees)) as pool:
        running = [pool.submit(verdict, place, trees, m) for m in chosen]
        for number, (mutation, future) in enumerate(zip(chosen, running), 1):
            by, wrong = future.result()
            failed += by is None
            if by:
                print(f"ok {number} - caught: {mutation.name} by {by}", flush=True)
            elif wrong:
                print(f"not ok {number} - {mutation.name}: {wrong}".replace("\n", "\n# "), flush=True)
            else:
                print(f"not ok {number} - survived: {mutation.name} ({' '.join(mutation.suites)})", flush=True)
    return failed


def main():
    arguments = argparse.ArgumentParser(description="Seeded mutations")
    arguments.add_argument("--boot", action="store_true", help="those that need QEMU")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--list", action="store_true", help="as rows of docs/testing.md")
    arguments.add_argument("--dry-run", action="store_true", help="only say which do not fit the code")
    arguments.add_argument("names", nargs="*")
    asked = arguments.parse_args()
    every = mutations()
    if asked.list:
        for m in every:
            print(f"| `{m.name}` | {os.path.basename(m.file)} | {m.breaks} | {' '.join(m.suites)} |")
        return 0
    if asked.dry_run:
        wrong = [f"{m.name}: {m.problem()}" for m in every if m.problem()]
        print("\n".join(wrong), end="\n" if wrong else "")
        return 1 if wrong else 0
    chosen = [m for m in every if m.boots() == asked.boot and (not asked.names or m.name in asked.names)]
    for m in chosen:
        if m.problem():
            sys.exit(f"Bail out! {m.name}: {m.problem()}")
    print(f"1..{len(chosen)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bulkhead-mutants-") as directory:
        return 1 if report(chosen, (Boot if asked.boot else Host)(directory, chosen, asked.jobs)) else 0


if __name__ == "__main__":
    sys.exit(main())
