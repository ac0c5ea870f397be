#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The table benchmark builds, its engines leave the tables that they should, and it notices one that does not. Nothing here
looks at time."""

import os
import pathlib
import re
import tempfile

from tap import end, run, seen

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", TOP / "build")) / "bench/table"
SMALL = ["--rounds", "1", "--small"]
ROWS = ["W1 map", "W2 map", "W3 map", "W4 unmap", "W5 write-protect", "W5 with HAFDBS", "W6 map", "W6 unmap", "W6 map it by a fault", "W7 change",
        "W8 look up", "W9 destroy"]

# The engine under another name, with one function that lies.
WRONG = """
#include <stdlib.h>
#include <string.h>
#include "subject.h"
extern const struct subject subject_engine;
struct subject subject_kvm;
static unsigned most(struct jobs *jobs)
{ jobs->n--; return jobs->n + 1; }
static unsigned forgets(void *s, const struct jobs *jobs)
{ struct jobs j = *jobs; unsigned n = most(&j); subject_engine.map(s, &j); return n; }
static unsigned elsewhere(void *s, const struct jobs *jobs)
{
    struct job job = jobs->job[0]; struct jobs j = {&job, 1};
    job.pa += PAGE;
    return jobs->n == 1 ? subject_engine.map(s, &j) : subject_engine.map(s, jobs);
}
static unsigned leaves(void *s, const struct jobs *jobs)
{ struct jobs j = *jobs; unsigned n = most(&j); subject_engine.unmap(s, &j); return n; }
static unsigned refuses(void *s, const struct jobs *jobs)
{ return subject_engine.unmap(s, jobs) - 1; }
static unsigned writable(void *s, const struct jobs *jobs)
{ (void)s; return jobs->n; }
static uint64_t guesses(void *s, const uint64_t *ipa, unsigned n, const uint64_t *zero)
{ return subject_engine.lookup(s, ipa, n, zero) + 1; }
static void leaks(void *s, struct account *a)
{ subject_engine.account(s, a); a->pages++; }
__attribute__((constructor)) static void make(void)
{
    const char *what = getenv("WRONG");
    subject_kvm = subject_engine;
    subject_kvm.name = "wrong";
    if (!strcmp(what, "forgets")) subject_kvm.map = forgets;
    if (!strcmp(what, "elsewhere")) subject_kvm.map = elsewhere;
    if (!strcmp(what, "leaves")) subject_kvm.unmap = leaves;
    if (!strcmp(what, "refuses")) subject_kvm.unmap = refuses;
    if (!strcmp(what, "writable")) subject_kvm.protect = writable;
    if (!strcmp(what, "guesses")) subject_kvm.lookup = guesses;
    if (!strcmp(what, "leaks")) subject_kvm.account = leaks;
}
"""

# What the function does, and what is seen of it.
ERRS = {
    "agrees": "one that does not err is not blamed",
    "forgets": "an operation that maps nothing is noticed, in the exit status too",
    "elsewhere": "so is a wrong output",
    "leaves": "so is a page that stays mapped",
    "refuses": "so is a refusal",
    "writable": "so is a page that stays writable",
    "guesses": "so is a wrong answer of a lookup",
    "leaks": "so is a table page too many",
}

def main():
    done = run(BUILD / "bench-table", *SMALL)
    seen(done.returncode == 0, "after each workload the tables are what they should be", done)
    seen(all(row in done.stdout for row in ROWS), "every workload is there", done)
    seen("whole address space" in done.stdout, "so is the whole address space", done)
    for name in ("engine", "space"):
        seen(re.search(rf"^{name} +refused +0 +0$", done.stdout, re.M), f"{name}: what is refused leaves nothing behind", done)
    done = run(BUILD / "bench-table", *SMALL, "--markdown")
    seen(done.returncode == 0 and "|---|---:|---:|" in done.stdout, "the tables come as Markdown too", done)
    done = run(BUILD / "bench-table", "--rounds", "0")
    seen(done.returncode == 2 and "usage:" in done.stderr, "a wrong argument is refused", done)
    with tempfile.TemporaryDirectory() as tmp:
        source = pathlib.Path(tmp, "wrong.c")
        source.write_text(WRONG)
        objects = [o for o in sorted((BUILD / "tests/bench").glob("*/*.o")) if o.stem != "subject_kvm"]
        done = run("cc", "-I", TOP / "tests/bench/table", "-o", f"{tmp}/wrong", source, *objects, BUILD / "libstage2.a")
        seen(done.returncode == 0, "an engine that errs is linked in", done)
        for what, name in ERRS.items():
            done = run(f"{tmp}/wrong", *SMALL, WRONG=what)
            blamed = "bench: wrong: wrong after W" in done.stderr
            seen(blamed == (done.returncode == 1) == (what != "agrees"), name, done)


main()
end()
