/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an engine must show to stand in `make bench-table-peers`: one struct subject. The harness times whole batches; the
 * loop over the jobs, with work_isolate() between two of them, is the subject's own, so that no indirect call per operation
 * is measured. All of them keep their tables in the same memory (arena.h), where oracle.c looks what hardware would find.
 *
 * A subject is tests/bench/table/subject_<x>.c and defines `const struct subject subject_<x>`; measure.c names it as a weak
 * symbol: one that is not linked is not in the run. */
#ifndef BENCH_TABLE_SUBJECT_H
#define BENCH_TABLE_SUBJECT_H

#include "arena.h"
#include "work.h"

/* What is done with an instance from create to destroy. Only the limit asks: it is a loop made for one workload. */
enum sequence {
    SEQ_PAGES,  /* W1, W4 */
    SEQ_LOOKUP, /* map pages, W8 */
    SEQ_END,    /* map pages, W5, W9 */
    SEQ_DIRTY,  /* the same with HAFDBS, without W9 */
    SEQ_BLOCKS, /* W2 */
    SEQ_MIXED,  /* W3 */
    SEQ_SINGLE, /* W6: map, unmap */
    SEQ_FAULT,  /* W6 by the fault path */
    SEQ_SPLIT,  /* map blocks, W7 */
    SEQUENCES
};

struct account {
    uint64_t root;  /* PA: two tables of level 1, concatenated */
    uint32_t pages; /* table pages taken from the arena and not given back */
    uint32_t kept;  /* of them: in reserve, in no table */
    uint64_t tlbi, dsb;
};

/* A function that a subject does not have is null, and its cell in the table is "-". */
struct subject {
    const char *name; /* at most 14 characters */
    const char *what; /* one line */
    bool counts;      /* its invalidations are counted, because it has any */

    /* An empty table whose VMID is live on this CPU. The arena is the subject's alone until destroy. Null: not this one. */
    void *(*create)(struct arena *a, enum sequence seq);
    /* After destroy: everything but the arena goes. */
    void (*release)(void *s);

    /* Each job is one operation, complete when the next begins: table pages taken, everything invalidated, spare and
     * dead pages given back. Return how many succeeded. map: read-write; protect: to read-only. */
    unsigned (*map)(void *s, const struct jobs *jobs);
    unsigned (*fault)(void *s, const struct jobs *jobs); /* map, as a fault is resolved */
    unsigned (*unmap)(void *s, const struct jobs *jobs);
    unsigned (*protect)(void *s, const struct jobs *jobs);
    /* The sum of the outputs; address i is ipa[i] + (the output before & *zero), *zero being 0. */
    uint64_t (*lookup)(void *s, const uint64_t *ipa, unsigned n, const uint64_t *zero);
    /* No table is left, the root neither. */
    void (*destroy)(void *s);

    void (*account)(void *s, struct account *out);
};

#endif
