/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a container must show to stand in `make bench-area-peers`: one struct peer. The harness (bench.c) times whole
 * batches; the loop over the jobs is inside the adapter's own translation unit (loops.h has it for C and C++), so that
 * no indirect call per operation is measured. Every batch returns a checksum, and the harness compares it across peers.
 *
 * An adapter is tests/bench/area/peer_<x>.c or .cpp, or brings its own peer_<x>.mk (see tools/make/bench.mk), and defines
 * `const struct peer peer_<x>` with C linkage. bench.c names it in its table as a weak symbol: an adapter that is not
 * linked is not in the run. */
#ifndef BENCH_AREA_PEER_H
#define BENCH_AREA_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every address is a multiple of the granule and lies in [0, BENCH_SPACE_END). */
#define BENCH_GRANULE   4096u
#define BENCH_SPACE_END (UINT64_C(1) << 47)
#define BENCH_NONE      UINT64_MAX

/* 24 bytes of payload, equal for every peer, all of them stored: w[0] is BENCH_KIND for each area, w[1] any 64 bits, w[2]
 * below 2^32. */
#define BENCH_KIND UINT64_C(0x6b696e64)
struct bench_area {
    uint64_t start, end; /* half open */
    uint64_t w[3];
};
struct bench_range {
    uint64_t start, end;
};
struct bench_protect {
    uint64_t start, end, attr;
};
struct bench_gap {
    uint64_t lo, size, align; /* lo: a multiple of the granule; align: a power of two */
};

/* What a search answers to loops.h. */
struct bench_hit {
    uint64_t start, w1;
};

/* Several instances used in turn: job i is for map[i & mask]. */
struct bench_maps {
    void *const *map;
    uint32_t mask; /* instances - 1, a power of two less one */
};

/* A function that the container cannot honestly offer is null, and its cell in the table is "-". */
struct peer {
    const char *name; /* at most 12 characters */
    const char *what; /* one line: version, and what is done how */

    /* Empty; room for max_areas areas at any time, whatever their order (only containers on a fixed pool care). */
    void *(*create)(uint64_t max_areas);
    void (*destroy)(void *map);
    /* Inserts n areas in the order given into one empty map. */
    void (*build)(void *map, const struct bench_area *area, uint64_t n);

    /* The area that holds the key. Sum of start ^ w[1] over the hits; a miss adds nothing.
     * dep: the key looked up is key[i] + (p & *zero), p being w[1] of the hit before (0 after a miss and at first);
     * *zero is 0, but only memory says so, and no search can begin before the one before it has ended. */
    uint64_t (*find_dep)(const struct bench_maps *m, const uint64_t *key, uint32_t n, const uint64_t *zero);
    uint64_t (*find_indep)(const struct bench_maps *m, const uint64_t *key, uint32_t n);

    /* Inserts an area unless it would overlap one. Returns how many went in. */
    uint64_t (*insert)(const struct bench_maps *m, const struct bench_area *area, uint32_t n);
    /* Removes the area that is exactly [start, end), if there is one. Returns how many went. */
    uint64_t (*erase)(const struct bench_maps *m, const struct bench_range *range, uint32_t n);
    /* Takes [start, end) out of the area that has it strictly inside, which becomes two, both with its payload. Returns
     * how many areas were split; a range that is not strictly inside one changes nothing. */
    uint64_t (*split)(const struct bench_maps *m, const struct bench_range *range, uint32_t n);
    /* A new area over whatever is there: what it meets is cut at its ends (the rest keeps its payload), what lies inside
     * is deleted, however many they are; then it is inserted. Returns how many areas were met, over all jobs. Jobs: over
     * the tail of one area, the whole of the next and the head of the third. */
    uint64_t (*map_over)(const struct bench_maps *m, const struct bench_area *area, uint32_t n);
    /* [start, end), strictly inside an area, gets w[2] = attr: three areas where there was one. Returns how many areas
     * were changed; a range that is not strictly inside one changes nothing. */
    uint64_t (*protect)(const struct bench_maps *m, const struct bench_protect *job, uint32_t n);
    /* Lowest address at or above lo, a multiple of align, with `size` free bytes behind it inside [lo, BENCH_SPACE_END);
     * sum over the jobs, BENCH_NONE for none. In the common table align is the granule, so that a container without
     * alignment may leave it out. */
    uint64_t (*find_free)(const struct bench_maps *m, const struct bench_gap *job, uint32_t n);
    bool linear_gaps; /* find_free walks the areas one by one: the harness gives it fewer jobs */

    /* Of one map, in ascending order: the sum of (start ^ end of the area before, 0 for the first) + w[1]. */
    uint64_t (*iterate)(void *map);
    /* Empties it and gives its nodes back (to malloc or to its pool); it stays usable. */
    void (*clear)(void *map);
    /* Bytes that it holds now. Null: everything comes from glibc's malloc (Rust: std::alloc::System), and the harness asks
     * mallinfo2 before and after, headers and rounding included. */
    uint64_t (*bytes)(void *map);
};

#endif
