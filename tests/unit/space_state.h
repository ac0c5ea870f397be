/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Everything that an operation on a space can change, as a list of numbers under headings; and resources that run out. For
 * the suites that see an operation fail and nothing changed. */
#ifndef SPACE_STATE_H
#define SPACE_STATE_H

#include "space_world.h"

/* --- what there is ------------------------------------------------------------------------------------------------------- */

enum { STATE_MAX = 1 << 16, HEADINGS_MAX = 40 };
struct state {
    unsigned n, headings;
    uint64_t v[STATE_MAX];
    struct {
        const char *text;
        unsigned from;
    } heading[HEADINGS_MAX];
};

/* MEANING: what areas, tables, ledger and counts say. EXACT: how it stands in memory too, node by node and page by page, but
 * for the order of free lists. */
enum sight { MEANING, EXACT };

static inline void note(struct state *s, uint64_t v)
{
    assert_true(s->n < STATE_MAX);
    s->v[s->n++] = v;
}

static inline void under(struct state *s, const char *heading)
{
    assert_true(s->headings < HEADINGS_MAX);
    s->heading[s->headings].text = heading;
    s->heading[s->headings++].from = s->n;
}

static inline uint64_t hash(const void *mem, size_t bytes)
{
    const uint64_t *word = mem;
    uint64_t h = bytes;

    for (size_t i = 0; i < bytes / sizeof *word; i++)
        h = (h ^ word[i]) * 0x9e3779b97f4a7c15ull, h ^= h >> 29;
    return h;
}

static inline bool note_entry(void *arg, const struct s2_ient *e)
{
    note(arg, e->start);
    note(arg, e->end);
    for (unsigned i = 0; i < 3; i++)
        note(arg, e->val.w[i]);
    return true;
}

static inline void note_map(struct state *s, const struct s2_imap *map, enum sight sight)
{
    note(s, map->count);
    s2_imap_walk(map, 0, map->hi, note_entry, s);
    if (sight == EXACT)
        note(s, hash(map, sizeof *map));
}

static inline void note_areas(struct state *s, const struct s2_area_set *set)
{
    struct s2_area a;

    note(s, (uintptr_t)set->busy);
    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(set, at, &a); at = a.range.end) {
        note(s, a.range.start.v);
        note(s, a.range.end.v);
        note(s, (uintptr_t)a.backend);
        note(s, a.backing);
        note(s, a.attr.bits | (uint64_t)a.name << 32 | (uint64_t)a.flags << 48);
    }
}

/* Free nodes as a set, the others with what is in them. */
static inline void note_pool(struct state *s, const struct s2_pool *pool, enum sight sight)
{
    unsigned first = s->n;

    note(s, pool->reserved);
    if (sight == MEANING)
        return;
    note(s, pool->free);
    first = s->n;
    for (uint32_t i = 0; i < pool->count; i++)
        note(s, 1);
    for (uint32_t i = pool->free_head; i != S2_NODE_NONE;
         i = *(const uint32_t *)(pool->base + (size_t)i * S2_NODE_BYTES))
        s->v[first + i] = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        if (s->v[first + i])
            s->v[first + i] = hash(pool->base + (size_t)i * S2_NODE_BYTES, S2_NODE_BYTES);
}

/* Leaves, and the first word of the memory behind each. */
static inline void note_leaves(struct state *s, struct world *w, enum sight sight)
{
    for (uint64_t ipa = 0; ipa < MIB(256);) {
        struct s2_leaf leaf;

        if (s2_space_translate(&w->space, S2_IPA(ipa), &leaf)) {
            note(s, leaf.range.start.v);
            note(s, leaf.range.end.v);
            note(s, leaf.desc);
            if (sight == EXACT)
                note(s, *(const uint64_t *)model_ram(w->port, leaf.pa.v));
        }
        ipa = leaf.range.end.v;
    }
}

/* Table pages: free ones as a set, those in use with their contents. */
static inline void note_tables(struct state *s, struct world *w, enum sight sight)
{
    const struct s2_tpool *p = &w->tables;

    note(s, p->free);
    if (sight == MEANING)
        return;
    for (uint32_t i = 0; i < p->pages; i++) {
        const struct s2_tpage *m = &p->meta[i];

        if (m->level == S2_TPAGE_FREE)
            continue;
        note(s, i);
        note(s, (uint64_t)m->valid | (uint64_t)m->space << 16 | (uint64_t)(uint8_t)m->level << 32 |
                    (uint64_t)m->roots << 40);
        note(s, m->tables);
        note(s, m->sum);
        note(s, hash(model_ram(w->port, s2_tpool_pa(p, i).v), 1ull << p->granule_log2));
    }
}

static inline void note_frames(struct state *s, const struct s2_frames *f, enum sight sight)
{
    note(s, f->free);
    note(s, f->reserved);
    if (sight == MEANING)
        return;
    note(s, f->clean);
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++)
        note(s, s2_frames_free_blocks(f, o));
    for (unsigned i = 0; i < f->regions; i++) {
        const struct s2_frame_region *r = &f->region[i];

        note(s, hash(r->free[0], s2_frames_meta_bytes(r->base, r->frames * S2_FRAME)));
    }
}

static inline void note_space(struct state *s, struct s2_space *sp, enum sight sight)
{
    struct s2_space_stats stats;

    s2_space_stats(sp, &stats);
    note(s, stats.areas);
    note(s, stats.mapped_bytes);
    note(s, stats.table_pages);
    for (unsigned i = 0; i < 5; i++)
        note(s, stats.table.leaves[i]);
    note(s, sp->table.quota.limit);
    note(s, sp->table.quota.used);
    note(s, sp->table.quota.promised);
    note(s, sp->table.detached);
    if (sight == EXACT) { /* where promotion is to look is a hint */
        note(s, sp->table.marked_start);
        note(s, sp->table.marked_end);
    }
    note(s, sp->frames_held);
    note(s, sp->frames_promised);
    note(s, sp->taken.count);
    note(s, (uintptr_t)sp->longs);
    note(s, sp->dying);
}

static inline void state_take(struct state *s, struct world *w, enum sight sight)
{
    struct s2_space *sp = &w->space;

    s->n = s->headings = 0;
    under(s, "the space");
    note_space(s, sp, sight);
    under(s, "the cut reserve");
    note(s, sp->cut.count);
    note(s, sp->cut_nodes);
    note(s, sp->cut_ledger);
    under(s, "the vCPU's cache");
    note(s, w->cache.tables.count);
    under(s, "areas");
    note_areas(s, &sp->areas);
    under(s, "the map of areas");
    note_map(s, &sp->areas.map, sight);
    under(s, "chunks");
    note_map(s, &sp->chunks, sight);
    under(s, "the ledger");
    note(s, (uintptr_t)w->ledger.pending);
    note_map(s, &w->ledger.map, sight);
    under(s, "leaves");
    note_leaves(s, w, sight);
    under(s, "frames");
    note_frames(s, &w->frames, sight);
    under(s, "table pages");
    note_tables(s, w, sight);
    under(s, "nodes");
    note_pool(s, &w->nodes, sight);
    under(s, "nodes of the ledger");
    note_pool(s, &w->ledger_nodes, sight);
}

/* `what` was going on. */
static inline void expect_same(const struct state *before, const struct state *after, const char *what)
{
    const char *heading = "";

    for (unsigned i = 0, h = 0; i < before->n && i < after->n; i++) {
        while (h < before->headings && before->heading[h].from <= i)
            heading = before->heading[h++].text;
        if (before->v[i] != after->v[i])
            fail_msg("%s: %s: word %u: 0x%llx became 0x%llx", what, heading, i, (unsigned long long)before->v[i],
                     (unsigned long long)after->v[i]);
    }
    if (before->n != after->n)
        fail_msg("%s: %s: %u words became %u", what, heading, before->n, after->n);
}

/* --- resources ----------------------------------------------------------------------------------------------------------- */

enum resource { NODES, LEDGER_NODES, TABLES, TABLE_QUOTA, FRAMES, FRAME_QUOTA, RESOURCES };

static inline enum s2_err lack_of(enum resource r)
{
    static const enum s2_err err[] = {S2_ENODES, S2_ENODES, S2_ETABLES, S2_EQUOTA, S2_EFRAMES, S2_EQUOTA};

    return err[r];
}

/* What is kept from the space under test. */
struct hoard {
    uint32_t nodes, ledger_nodes, limit;
    uint64_t frames, quota;
    struct s2_tstash tables;
    struct s2_tquota charge;
};

static inline void hoard_begin(struct world *w, struct hoard *h)
{
    *h = (struct hoard){.tables = S2_TSTASH_EMPTY,
                        .charge = {.limit = UINT32_MAX},
                        .limit = w->space.table.quota.limit,
                        .quota = w->space.cfg.frame_quota};
}

static inline uint64_t beyond(uint64_t all, uint64_t left)
{
    return all > left ? all - left : 0;
}

static inline uint32_t hoard_nodes(struct s2_pool *pool, uint64_t left)
{
    uint64_t n = pool->free > pool->reserved ? beyond(pool->free - pool->reserved, left) : 0;

    return s2_pool_reserve(pool, (uint32_t)n) ? 0 : (uint32_t)n;
}

/* Leaves `left` of one resource. */
static inline void hoard_add(struct world *w, enum resource r, uint64_t left, struct hoard *h)
{
    struct s2_tquota *q = &w->space.table.quota;
    uint64_t frames;

    switch (r) {
    case NODES:
        h->nodes += hoard_nodes(&w->nodes, left);
        break;
    case LEDGER_NODES:
        h->ledger_nodes += hoard_nodes(&w->ledger_nodes, left);
        break;
    case TABLES:
        assert_int_equal(s2_tpool_take(&w->tables, &h->charge, (uint32_t)beyond(w->tables.free, left), &h->tables),
                         S2_OK);
        break;
    case TABLE_QUOTA:
        q->limit = (uint32_t)(q->used + q->promised + left);
        break;
    case FRAMES:
        frames = beyond(w->frames.free - w->frames.reserved, left);
        assert_int_equal(s2_frames_reserve(&w->frames, frames), S2_OK);
        h->frames += frames;
        break;
    case FRAME_QUOTA:
        w->space.cfg.frame_quota = w->space.frames_held + w->space.frames_promised + left;
        break;
    case RESOURCES:
        break;
    }
}

static inline void hoard(struct world *w, enum resource r, uint64_t left, struct hoard *h)
{
    hoard_begin(w, h);
    hoard_add(w, r, left, h);
}

static inline void hoard_all(struct world *w, struct hoard *h)
{
    for (enum resource r = NODES; r < RESOURCES; r++)
        hoard_add(w, r, 0, h);
}

static inline void unhoard(struct world *w, struct hoard *h)
{
    s2_pool_unreserve(&w->nodes, h->nodes);
    s2_pool_unreserve(&w->ledger_nodes, h->ledger_nodes);
    s2_tpool_give(&w->tables, &h->charge, &h->tables);
    s2_frames_unreserve(&w->frames, h->frames);
    w->space.table.quota.limit = h->limit;
    w->space.cfg.frame_quota = h->quota;
}

/* Every promise of nodes is covered. */
static inline void covered(const struct world *w)
{
    assert_true(w->nodes.free >= w->nodes.reserved);
    assert_true(w->ledger_nodes.free >= w->ledger_nodes.reserved);
}

/* Nothing is left of a space that is gone; and so goes the world. */
static inline void world_expect_nothing(struct world *w)
{
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_true(model_ok(w->port));
    world_free(w);
}

/* As world_destroy, in worlds where tests keep frames of their own. */
static inline void world_dismantle(struct world *w)
{
    world_check(w);
    world_destroy_space(w);
    world_expect_nothing(w);
}

#endif
