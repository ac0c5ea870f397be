/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Taking and giving single nodes: for structures whose caller has reserved. */
#ifndef STAGE2_BASE_POOL_H
#define STAGE2_BASE_POOL_H

#include <stage2/imap.h>

/* pre: a promise of the caller's covers it. The node's contents are undefined. */
uint32_t s2_pool_take(struct s2_pool *pool);
void s2_pool_give(struct s2_pool *pool, uint32_t node);

static inline void *s2_pool_node(const struct s2_pool *pool, uint32_t node)
{
    return pool->base + (size_t)node * S2_NODE_BYTES;
}

#endif
