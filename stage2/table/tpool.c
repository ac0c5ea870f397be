/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The pool of table pages: a free list through the metadata, so that a free page is touched by nobody. */
#include <stage2/geometry.h>
#include <stage2/tpool.h>

#include <s2_port.h>

#include "base/bits.h"

#define PA_END (1ull << 52) /* no address of any geometry is higher */

enum {
    DESCRIPTOR_LOG2 = 3,
    BATCH = 64, /* pages moved per hold of the lock */
};

enum s2_err s2_tpool_init(struct s2_tpool *p, struct s2_port *port, s2_pa base, size_t bytes, unsigned granule_log2,
                          struct s2_tpage *meta)
{
    if ((granule_log2 != S2_4K && granule_log2 != S2_16K && granule_log2 != S2_64K) ||
        bytes >> granule_log2 >= S2_TPAGE_NONE || base.v > PA_END - bytes)
        return S2_EINVAL;
    if ((base.v | bytes) & ((1ull << granule_log2) - 1))
        return S2_EALIGN;
    *p = (struct s2_tpool){
        .port = port,
        .base = base,
        .pages = (uint32_t)(bytes >> granule_log2),
        .free_head = S2_TPAGE_NONE,
        .dead_head = S2_TPAGE_NONE,
        .granule_log2 = (uint8_t)granule_log2,
        .meta = meta,
    };
    p->free = p->pages;
    for (uint32_t i = p->pages; i-- > 0;) {
        meta[i] = (struct s2_tpage){.level = S2_TPAGE_FREE, .link = p->free_head};
        p->free_head = i;
    }
    return S2_OK;
}

static void set_free(struct s2_tpool *p, uint32_t index)
{
    p->meta[index].level = S2_TPAGE_FREE;
    p->meta[index].link = p->free_head;
    p->free_head = index;
}

/* The page that a table descriptor of this granule leads to, whatever the space's geometry: the bits for outputs above 48 bits
 * are zero in those that have none (D8.3.1). */
static uint32_t linked(const struct s2_tpool *p, uint64_t desc)
{
    uint64_t pa = p->granule_log2 == S2_64K
                      ? (desc & s2_bits_mask(47, 16)) | (desc & s2_bits_mask(15, 12)) << 36
                      : (desc & s2_bits_mask(49, p->granule_log2)) | (desc & s2_bits_mask(9, 8)) << 42;

    return s2_tpool_index(p, S2_PA(pa));
}

/* One tree that was given back becomes free pages: its first one, and what that names. False: there is none. Bounded by the
 * entries of one table. */
static bool exhume(struct s2_tpool *p)
{
    enum { TABLE = 3 }; /* bits 1 and 0, above the last level, where all these are */
    uint32_t index = p->dead_head, left;
    const uint64_t *slot;

    if (index == S2_TPAGE_NONE)
        return false;
    p->dead_head = p->meta[index].link;
    slot = s2_port_table(p->port, s2_tpool_pa(p, index));
    for (left = p->meta[index].tables; left; slot++) {
        uint64_t desc = s2_port_pte_load(p->port, slot);

        if ((desc & TABLE) != TABLE)
            continue;
        set_free(p, linked(p, desc));
        left--;
    }
    set_free(p, index);
    return true;
}

static void zero(struct s2_tpool *p, uint32_t index, uint32_t pages)
{
    unsigned entries = 1u << (p->granule_log2 - DESCRIPTOR_LOG2);
    uint64_t *table = s2_port_table(p->port, s2_tpool_pa(p, index));

    s2_port_pte_fill(p->port, table, entries * pages, 0, 0);
}

/* From here on n pages of the free list are the caller's, whichever they will be. */
static enum s2_err charge(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, uint32_t promised)
{
    uint64_t asked = (uint64_t)q->used + promised + n;

    if (asked > q->limit)
        return S2_EQUOTA;
    if (n > p->free)
        return S2_ETABLES;
    q->used += n;
    p->free -= n;
    return S2_OK;
}

static void hold(struct s2_tpage *page)
{
    page->level = S2_TPAGE_HELD;
    page->flags = 0;
}

/* n of the pages that were charged go to the stash, in the order of the free list: pages that lie side by side are filled side by
 * side. */
static void take_batch(struct s2_tpool *p, uint32_t n, struct s2_tstash *stash)
{
    uint32_t first = S2_TPAGE_NONE, *end = &first;

    s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = p->free_head;

        if (index == S2_TPAGE_NONE) {
            (void)exhume(p); /* something is there: it was charged */
            index = p->free_head;
        }
        p->free_head = p->meta[index].link;
        hold(&p->meta[index]);
        *end = index;
        end = &p->meta[index].link;
    }
    *end = stash->head;
    stash->head = first;
    stash->count += n;
    s2_port_unlock(p->port, &p->lock);
}

static enum s2_err take(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, struct s2_tstash *stash, bool draw)
{
    enum s2_err err;

    if (!n)
        return S2_OK;
    s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
    err = charge(p, q, n, draw ? 0 : q->promised);
    s2_port_unlock(p->port, &p->lock);
    while (!err && n) {
        uint32_t batch = n < BATCH ? n : BATCH;

        take_batch(p, batch, stash);
        n -= batch;
    }
    return err;
}

enum s2_err s2_tpool_take(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, struct s2_tstash *stash)
{
    return take(p, q, n, stash, false);
}

enum s2_err s2_tpool_draw(struct s2_tpool *p, struct s2_tquota *q, uint32_t n, struct s2_tstash *stash)
{
    enum s2_err err = take(p, q, n, stash, true);

    /* What was taken last lies in front; outside the lock. */
    for (uint32_t i = stash->head; !err && n; n--, i = p->meta[i].link) {
        zero(p, i, 1);
        p->meta[i].flags = S2_TPAGE_ZERO;
    }
    return err;
}

void s2_tpool_give(struct s2_tpool *p, struct s2_tquota *q, struct s2_tstash *stash)
{
    while (stash->count) {
        uint32_t n = stash->count < BATCH ? stash->count : BATCH, first = stash->head, last = first;

        s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
        p->meta[last].level = S2_TPAGE_FREE;
        for (uint32_t i = 1; i < n; i++) {
            last = p->meta[last].link;
            p->meta[last].level = S2_TPAGE_FREE;
        }
        stash->head = p->meta[last].link;
        stash->count -= n;
        p->meta[last].link = p->free_head;
        p->free_head = first;
        p->free += n;
        q->used -= n;
        s2_port_unlock(p->port, &p->lock);
    }
}

void s2_tpool_give_trees(struct s2_tpool *p, struct s2_tquota *q, struct s2_tstash *trees)
{
    while (trees->count) {
        s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
        for (unsigned i = 0; trees->count && i < BATCH; i++) {
            uint32_t index = s2_tstash_pop(p, trees), pages = 1u + p->meta[index].tables;

            if (pages == 1) {
                set_free(p, index);
            } else {
                p->meta[index].link = p->dead_head;
                p->dead_head = index;
            }
            p->free += pages;
            q->used -= pages;
        }
        s2_port_unlock(p->port, &p->lock);
    }
}

/* The first run of n free pages whose address is a multiple of their size; p->pages when there is none. */
static uint32_t find_run(const struct s2_tpool *p, uint32_t n)
{
    uint64_t page = p->base.v >> p->granule_log2;
    uint32_t first = (uint32_t)(-page & (n - 1)), have = 0;

    while (have < n) {
        if (first + (uint64_t)n > p->pages)
            return p->pages;
        have = 0;
        while (have < n && p->meta[first + have].level == S2_TPAGE_FREE)
            have++;
        if (have < n)
            first += n;
    }
    return first;
}

/* Unlinks the pages [first, first + n) from the free list. Roots are few: the whole list is walked. */
static void remove_run(struct s2_tpool *p, uint32_t first, uint32_t n)
{
    uint32_t *link = &p->free_head;

    for (uint32_t left = n; left;) {
        if (*link - first < n) {
            *link = p->meta[*link].link;
            left--;
        } else {
            link = &p->meta[*link].link;
        }
    }
}

enum s2_err s2_tpool_take_root(struct s2_tpool *p, struct s2_tquota *q, unsigned n, s2_pa *root)
{
    uint32_t first = p->pages;
    enum s2_err err;

    s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
    err = charge(p, q, n, q->promised);
    if (!err) {
        first = find_run(p, n);
        if (first == p->pages) { /* perhaps in what was given back as trees */
            while (exhume(p))
                continue;
            first = find_run(p, n);
        }
        if (first == p->pages) {
            q->used -= n;
            p->free += n;
            err = S2_ETABLES;
        }
    }
    if (!err) {
        remove_run(p, first, n);
        for (uint32_t i = first; i < first + n; i++)
            p->meta[i] = (struct s2_tpage){.level = S2_TPAGE_HELD, .link = S2_TPAGE_NONE};
        p->meta[first].roots = (uint16_t)n;
    }
    s2_port_unlock(p->port, &p->lock);
    if (err)
        return err;
    zero(p, first, n);
    *root = s2_tpool_pa(p, first);
    return S2_OK;
}

void s2_tpool_give_root(struct s2_tpool *p, struct s2_tquota *q, s2_pa root)
{
    uint32_t first = s2_tpool_index(p, root);
    struct s2_tstash stash = S2_TSTASH_EMPTY;

    for (uint32_t n = p->meta[first].roots; n-- > 0;)
        s2_tstash_push(p, &stash, first + n);
    p->meta[first].roots = 0;
    s2_tpool_give(p, q, &stash);
}

uint32_t s2_tstash_pop(struct s2_tpool *p, struct s2_tstash *stash)
{
    uint32_t index = stash->head;

    stash->head = p->meta[index].link;
    stash->count--;
    return index;
}

void s2_tstash_push(struct s2_tpool *p, struct s2_tstash *stash, uint32_t index)
{
    p->meta[index].link = stash->head;
    stash->head = index;
    stash->count++;
}

void s2_tstash_move(struct s2_tpool *p, struct s2_tstash *from, struct s2_tstash *to, uint32_t n)
{
    for (; n && from->count; n--)
        s2_tstash_push(p, to, s2_tstash_pop(p, from));
}

const char *s2_tpool_check(const struct s2_tpool *p)
{
    uint32_t listed = 0, free = 0, dead = 0;

    for (uint32_t i = p->free_head; i != S2_TPAGE_NONE; i = p->meta[i].link) {
        if (i >= p->pages)
            return "the free list leads out of the pool";
        if (p->meta[i].level != S2_TPAGE_FREE)
            return "a table page in use is on the free list";
        if (++listed > p->pages)
            return "the free list has a loop";
    }
    for (uint32_t i = p->dead_head; i != S2_TPAGE_NONE; i = p->meta[i].link) {
        if (i >= p->pages || dead > p->pages)
            return "the list of trees that were given back is broken";
        dead += 1u + p->meta[i].tables;
    }
    for (uint32_t i = 0; i < p->pages; i++)
        free += p->meta[i].level == S2_TPAGE_FREE;
    return listed + dead == p->free && free == listed ? NULL : "the count of free table pages is wrong";
}
