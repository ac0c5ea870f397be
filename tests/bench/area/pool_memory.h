/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A pool that surely holds the nodes of so many areas. */
#ifndef BENCH_AREA_POOL_MEMORY_H
#define BENCH_AREA_POOL_MEMORY_H

#include <stdlib.h>

#include <stage2/imap.h>

/* Five areas fill a node on average in the worst case (s2_imap_capacity). */
static inline void *pool_memory(struct s2_pool *pool, uint64_t max_areas)
{
    size_t bytes = (size_t)(max_areas / 4 + 64) * S2_NODE_BYTES;
    void *mem = aligned_alloc(64, bytes);

    if (!mem)
        abort();
    s2_pool_init(pool, mem, bytes);
    return mem;
}

#endif
