/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The limit: for each workload a loop that knows it and leaves the same tables, with nothing checked, nothing invalidated and
 * nothing that could fail.
 *
 *   W1, W2  fills pages that are already there (fill.h), one after another, and links them
 *   W3      the same; a table in which one operation leaves room is zeroed there, and the walk finds it for the next
 *   W4, W9  limit: one store for each GiB, then the tables' entries above the last level are read and counted
 *           limit 2: the same, and each table page goes into a free list in 24 bytes of metadata
 *   W5      limit: the store of every descriptor, each by itself as walkers may see it, without a look at what was there
 *           limit 2: each loaded, changed and stored
 *   W6      the least that one page takes: the walk, to unmap the last entry's load included; a page out of the free list,
 *           zeroed, for each table that lacks; one store; a count of entries for each table, so that the last one out gives
 *           it back
 *   W7      a store, 512 descriptors into a page that is already there, a store
 *   W8      three loads, each with an address from the one before */
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "subject.h"

enum { ENTRIES = 512, NONE = UINT32_MAX };

#define LEAF  UINT64_C(0x7fd) /* block: valid, write-back, inner shareable, read-write, AF */
#define LEAF3 UINT64_C(0x7ff) /* page */
#define WRITE UINT64_C(0x80)
#define LINK  UINT64_C(3)
#define OA    UINT64_C(0xfffffffff000)

struct page {
    uint32_t link, valid;
    uint64_t more[2];
};
struct limit {
    struct arena *a;
    enum sequence seq;
    uint32_t next; /* page that was never used */
    uint32_t free, used;
    struct page *meta;
};

static inline uint64_t *table_at(const struct limit *l, uint32_t index)
{
    return arena_table(l->a, ARENA_PA + index * PAGE);
}
static inline uint64_t link_to(uint32_t index)
{
    return (ARENA_PA + index * PAGE) | LINK;
}
static inline uint32_t linked(uint64_t desc)
{
    return (uint32_t)(((desc & OA) - ARENA_PA) / PAGE);
}
/* The entry of the root, which is two tables. */
static inline uint64_t *root_slot(const struct limit *l, uint64_t ipa)
{
    return &table_at(l, 0)[ipa / GIB];
}
static inline unsigned index2(uint64_t ipa)
{
    return (unsigned)(ipa / BLOCK % ENTRIES);
}
static inline unsigned index3(uint64_t ipa)
{
    return (unsigned)(ipa / PAGE % ENTRIES);
}
static inline void store(uint64_t *slot, uint64_t desc)
{
    __atomic_store_n(slot, desc, __ATOMIC_RELAXED);
}

static void *limit_create(struct arena *a, enum sequence seq)
{
    struct limit *l = calloc(1, sizeof(*l));

    if (!l || !(l->meta = calloc(a->pages, sizeof(*l->meta))))
        abort();
    l->a = a;
    l->seq = seq;
    l->next = l->used = 2;
    l->free = 2;
    for (uint32_t i = 0; i < a->pages; i++)
        l->meta[i].link = i + 1 < a->pages ? i + 1 : NONE;
    memset(table_at(l, 0), 0, 2 * PAGE);
    return l;
}

static void limit_release(void *s)
{
    struct limit *l = s;

    free(l->meta);
    free(l);
}

/* --- W1, W2 ------------------------------------------------------------------------------------------------------- */

static uint32_t bulk_table(struct limit *l, uint64_t ipa, uint64_t end, uint64_t delta, bool pages)
{
    uint32_t index = l->next++;
    uint64_t *table = table_at(l, index);
    unsigned n = (unsigned)(end - ipa < GIB ? (end - ipa) / BLOCK : ENTRIES);

    if (pages)
        for (unsigned i = 0; i < n; i++) {
            uint32_t last = l->next++;

            bench_fill(table_at(l, last), ENTRIES, (ipa + i * BLOCK + delta) | LEAF3, PAGE);
            table[i] = link_to(last);
        }
    else
        bench_fill(table, n, (ipa + delta) | LEAF, BLOCK);
    if (n < ENTRIES)
        bench_fill(table + n, ENTRIES - n, 0, 0);
    return index;
}

static void map_bulk(struct limit *l, const struct job *j)
{
    bool pages = (j->pa - j->ipa) % BLOCK != 0;

    for (uint64_t ipa = j->ipa; ipa < jobs_end(j); ipa += GIB)
        store(root_slot(l, ipa), link_to(bulk_table(l, ipa, jobs_end(j), j->pa - j->ipa, pages)));
    l->used = l->next;
}

/* --- W3 ----------------------------------------------------------------------------------------------------------- */

/* The table at level 2 for ipa. */
static uint64_t *table2(struct limit *l, uint64_t ipa)
{
    uint64_t *slot = root_slot(l, ipa);

    if (!*slot) {
        bench_fill(table_at(l, l->next), ENTRIES, 0, 0);
        store(slot, link_to(l->next++));
    }
    return table_at(l, linked(*slot));
}

/* Pages of one table, from ipa to end. */
static void map_ragged(struct limit *l, uint64_t ipa, uint64_t end, uint64_t delta)
{
    unsigned from = index3(ipa), n = (unsigned)((end - ipa) / PAGE);
    uint64_t *slot = &table2(l, ipa)[index2(ipa)];
    bool fresh = !*slot;
    uint32_t index = fresh ? l->next++ : linked(*slot);
    uint64_t *table = table_at(l, index);

    bench_fill(table + from, n, (ipa + delta) | LEAF3, PAGE);
    if (!fresh)
        return;
    bench_fill(table, from, 0, 0);
    bench_fill(table + from + n, ENTRIES - from - n, 0, 0);
    store(slot, link_to(index));
}

static void map_mixed(struct limit *l, const struct job *j)
{
    uint64_t at = j->ipa, end = jobs_end(j), delta = j->pa - j->ipa;

    if (at % BLOCK) {
        uint64_t to = at / BLOCK * BLOCK + BLOCK;

        map_ragged(l, at, to, delta);
        at = to;
    }
    while (at + BLOCK <= end) {
        unsigned from = index2(at), n = (unsigned)((end - at) / BLOCK);

        n = n < ENTRIES - from ? n : ENTRIES - from;
        bench_fill(table2(l, at) + from, n, (at + delta) | LEAF, BLOCK);
        at += n * BLOCK;
    }
    if (at < end)
        map_ragged(l, at, end, delta);
    l->used = l->next;
}

/* --- W6 ----------------------------------------------------------------------------------------------------------- */

static uint32_t take(struct limit *l)
{
    uint32_t index = l->free;

    l->free = l->meta[index].link;
    l->meta[index].valid = 0;
    l->used++;
    bench_fill(table_at(l, index), ENTRIES, 0, 0);
    return index;
}
static void give(struct limit *l, uint32_t index)
{
    l->meta[index].link = l->free;
    l->free = index;
    l->used--;
}

static void map_single(struct limit *l, const struct job *j)
{
    uint64_t *slot = root_slot(l, j->ipa);
    uint32_t second, last;

    if (!*slot)
        store(slot, link_to(take(l)));
    second = linked(*slot);
    slot = &table_at(l, second)[index2(j->ipa)];
    if (!*slot) {
        store(slot, link_to(take(l)));
        l->meta[second].valid++;
    }
    last = linked(*slot);
    store(&table_at(l, last)[index3(j->ipa)], j->pa | LEAF3);
    l->meta[last].valid++;
}

static void unmap_single(struct limit *l, const struct job *j)
{
    uint64_t *slot1 = root_slot(l, j->ipa), *slot2, *slot3;
    uint32_t second = linked(*slot1), last;

    slot2 = &table_at(l, second)[index2(j->ipa)];
    last = linked(*slot2);
    slot3 = &table_at(l, last)[index3(j->ipa)];
    if (!*slot3)
        return;
    store(slot3, 0);
    if (--l->meta[last].valid)
        return;
    store(slot2, 0);
    give(l, last);
    if (--l->meta[second].valid)
        return;
    store(slot1, 0);
    give(l, second);
}

static unsigned limit_map(void *s, const struct jobs *jobs)
{
    for (unsigned i = 0; i < jobs->n; i++) {
        struct limit *l = s;

        work_isolate();
        if (l->seq == SEQ_SINGLE || l->seq == SEQ_FAULT)
            map_single(l, &jobs->job[i]);
        else if (l->seq == SEQ_MIXED)
            map_mixed(l, &jobs->job[i]);
        else
            map_bulk(l, &jobs->job[i]);
    }
    return jobs->n;
}

/* --- W4, W9 ------------------------------------------------------------------------------------------------------- */

/* What one entry of the root leads to, by reading entries that are no leaves. */
static void detach(struct limit *l, uint64_t *slot, bool list)
{
    uint32_t second = linked(*slot), tables = 1;
    const uint64_t *table = table_at(l, second);

    store(slot, 0);
    for (unsigned i = 0; i < ENTRIES; i++)
        if (list && table[i])
            give(l, linked(table[i]));
        else
            tables += table[i] != 0;
    if (list)
        give(l, second);
    else
        l->used -= tables;
}

static unsigned unmap(struct limit *l, const struct jobs *jobs, bool list)
{
    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];

        work_isolate();
        if (l->seq == SEQ_SINGLE)
            unmap_single(l, j);
        else
            for (uint64_t ipa = j->ipa; ipa < jobs_end(j); ipa += GIB)
                detach(l, root_slot(l, ipa), list);
    }
    return jobs->n;
}
static unsigned limit_unmap(void *s, const struct jobs *jobs)
{
    return unmap(s, jobs, false);
}
static unsigned limit2_unmap(void *s, const struct jobs *jobs)
{
    return unmap(s, jobs, true);
}

static void destroy(struct limit *l, bool list)
{
    if (l->seq != SEQ_END)
        return; /* not what W9 measures: the next instance begins anew */
    for (unsigned i = 0; i < 2 * ENTRIES; i++)
        if (table_at(l, 0)[i])
            detach(l, &table_at(l, 0)[i], list);
    l->used -= 2;
}
static void limit_destroy(void *s)
{
    destroy(s, false);
}
static void limit2_destroy(void *s)
{
    destroy(s, true);
}

/* --- W5, W7 ------------------------------------------------------------------------------------------------------- */

static void protect_table(uint64_t *table, uint64_t desc)
{
    for (uint64_t *end = table + ENTRIES; table < end; table++, desc += PAGE)
        store(table, desc);
}
static void protect_table2(uint64_t *table, uint64_t desc)
{
    (void)desc;
    for (uint64_t *end = table + ENTRIES; table < end; table++)
        store(table, __atomic_load_n(table, __ATOMIC_RELAXED) & ~WRITE);
}

/* One page of a block: the last but one of which is to be changed. */
static void split(struct limit *l, const struct job *j)
{
    uint64_t *slot = &table_at(l, linked(*root_slot(l, j->ipa)))[index2(j->ipa)];
    uint32_t index = l->next++;
    uint64_t *table = table_at(l, index);

    store(slot, 0);
    bench_fill(table, ENTRIES, (j->pa - j->ipa % BLOCK) | LEAF3, PAGE);
    table[index3(j->ipa)] &= ~WRITE;
    store(slot, link_to(index));
    l->used++;
}

static inline unsigned protect(struct limit *l, const struct jobs *jobs, void (*change)(uint64_t *table, uint64_t desc))
{
    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];

        work_isolate();
        if (l->seq == SEQ_SPLIT) {
            split(l, j);
            continue;
        }
        for (uint64_t at = 0; at < j->bytes; at += BLOCK) {
            const uint64_t *table = table_at(l, linked(*root_slot(l, j->ipa + at)));

            change(table_at(l, linked(table[index2(j->ipa + at)])), (j->pa + at) | (LEAF3 & ~WRITE));
        }
    }
    return jobs->n;
}
static unsigned limit_protect(void *s, const struct jobs *jobs)
{
    return protect(s, jobs, protect_table);
}
static unsigned limit2_protect(void *s, const struct jobs *jobs)
{
    return protect(s, jobs, protect_table2);
}

/* --- W8 ----------------------------------------------------------------------------------------------------------- */

static uint64_t limit_lookup(void *s, const uint64_t *ipa, unsigned n, const uint64_t *zero)
{
    const struct limit *l = s;
    uint64_t sum = 0, pa = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t at = ipa[i] + (pa & *zero);

        pa = *root_slot(l, at) & OA;
        pa = arena_table(l->a, pa)[index2(at)] & OA;
        pa = arena_table(l->a, pa)[index3(at)] & OA;
        sum += pa;
    }
    return sum;
}

static void limit_account(void *s, struct account *out)
{
    const struct limit *l = s;

    *out = (struct account){.root = ARENA_PA, .pages = l->used};
}

const struct subject subject_limit = {
    .name = "limit",
    .what = "loops made for each workload: bare stores; detach without giving pages back",
    .create = limit_create,
    .release = limit_release,
    .map = limit_map,
    .fault = limit_map,
    .unmap = limit_unmap,
    .protect = limit_protect,
    .lookup = limit_lookup,
    .destroy = limit_destroy,
    .account = limit_account,
};
const struct subject subject_limit2 = {
    .name = "limit 2",
    .what = "the same: descriptors changed, not overwritten; pages of detached tables go into a list",
    .create = limit_create,
    .release = limit_release,
    .map = limit_map,
    .fault = limit_map,
    .unmap = limit2_unmap,
    .protect = limit2_protect,
    .lookup = limit_lookup,
    .destroy = limit2_destroy,
    .account = limit_account,
};
