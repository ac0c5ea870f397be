/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is asked of every engine. 40 bits of IPA, 4K granule, tables that start empty:
 *
 *   W1  map 1 GiB by 4K pages: one operation; the output is a page off, so no block and no run of pages is congruent
 *   W2  map 64 GiB by 2M blocks: one operation; the output is 2 MiB off
 *   W3  map 1 GiB piece by piece: operations of about 8 MiB that begin and end at any page, each with outputs of its own,
 *       congruent at 2 MiB: pages at both ends, in tables shared with the neighbours, and three blocks or so between
 *   W4  unmap what W1 mapped: one operation
 *   W5  write-protect what W1 mapped: one operation; once with a table that hardware does not write, once with one whose
 *       access flag and dirty state it keeps (HAFDBS)
 *   W6  65,536 single pages anywhere, mapped and, in another order, unmapped, each alone as faults are
 *       and mapped once more as the fault path does it, with tables out of a cache
 *   W7  one page inside each of 4,096 blocks of 2 MiB becomes read-only
 *   W8  look up random pages of what W1 mapped, each lookup waiting for the answer of the one before
 *   W9  destroy what W1 mapped */
#ifndef BENCH_TABLE_WORK_H
#define BENCH_TABLE_WORK_H

#include <stdbool.h>
#include <stdint.h>

#define IPA_BITS 40u
#define PAGE     UINT64_C(0x1000)
#define BLOCK    UINT64_C(0x200000)
#define GIB      UINT64_C(0x40000000)

#define MAP_IPA  (8 * GIB)
#define RAM_PA   (UINT64_C(1) << 41) /* outputs: nobody reads what is there */
#define RAM_SIZE (UINT64_C(1) << 40)

/* One operation. */
struct job {
    uint64_t ipa, bytes, pa;
};
struct jobs {
    struct job *job;
    unsigned n;
};

struct work {
    struct jobs pages, blocks, mixed, single, single_unmap, split_blocks, split;
    struct jobs split_rest; /* what the jobs of split leave of their blocks */
    uint64_t *lookup;       /* addresses */
    unsigned lookups;
};

/* small: a thousandth of it, to see whether everything is right. */
void work_make(struct work *w, bool small, uint64_t seed);
void work_free(struct work *w);

uint64_t jobs_bytes(const struct jobs *jobs);
static inline uint64_t jobs_end(const struct job *j)
{
    return j->ipa + j->bytes;
}
/* A batch is one operation, or many of which none may begin before the one before is done: an exception that is taken and
 * returned from orders instructions like this, too. */
static inline void work_isolate(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
