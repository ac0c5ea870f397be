/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The memory for table pages. Subjects have it in turn, so that none of them has better pages than the others. */
#ifndef BENCH_TABLE_ARENA_H
#define BENCH_TABLE_ARENA_H

#include <stdint.h>

#define ARENA_PA UINT64_C(0x80000000)

struct arena {
    unsigned char *host;
    uint32_t pages;
};

static inline uint64_t *arena_table(const struct arena *a, uint64_t pa)
{
    return (uint64_t *)(void *)(a->host + (pa - ARENA_PA));
}

/* Touched, so that no page fault of this machine is measured. */
void arena_make(struct arena *a, uint32_t pages);
void arena_free(struct arena *a);

#endif
