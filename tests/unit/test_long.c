/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Long work in steps: what one step may do is counted exactly, everything agrees between any two calls, what is done is new
 * and what is not is old, and an abort leaves nothing behind. */
#include "space_world.h"

/* --- what a space says, without how its trees look inside ---------------------------------------------------------------- */

enum { STATE_MAX = 1 << 16 };
struct state {
    unsigned n;
    uint64_t v[STATE_MAX];
};
static struct state before, after;

static void note(struct state *s, uint64_t v)
{
    assert_true(s->n < STATE_MAX);
    s->v[s->n++] = v;
}

static bool note_entry(void *arg, const struct s2_ient *e)
{
    note(arg, e->start);
    note(arg, e->end);
    for (unsigned i = 0; i < 3; i++)
        note(arg, e->val.w[i]);
    return true;
}

static void take_state(struct state *s, struct world *w)
{
    const struct s2_space *sp = &w->space;

    s->n = 0;
    s2_imap_walk(&sp->areas.map, 0, sp->areas.map.hi, note_entry, s);
    note(s, UINT64_MAX);
    s2_imap_walk(&sp->chunks, 0, sp->chunks.hi, note_entry, s);
    note(s, UINT64_MAX);
    s2_imap_walk(&w->ledger.map, 0, w->ledger.map.hi, note_entry, s);
    note(s, UINT64_MAX);
    for (uint64_t ipa = 0; ipa < MIB(256);) {
        struct s2_leaf leaf;

        if (s2_space_translate(&w->space, S2_IPA(ipa), &leaf)) {
            note(s, leaf.range.start.v);
            note(s, leaf.range.end.v);
            note(s, leaf.desc);
        }
        ipa = leaf.range.end.v;
    }
    note(s, w->frames.free);
    note(s, w->frames.reserved);
    note(s, w->tables.free);
    note(s, w->nodes.reserved);
    note(s, w->ledger_nodes.reserved);
    note(s, sp->table.quota.used);
    note(s, sp->table.quota.promised);
    note(s, sp->frames_held);
    note(s, sp->frames_promised);
    note(s, sp->cut.count);
    note(s, sp->cut_nodes);
    note(s, sp->longs != NULL);
}

static void expect_same(void)
{
    assert_int_equal(before.n, after.n);
    for (unsigned i = 0; i < before.n; i++)
        if (before.v[i] != after.v[i])
            fail_msg("word %u: 0x%llx became 0x%llx", i, (unsigned long long)before.v[i],
                     (unsigned long long)after.v[i]);
}

/* --- worlds -------------------------------------------------------------------------------------------------------------- */

#define AREA  MIB(64)
#define BYTES (MIB(6) + 5 * PAGE)

struct kind {
    const char *name;
    bool small_leaves, clean, pieces;
    uint8_t chunk_log2;
    struct s2_caps (*caps)(void);
};
static const struct kind kinds[] = {
    {"blocks", false, false, false, 0, model_caps_most},
    {"pages", true, false, false, 0, model_caps_most},
    {"clean blocks", false, true, false, 0, model_caps_most},
    {"clean pages", true, true, false, 0, model_caps_least},
    {"pieces", false, false, true, 0, model_caps_most},
    {"small chunks", false, false, true, 14, model_caps_least},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* Memory with neighbours: areas below and above that the new one joins, others that share its tables. */
static struct world *make(const struct kind *k)
{
    struct world_config wc = world_defaults();
    struct world *w;
    bool clean;

    wc.caps = k->caps();
    wc.small_leaves = k->small_leaves;
    wc.chunk_log2 = k->chunk_log2;
    wc.nodes = 1024;
    wc.ledger_nodes = 2048;
    w = world_create(&wc);
    while (k->clean && s2_frames_scrub_step(&w->frames, 1024))
        ;
    for (uint64_t i = 0; k->pieces && i < 60; i++)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(FRAME_BASE + i * 7 * PAGE, PAGE), &clean, NULL),
                         S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA - 3 * PAGE, 3 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES + PAGE, PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, AREA - PAGE, MODEL_WRITE).done);
    world_check(w);
    return w;
}

/* Blocked frames belong to nobody, so world_destroy does not fit. */
static void unmake(struct world *w)
{
    world_check(w);
    world_destroy_space(w);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_true(model_ok(w->port));
    world_free(w);
}

static const struct s2_area *wanted(void)
{
    static struct s2_area a;

    a = area_alloc(AREA, BYTES, S2_RW, 0);
    return &a;
}
static enum s2_err begin_map(struct world *w, struct s2_long *l)
{
    return s2_space_map_begin(&w->space, l, wanted(), &w->d);
}
static uint64_t all_leaves(struct world *w)
{
    return leaves_at(w, 1) + leaves_at(w, 2) + leaves_at(w, 3);
}

/* --- populate ------------------------------------------------------------------------------------------------------------- */

static void steps_end_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        struct s2_long l;

        assert_int_equal(map_new(w, *wanted()), S2_OK);
        take_state(&before, w);
        unmake(w);
        for (uint64_t budget = 1; budget < 4096; budget = budget * 7 + 1) {
            w = make(&kinds[k]);
            assert_int_equal(begin_map(w, &l), S2_OK);
            while (s2_space_map_step(&l, budget))
                ;
            world_check(w);
            s2_space_map_end(&l);
            take_state(&after, w);
            expect_same();
            unmake(w);
        }
    }
}

static void a_step_does_no_more_than_its_budget(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        uint64_t zeroed = 0, dirty = kinds[k].clean ? 0 : BYTES;
        struct s2_long l;
        bool more = true;

        assert_int_equal(begin_map(w, &l), S2_OK);
        while (more) {
            uint64_t leaves = all_leaves(w), done = l.done.v;

            model_reset_counters(w->port);
            more = s2_space_map_step(&l, 24);
            zeroed += w->port->count.zeroed;
            assert_true(w->port->count.zeroed <= 24 * PAGE);
            assert_int_equal(w->port->count.zeroed_locked, 0);
            assert_true(w->port->count.fills <= 24);
            assert_int_equal(w->port->count.fills, all_leaves(w) - leaves);
            assert_int_equal(model_tlbis(w->port), 0);
            assert_int_equal(model_dsbs(w->port), l.done.v > done);
            if (kinds[k].small_leaves && more)
                assert_int_equal(all_leaves(w) - leaves, 24);
            if (!kinds[k].clean && more)
                assert_int_equal(w->port->count.zeroed, 24 * PAGE);
            world_check(w);
        }
        assert_int_equal(zeroed, dirty);
        model_reset_counters(w->port);
        s2_space_map_end(&l);
        assert_int_equal(w->port->count.stores + w->port->count.fills + w->port->count.zeroed, 0);
        unmake(w);
    }
}

static void what_is_done_is_there_and_no_more(void **state)
{
    struct world *w = make(&kinds[1]);
    struct s2_long l;
    struct attempt a;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    a = guest(w, AREA, MODEL_READ);
    assert_int_equal(a.answer, S2_VIOLATION);
    assert_int_equal(a.result.why, S2_NO_AREA);
    while (s2_space_map_step(&l, 100)) {
        uint64_t at = l.done.v;
        unsigned char byte = 1;

        assert_true(guest(w, at - PAGE, MODEL_WRITE).done);
        assert_int_equal(s2_space_copy_out(&w->space, &byte, S2_IPA(at - 1), 1, S2_R, NULL), S2_OK);
        assert_int_equal(byte, 0);
        a = guest(w, at, MODEL_WRITE);
        assert_false(a.done);
        assert_int_equal(a.result.why, S2_NO_AREA);
        assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(at), "x", 1, 0, false, NULL), S2_ENOENT);
        assert_true(guest(w, MIB(32) + at % MIB(2), MODEL_WRITE).done); /* a lazy area elsewhere */
        world_check(w);
    }
    s2_space_map_end(&l);
    assert_true(guest(w, AREA + BYTES - PAGE, MODEL_WRITE).done);
    assert_int_equal(s2_space_unmap(&w->space, l.range, NULL), S2_OK);
    unmake(w);
}

static void abort_leaves_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        struct s2_long l;

        take_state(&before, w);
        for (unsigned steps = 0;; steps += 1 + steps / 2) {
            bool more = true;

            assert_int_equal(begin_map(w, &l), S2_OK);
            for (unsigned i = 0; i < steps && more; i++)
                more = s2_space_map_step(&l, 40);
            if (l.done.v > AREA)
                assert_true(guest(w, AREA, MODEL_WRITE).done);
            do {
                world_check(w);
                model_reset_counters(w->port);
            } while (s2_space_map_abort(&l, 1 + steps * 50));
            assert_false(s2_space_map_step(&l, 1));
            s2_space_map_end(&l);
            assert_false(s2_space_map_abort(&l, 1));
            world_check(w);
            take_state(&after, w);
            expect_same();
            if (!more)
                break;
        }
        unmake(w);
    }
}

static void an_abort_step_is_bounded(void **state)
{
    struct world *w = make(&kinds[1]);
    uint64_t leaves;
    struct s2_long l;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    for (unsigned i = 0; i < 20; i++)
        (void)s2_space_map_step(&l, 50);
    leaves = all_leaves(w);
    while (l.range.end.v > l.done.v) {
        uint64_t held = w->space.frames_held, left = (l.range.end.v - l.done.v) / PAGE;

        assert_true(s2_space_map_abort(&l, 300));
        assert_int_equal(held - w->space.frames_held, left < 300 ? left : 300);
        assert_int_equal(all_leaves(w), leaves);
    }
    for (uint64_t i = 1000; i > 30; i -= 30) {
        assert_true(s2_space_map_abort(&l, 30));
        assert_int_equal(all_leaves(w), leaves - (1000 - i) - 30);
        world_check(w);
    }
    assert_false(s2_space_map_abort(&l, 30));
    unmake(w);
}

/* --- busy ranges ---------------------------------------------------------------------------------------------------------- */

static void expect_busy(struct world *w, enum s2_err err, struct s2_ipa_range busy)
{
    assert_int_equal(err, S2_EBUSY);
    assert_int_equal(w->d.err, S2_EBUSY);
    assert_int_equal(w->d.found_start, busy.start.v);
    assert_int_equal(w->d.found_end, busy.end.v);
    world_check(w);
}

static void refused_all_over(struct world *w, struct s2_ipa_range busy)
{
    const uint64_t at[] = {busy.start.v - PAGE, busy.start.v, busy.end.v - PAGE};
    s2_attr attr = S2_ATTR(S2_R);

    for (size_t i = 0; i < 3; i++) {
        struct s2_area a = area_alloc(at[i], 2 * PAGE, S2_RW, 0);
        struct s2_long other;

        expect_busy(w, map_new(w, a), busy);
        expect_busy(w, map_over(w, a), busy);
        expect_busy(w, map_over(w, area_trap(at[i], 2 * PAGE, 1)), busy);
        expect_busy(w, unmap(w, at[i], 2 * PAGE), busy);
        expect_busy(w, protect(w, at[i], 2 * PAGE, S2_R), busy);
        expect_busy(w, s2_space_map_begin(&w->space, &other, &a, &w->d), busy);
        expect_busy(w, s2_space_protect_begin(&w->space, &other, a.range, set_attr, &attr, &w->d), busy);
    }
}

static void others_are_refused_and_neighbours_are_not(void **state)
{
    s2_attr attr = S2_ATTR(S2_R);
    struct world *w = make(&kinds[0]);
    struct s2_long l, p;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    assert_int_equal(s2_space_protect_begin(&w->space, &p, ipa_range(MIB(32), MIB(2)), set_attr, &attr, &w->d), S2_OK);
    refused_all_over(w, wanted()->range);
    refused_all_over(w, p.range);
    (void)s2_space_map_step(&l, 600);
    refused_all_over(w, wanted()->range);
    /* The tables that the ends share may go meanwhile. */
    assert_int_equal(unmap(w, AREA - 3 * PAGE, 3 * PAGE), S2_OK);
    assert_int_equal(unmap(w, AREA + BYTES, 2 * PAGE), S2_OK);
    world_check(w);
    while (s2_space_map_step(&l, 600))
        ;
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES, PAGE, S2_RW, 0)), S2_OK);
    s2_space_map_end(&l);
    assert_int_equal(s2_space_protect_end(&p), S2_OK);
    assert_int_equal(protect(w, AREA, BYTES, S2_R), S2_OK);
    unmake(w);
}

static void only_populated_memory_is_long_work(void **state)
{
    struct world *w = make(&kinds[0]);
    struct s2_area bad[] = {area_alloc(AREA, BYTES, S2_RW, S2_AREA_LAZY), area_trap(AREA, BYTES, 1),
                            area_linear(AREA, BYTES, FRAME_BASE, S2_RW), area_alloc(AREA, 0, S2_RW, 0),
                            area_alloc(AREA, BYTES, S2_RW, S2_AREA_GROWING)};
    struct s2_long l;

    (void)state;
    take_state(&before, w);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[i], &w->d), S2_EINVAL);
    bad[0] = area_alloc(AREA - PAGE, BYTES, S2_RW, 0);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[0], &w->d), S2_EEXIST);
    bad[0] = area_alloc(AREA + 1, PAGE, S2_RW, 0);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[0], &w->d), S2_EALIGN);
    take_state(&after, w);
    expect_same();
    unmake(w);
}

/* --- protect -------------------------------------------------------------------------------------------------------------- */

struct asked {
    unsigned calls;
    struct s2_ipa_range last;
};

/* Read-only, but for what is a device. */
static bool read_only(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct asked *a = arg;

    a->calls++;
    attr->bits &= ~(uint32_t)S2_W;
    return area->backend != &s2_backend_trap;
}

#define MANY MIB(128)

/* Six areas and holes: blocks, pages, what a guest has touched of lazy memory, emulated devices. */
static struct world *make_many(const struct kind *k)
{
    struct world *w = make(k);

    assert_int_equal(map_new(w, area_alloc(MANY, MIB(4), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(4), 70 * PAGE, S2_RWX, 0)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MANY + MIB(5), PAGE, 7)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(6), MIB(3), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(9), 9 * PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(10), MIB(3), S2_RW, 0)), S2_OK);
    for (uint64_t i = 0; i < 40; i++)
        assert_true(guest(w, MANY + MIB(6) + i * 17 * PAGE, MODEL_WRITE).done);
    world_check(w);
    return w;
}
static struct s2_ipa_range many(void)
{
    return ipa_range(MANY + MIB(1), MIB(11));
}

static void protect_in_steps_ends_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        struct asked a = {0};
        struct s2_long l;

        assert_int_equal(s2_space_protect(&w->space, many(), read_only, &a, &w->d), S2_OK);
        take_state(&before, w);
        unmake(w);
        for (uint64_t budget = 3; budget < 3000; budget *= 30) {
            bool more = true;

            w = make_many(&kinds[k]);
            a = (struct asked){0};
            assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &a, &w->d), S2_OK);
            assert_int_equal(a.calls, 6);
            while (more) {
                model_reset_counters(w->port);
                more = s2_space_protect_step(&l, budget);
                /* Each leaf once, or broken and made; a cut at an end of the range besides. */
                assert_true(w->port->count.stores + w->port->count.swaps <= 2 * budget + 8);
                if (budget < 90 || !more)
                    world_check(w);
            }
            assert_int_equal(s2_space_protect_end(&l), S2_OK);
            assert_int_equal(a.calls, 12);
            take_state(&after, w);
            expect_same();
            unmake(w);
        }
    }
}

static void a_step_changes_so_many_leaves(void **state)
{
    struct world *w = make_many(&kinds[1]);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;
    uint64_t left = 1024;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY, MIB(4)), set_attr, &attr, &w->d), S2_OK);
    for (; left; left -= left < 100 ? left : 100) {
        uint64_t at;

        model_reset_counters(w->port);
        assert_int_equal(s2_space_protect_step(&l, 100), left > 100);
        assert_int_equal(w->port->count.stores, left < 100 ? left : 100);
        assert_int_equal(model_tlbis(w->port), 2);
        assert_int_equal(model_dsbs(w->port), 3);
        at = l.done.v;
        assert_true(guest(w, at - PAGE, MODEL_READ).done);
        assert_int_equal(guest(w, at - PAGE, MODEL_WRITE).result.why, S2_NO_PERMISSION);
        if (left > 100)
            assert_true(guest(w, at, MODEL_WRITE).done);
        world_check(w);
    }
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    unmake(w);
}

static void a_fault_in_the_range_gets_what_is_true(void **state)
{
    struct world *w = make_many(&kinds[5]);
    struct asked a = {0};
    struct s2_long l;
    uint64_t lazy = MANY + MIB(6), i = 0;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &a, &w->d), S2_OK);
    do {
        uint64_t at = lazy + i++ * 5 * PAGE % MIB(3);
        struct attempt t = guest(w, at, MODEL_WRITE);

        assert_int_equal(t.done, at >= l.done.v);
        if (!t.done)
            assert_int_equal(t.result.why, S2_NO_PERMISSION);
        assert_true(guest(w, lazy + i * 11 * PAGE % MIB(3), MODEL_READ).done);
        world_check(w);
    } while (s2_space_protect_step(&l, 9));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    unmake(w);
}

static void protect_may_end_early(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct asked a = {0};
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &a, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 100));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_false(s2_space_protect_step(&l, 100));
    assert_int_equal(guest(w, l.done.v - PAGE, MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_true(guest(w, l.done.v, MODEL_WRITE).done);
    assert_int_equal(unmap(w, MANY, MIB(13)), S2_OK);
    unmake(w);
}

/* --- nothing left --------------------------------------------------------------------------------------------------------- */

enum resource { NODES, LEDGER_NODES, TABLES, TABLE_QUOTA, FRAMES, FRAME_QUOTA, RESOURCES };

struct hoard {
    uint32_t nodes, ledger_nodes, limit;
    uint64_t frames, quota;
    struct s2_tstash tables;
    struct s2_tquota charge;
};

/* Leaves `left` of one resource. */
static void hoard(struct world *w, enum resource r, uint32_t left, struct hoard *h)
{
    uint64_t free[] = {w->nodes.free - w->nodes.reserved, w->ledger_nodes.free - w->ledger_nodes.reserved,
                       w->tables.free, 0, w->frames.free - w->frames.reserved};
    uint64_t n = r <= FRAMES && free[r] > left ? free[r] - left : 0;

    *h = (struct hoard){.tables = S2_TSTASH_EMPTY,
                        .charge = {.limit = UINT32_MAX},
                        .limit = w->space.table.quota.limit,
                        .quota = w->space.cfg.frame_quota};
    if (r == NODES && !s2_pool_reserve(&w->nodes, (uint32_t)n))
        h->nodes = (uint32_t)n;
    if (r == LEDGER_NODES && !s2_pool_reserve(&w->ledger_nodes, (uint32_t)n))
        h->ledger_nodes = (uint32_t)n;
    if (r == TABLES)
        assert_int_equal(s2_tpool_take(&w->tables, &h->charge, (uint32_t)n, &h->tables), S2_OK);
    if (r == TABLE_QUOTA)
        w->space.table.quota.limit = w->space.table.quota.used + w->space.table.quota.promised + left;
    if (r == FRAMES && !s2_frames_reserve(&w->frames, n))
        h->frames = n;
    if (r == FRAME_QUOTA)
        w->space.cfg.frame_quota = w->space.frames_held + w->space.frames_promised + left;
}

static void unhoard(struct world *w, struct hoard *h)
{
    s2_pool_unreserve(&w->nodes, h->nodes);
    s2_pool_unreserve(&w->ledger_nodes, h->ledger_nodes);
    s2_tpool_give(&w->tables, &h->charge, &h->tables);
    s2_frames_unreserve(&w->frames, h->frames);
    w->space.table.quota.limit = h->limit;
    w->space.cfg.frame_quota = h->quota;
}

static enum s2_err begin_protect(struct world *w, struct s2_long *l)
{
    static struct asked a;

    return s2_space_protect_begin(&w->space, l, many(), read_only, &a, &w->d);
}

typedef enum s2_err begin_fn(struct world *w, struct s2_long *l);

/* Begin fails of each resource with a code that says so, and leaves everything; once it succeeds, no step can fail. */
static void begins_or_not(begin_fn *begin, bool populates)
{
    static const enum s2_err named[] = {S2_ENODES, S2_ENODES, S2_ETABLES, S2_EQUOTA, S2_EFRAMES, S2_EQUOTA};
    struct world *w = make_many(&kinds[4]);
    unsigned refusals = 0;
    struct hoard h;
    struct s2_long l;

    for (enum resource r = NODES; r < RESOURCES; r++) {
        enum s2_err err = named[r];
        bool more = true;

        for (uint32_t left = 0; err; left += left < 40 ? 1 : left / 3) {
            take_state(&before, w);
            hoard(w, r, left, &h);
            err = begin(w, &l);
            if (err) {
                assert_int_equal(err, named[r]);
                refusals++;
                unhoard(w, &h);
                take_state(&after, w);
                expect_same();
                world_check(w);
            }
        }
        unhoard(w, &h);
        while (more) {
            hoard(w, r, 0, &h);
            more = populates ? s2_space_map_step(&l, 70) : s2_space_protect_step(&l, 70);
            world_check(w);
            unhoard(w, &h);
        }
        hoard(w, r, 0, &h);
        if (populates)
            s2_space_map_end(&l);
        else
            assert_int_equal(s2_space_protect_end(&l), S2_OK);
        world_check(w);
        unhoard(w, &h);
        if (populates)
            assert_int_equal(unmap(w, AREA, BYTES), S2_OK);
        else
            assert_int_equal(protect(w, many().start.v, MIB(3), S2_RW), S2_OK);
    }
    assert_true(refusals > (populates ? 60 : 10));
    unmake(w);
}

static void populating_fails_at_begin_or_never(void **state)
{
    (void)state;
    begins_or_not(begin_map, true);
}
static void protecting_fails_at_begin_or_never(void **state)
{
    (void)state;
    begins_or_not(begin_protect, false);
}

static void an_abort_needs_nothing(void **state)
{
    (void)state;
    for (enum resource r = NODES; r < RESOURCES; r++)
        for (unsigned steps = 0; steps < 40; steps += 1 + steps) {
            struct world *w = make(&kinds[4]);
            struct hoard h;
            struct s2_long l;

            assert_int_equal(begin_map(w, &l), S2_OK);
            for (unsigned i = 0; i < steps; i++)
                (void)s2_space_map_step(&l, 45);
            hoard(w, r, 0, &h);
            while (s2_space_map_abort(&l, 45))
                world_check(w);
            world_check(w);
            unhoard(w, &h);
            unmake(w);
        }
}

/* --- the space goes away -------------------------------------------------------------------------------------------------- */

static void a_space_that_goes_takes_its_work_along(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 30; steps += 1 + steps)
        for (unsigned aborts = 0; aborts < 2; aborts++) {
            struct world *w = make_many(&kinds[4]);
            struct asked a = {0};
            struct s2_long l, p;

            assert_int_equal(begin_map(w, &l), S2_OK);
            assert_int_equal(s2_space_protect_begin(&w->space, &p, many(), read_only, &a, &w->d), S2_OK);
            for (unsigned i = 0; i < steps; i++) {
                (void)s2_space_map_step(&l, 50);
                (void)s2_space_protect_step(&p, 50);
            }
            if (aborts)
                assert_true(s2_space_map_abort(&l, 20));
            s2_cache_drain(&w->space, &w->cache);
            s2_space_destroy_begin(&w->space);
            assert_null(w->space.longs);
            assert_false(s2_space_map_step(&l, 1));
            assert_false(s2_space_map_abort(&l, 1));
            s2_space_map_end(&l);
            assert_false(s2_space_protect_step(&p, 1));
            assert_int_equal(s2_space_protect_end(&p), S2_EDYING);
            while (s2_space_destroy_step(&w->space, 33))
                ;
            s2_space_destroy_end(&w->space);
            assert_int_equal(w->tables.free, w->tables.pages);
            assert_int_equal(w->nodes.free, w->nodes.count);
            assert_int_equal(w->nodes.reserved, 0);
            assert_int_equal(w->ledger_nodes.reserved, 0);
            assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
            assert_true(model_ok(w->port));
            world_free(w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_end_where_one_call_does),
        cmocka_unit_test(a_step_does_no_more_than_its_budget),
        cmocka_unit_test(what_is_done_is_there_and_no_more),
        cmocka_unit_test(abort_leaves_nothing),
        cmocka_unit_test(an_abort_step_is_bounded),
        cmocka_unit_test(others_are_refused_and_neighbours_are_not),
        cmocka_unit_test(only_populated_memory_is_long_work),
        cmocka_unit_test(protect_in_steps_ends_where_one_call_does),
        cmocka_unit_test(a_step_changes_so_many_leaves),
        cmocka_unit_test(a_fault_in_the_range_gets_what_is_true),
        cmocka_unit_test(protect_may_end_early),
        cmocka_unit_test(populating_fails_at_begin_or_never),
        cmocka_unit_test(protecting_fails_at_begin_or_never),
        cmocka_unit_test(an_abort_needs_nothing),
        cmocka_unit_test(a_space_that_goes_takes_its_work_along),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
