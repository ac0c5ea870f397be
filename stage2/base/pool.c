/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/pool.h"

/* What a free node holds. */
struct free_node {
    uint32_t next;
};

void s2_pool_init(struct s2_pool *pool, void *mem, size_t bytes)
{
    size_t nodes = bytes / S2_NODE_BYTES;
    /* cover: 2^32 nodes are 2.75 TiB */
    uint32_t count = nodes < S2_NODE_NONE ? (uint32_t)nodes : S2_NODE_NONE - 1;

    *pool = (struct s2_pool){.base = mem, .count = count, .free_head = S2_NODE_NONE};
    /* Backwards, so that nodes are handed out in ascending order. */
    while (count > 0)
        s2_pool_give(pool, --count);
}

enum s2_err s2_pool_reserve(struct s2_pool *pool, uint32_t n)
{
    /* While an operation commits, nodes that it took are still in its promise, so `reserved` may exceed `free`. */
    if (pool->free < pool->reserved || pool->free - pool->reserved < n)
        return S2_ENODES;
    pool->reserved += n;
    return S2_OK;
}

void s2_pool_unreserve(struct s2_pool *pool, uint32_t n)
{
    pool->reserved -= n;
}

uint32_t s2_pool_take(struct s2_pool *pool)
{
    uint32_t node = pool->free_head;
    const struct free_node *f;

    /* A promise was wrong. To stop is the least harm: what follows would be a store to any address. */
    /* cover: no promise is, and a test would not outlive it */
    if (node == S2_NODE_NONE)
        __builtin_trap();
    f = s2_pool_node(pool, node);
    pool->free_head = f->next;
    pool->free--;
    return node;
}

void s2_pool_give(struct s2_pool *pool, uint32_t node)
{
    struct free_node *f = s2_pool_node(pool, node);

    f->next = pool->free_head;
    pool->free_head = node;
    pool->free++;
}

const char *s2_pool_check(const struct s2_pool *pool)
{
    uint32_t seen = 0;

    for (uint32_t node = pool->free_head; node != S2_NODE_NONE; seen++) {
        const struct free_node *f = s2_pool_node(pool, node);

        if (node >= pool->count)
            return "a free node lies outside the pool";
        if (seen == pool->free)
            return "the free list is longer than its count";
        node = f->next;
    }
    return seen == pool->free ? NULL : "the free list is shorter than its count";
}
