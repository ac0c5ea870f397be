/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Table pages: a pool of granule-sized pages that EL2 maps, with their metadata outside the pages. Shared by all spaces,
 * charged to quotas. */
#ifndef STAGE2_TPOOL_H
#define STAGE2_TPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/error.h>
#include <stage2/port_types.h>

#define S2_TPAGE_NONE UINT32_MAX

/* Per table page. `valid` counts entries that are not zero, `tables` those of them that lead to tables, `sum` adds up what its
 * leaves say (table/desc.h): together they tell, without a look at the table, whether it is full of leaves that one block could
 * say. Under the space's shared lock they are changed atomically. */
struct s2_tpage {
    uint64_t sum;
    uint16_t valid, tables;
    uint16_t space; /* id of the owner, while in a table */
    int8_t level;   /* of the table, or one of the two below */
    uint8_t flags;  /* S2_TPAGE_SEEN, S2_TPAGE_ZERO */
    uint16_t roots; /* first page of a root: how many */
    uint32_t link;  /* free list, list of trees, stash, cache or gather */
};
#define S2_TPAGE_FREE INT8_MIN       /* in the pool */
#define S2_TPAGE_HELD (INT8_MIN + 1) /* taken, in a stash */
#define S2_TPAGE_SEEN 1u             /* a check has met it */
#define S2_TPAGE_ZERO 2u             /* held, and all zero; else it holds anything */

struct s2_tpool {
    struct s2_lock lock;
    struct s2_port *port;
    s2_pa base;
    uint32_t pages, free; /* in the free list, or below: */
    uint32_t free_head;
    uint32_t dead_head; /* trees that were given back whole: their first tables; entries inside name further pages */
    uint8_t granule_log2;
    struct s2_tpage *meta;
};

/* A VM's share of the pool. */
struct s2_tquota {
    uint32_t limit, used, promised;
};

/* Pages taken and not yet used, linked through the metadata. */
struct s2_tstash {
    uint32_t head, count;
};
#define S2_TSTASH_EMPTY ((struct s2_tstash){S2_TPAGE_NONE, 0})

/* base: granule-aligned, bytes a multiple of it, else S2_EALIGN; below 2^52, fewer pages than S2_TPAGE_NONE and of a size that a
 * granule has (enum s2_granule), else S2_EINVAL. meta: one struct s2_tpage per page. Writes no page; on an error nothing. */
S2_NODISCARD enum s2_err s2_tpool_init(struct s2_tpool *p, struct s2_port *port, s2_pa base, size_t bytes,
                                       unsigned granule_log2, struct s2_tpage *meta);
/* Adds n pages, with whatever is in them, to the stash, charged to q. All or nothing: S2_EQUOTA (limit - used - promised is
 * less), S2_ETABLES. */
S2_NODISCARD enum s2_err s2_tpool_take(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, struct s2_tstash *stash);
/* The same, each page all zero, and what the quota has promised may be used: for faults in lazy areas, which the promise is
 * for. Pages are zeroed outside the pool's lock. */
S2_NODISCARD enum s2_err s2_tpool_draw(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, struct s2_tstash *stash);
/* Takes back every page of the stash, whatever is in it. */
void s2_tpool_give(struct s2_tpool *p, struct s2_tquota *q, struct s2_tstash *stash);
/* Takes back trees of tables that no walker can reach, by their first pages: each table of pages, or one level above, and all
 * below it. Costs as much as there are trees: what lies below is looked for when it is needed. */
void s2_tpool_give_trees(struct s2_tpool *p, struct s2_tquota *q, struct s2_tstash *trees);
/* n contiguous zeroed pages aligned to n pages, for a root; n: 1, 2, 4, 8, 16. S2_EQUOTA; S2_ETABLES, also when enough are free
 * but not n together. */
S2_NODISCARD enum s2_err s2_tpool_take_root(struct s2_tpool *p, struct s2_tquota *q, unsigned n, s2_pa *root);
void s2_tpool_give_root(struct s2_tpool *p, struct s2_tquota *q, s2_pa root);

static inline uint32_t s2_tpool_index(const struct s2_tpool *p, s2_pa pa)
{
    return (uint32_t)((pa.v - p->base.v) >> p->granule_log2);
}
static inline s2_pa s2_tpool_pa(const struct s2_tpool *p, uint32_t index)
{
    return S2_PA(p->base.v + ((uint64_t)index << p->granule_log2));
}
uint32_t s2_tstash_pop(struct s2_tpool *p, struct s2_tstash *stash); /* pre: not empty */
void s2_tstash_push(struct s2_tpool *p, struct s2_tstash *stash, uint32_t index);
/* n pages, or as many as `from` has. */
void s2_tstash_move(struct s2_tpool *p, struct s2_tstash *from, struct s2_tstash *to, uint32_t n);
/* Free list against counts. Null when sound. The pool must be quiet. */
const char *s2_tpool_check(const struct s2_tpool *p);

#endif
