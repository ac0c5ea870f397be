#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The area benchmark builds, its containers agree, and it notices one that does not. Nothing here looks at time."""

import os
import pathlib
import tempfile

from tap import end, run, seen

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", TOP / "build")) / "bench/area"
SMALL = ["--rounds", "1", "--sizes", "16,1000"]
ROWS = ["find, dependent", "find, independent", "insert", "erase, exact", "split", "map over", "protect", "find free, worst",
        "find free, random", "find free, rare", "iterate", "clear", "bytes per area"]

# Bulkhead's map under another name, with one function that lies.
WRONG = """
#include <stdlib.h>
#include <string.h>
#include "peer.h"
extern const struct peer peer_imap;
struct peer peer_rust;
static uint64_t find(const struct bench_maps *m, const uint64_t *key, uint32_t n)
{ return peer_imap.find_indep(m, key, n) + 1; }
static uint64_t insert(const struct bench_maps *m, const struct bench_area *a, uint32_t n)
{ return peer_imap.insert(m, a, n) + (n > 0); }
static uint64_t split(const struct bench_maps *m, const struct bench_range *r, uint32_t n)
{ (void)m, (void)r; return n; }
static uint64_t find_free(const struct bench_maps *m, const struct bench_gap *g, uint32_t n)
{ return peer_imap.find_free(m, g, n) + BENCH_GRANULE; }
static uint64_t iterate(void *map)
{ return peer_imap.iterate(map) ^ 1; }
__attribute__((constructor)) static void make(void)
{
    const char *what = getenv("WRONG");
    peer_rust = peer_imap;
    peer_rust.name = "wrong";
    if (!strcmp(what, "find")) peer_rust.find_indep = find;
    if (!strcmp(what, "insert")) peer_rust.insert = insert;
    if (!strcmp(what, "split")) peer_rust.split = split;
    if (!strcmp(what, "find_free")) peer_rust.find_free = find_free;
    if (!strcmp(what, "iterate")) peer_rust.iterate = iterate;
}
"""

def main():
    done = run(BUILD / "bench-area-check", *SMALL)
    seen(done.returncode == 0, "all containers agree", done)
    seen(all(row in done.stdout for row in ROWS), "every row of the table is there", done)
    if "std::map" in done.stdout:
        seen("best peer" in done.stdout, "ratios to the best peer are printed", done)
    else:
        print("# without g++: no peer beside Bulkhead's own")
    done = run(BUILD / "bench-area", *SMALL, "--markdown")
    seen(done.returncode == 0 and "|---|---:|---:|" in done.stdout, "the tables come as Markdown too", done)
    with tempfile.TemporaryDirectory() as tmp:
        source = pathlib.Path(tmp, "wrong.c")
        source.write_text(WRONG)
        objects = [o for o in sorted((BUILD / "tests/bench").glob("*/*.o"))
                   if not o.stem.startswith("peer_") or o.stem in ("peer_imap", "peer_areaset", "peer_limit")]
        done = run("cc", "-I", TOP / "tests/bench/area", "-o", f"{tmp}/wrong", source, *objects, BUILD / "libstage2.a")
        seen(done.returncode == 0, "a container that lies is linked in", done)
        for what in ("nothing", "find", "insert", "split", "find_free", "iterate"):
            done = run(f"{tmp}/wrong", *SMALL, WRONG=what)
            blamed = "bench: wrong at N = " in done.stderr
            seen(blamed == (done.returncode == 1) == (what != "nothing"), f"it lies about {what}: said, by exit status too", done)


main()
end()
