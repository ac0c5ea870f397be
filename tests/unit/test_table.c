/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The table engine on a machine that watches: map, unmap, protect, split, install, walk, check; then chance. */
#include "table_machine.h"

#include <pthread.h>
#include <stdlib.h>

#define RWX (S2_RWX)
#define PA0 0x80000000ull /* outputs need no RAM: nobody reads them */

static struct machine m;

static int setup(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    table_run(&m, &m.t, 1);
    return 0;
}
static int setup_least(void **state)
{
    static const struct machine_config cfg = {.least = true};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    return 0;
}
static int setup_hardware_updates(void **state)
{
    static const struct machine_config cfg = {.access_flag = true, .dirty = true, .bbm = 2};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    return 0;
}
static int setup_bbm2(void **state)
{
    static const struct machine_config cfg = {.bbm = 2};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    machine_destroy(&m);
    return 0;
}

/* --- leaves ----------------------------------------------------------------------------------------------------------- */

static void leaf_sizes(void **state)
{
    (void)state;
    /* Congruent: one page, then 2M, 1G, 2M, and one page more (G4). */
    table_map(&m, &m.t, span(GIB - 2 * MIB - PAGE, GIB + 4 * MIB + 2 * PAGE), PA0 + GIB - 2 * MIB - PAGE, RWX);
    assert_leaf(&m.t, GIB - 2 * MIB - PAGE, PA0 + GIB - 2 * MIB - PAGE, RWX, 3);
    assert_leaf(&m.t, GIB - 2 * MIB, PA0 + GIB - 2 * MIB, RWX, 2);
    assert_leaf(&m.t, GIB, PA0 + GIB, RWX, 1);
    assert_leaf(&m.t, 2 * GIB - 1, PA0 + 2 * GIB - 1, RWX, 1);
    assert_leaf(&m.t, 2 * GIB, PA0 + 2 * GIB, RWX, 2);
    assert_leaf(&m.t, 2 * GIB + 2 * MIB, PA0 + 2 * GIB + 2 * MIB, RWX, 3);
    assert_hole(&m.t, 2 * GIB + 2 * MIB + PAGE, 3);
    assert_hole(&m.t, 2 * GIB + 4 * MIB, 2);
    assert_hole(&m.t, 3 * GIB, 1);
    assert_int_equal(tables_used(&m.t), 4);
    assert_int_equal(m.t.leaves[2], 1);
    assert_int_equal(m.t.leaves[3], 2);
    assert_int_equal(m.t.leaves[4], 2);
    /* Congruent for 2M only, and for nothing. */
    table_map(&m, &m.t, span(4 * GIB, GIB), PA0 + 2 * MIB, S2_RW);
    assert_leaf(&m.t, 4 * GIB + 5 * PAGE, PA0 + 2 * MIB + 5 * PAGE, S2_RW, 2);
    table_map(&m, &m.t, span(6 * GIB, 4 * MIB), PA0 + PAGE, S2_RW);
    assert_leaf(&m.t, 6 * GIB + 2 * MIB, PA0 + 2 * MIB + PAGE, S2_RW, 3);
}

static void concatenated_roots(void **state)
{
    static const unsigned sizes[] = {32, 33, 34, 35, 39, 40, 41, 42, 43, 44, 47, 48};

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct machine_config cfg = {.ipa_bits = sizes[i], .least = true};
        uint64_t top = 1ull << sizes[i], per_root, tables;

        machine_create(&m, &cfg);
        table_run(&m, &m.t, 0);
        per_root = 1ull << (s2_level_shift(&m.t.geo, m.t.geo.start_level) + 9);
        per_root = per_root < top ? per_root : top;
        tables = (uint64_t)(3 - m.t.geo.start_level);
        for (uint64_t at = 0; at < top; at += per_root) { /* the last page of every root (G2), and of all (G3) */
            table_map(&m, &m.t, span(at + per_root - PAGE, PAGE), PA0 + at, S2_RW);
            assert_leaf(&m.t, at + per_root - 1, PA0 + at + PAGE - 1, S2_RW, 3);
        }
        assert_int_equal(tables_used(&m.t), m.t.geo.roots * tables);
        /* Across every border between roots. */
        for (uint64_t at = per_root; at < top; at += per_root) {
            table_unmap(&m, &m.t, span(at - PAGE, 2 * PAGE));
            assert_hole(&m.t, at - PAGE, m.t.geo.start_level);
            table_map(&m, &m.t, span(at - PAGE, 2 * PAGE), PA0 + PAGE, S2_RW);
            assert_leaf(&m.t, at, PA0 + 2 * PAGE, S2_RW, 3);
        }
        assert_false(s2_table_lookup(&m.t, S2_IPA(top), &(struct s2_leaf){0}));
        assert_false(s2_table_lookup(&m.t, S2_IPA(UINT64_MAX), &(struct s2_leaf){0}));
        table_unmap(&m, &m.t, span(0, top));
        assert_int_equal(tables_used(&m.t), 0);
        machine_destroy(&m);
    }
}

static void blocks_where_the_granule_has_them(void **state)
{
    static const struct machine_config cfg = {.ipa_bits = 48, .least = true};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    table_map(&m, &m.t, span(0, TIB), 0, S2_RW); /* congruent for 512G, which no block of this geometry has */
    assert_leaf(&m.t, TIB - 1, TIB - 1, S2_RW, 1);
    assert_int_equal(tables_used(&m.t), 2);
    machine_destroy(&m);
}

/* What is new is filled before walkers reach it, what goes is unlinked as a whole: how many live entries change. */
static void published_whole(void **state)
{
    (void)state;
    model_reset_counters(m.port);
    table_map(&m, &m.t, span(0, GIB), PA0 + PAGE, S2_RW); /* 512 x 512 pages, in one link */
    assert_int_equal(m.port->count.live, 1);
    table_unmap(&m, &m.t, span(0, GIB));
    assert_int_equal(m.port->count.live, 2);
    table_map(&m, &m.t, span(0, GIB), PA0, S2_RW);
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, span(PAGE, PAGE)); /* a split through two levels: break and make */
    assert_int_equal(m.port->count.live, 2);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(4 * MIB + PAGE, PAGE), S2_R);
    assert_int_equal(m.port->count.live, 2);
}

static void the_whole_space(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, TIB), 0, S2_RW);
    assert_int_equal(m.t.leaves[2], 1024);
    assert_int_equal(tables_used(&m.t), 0);
    assert_leaf(&m.t, TIB - 1, TIB - 1, S2_RW, 1);
    table_unmap(&m, &m.t, span(TIB - PAGE, PAGE)); /* through every level (G6) */
    assert_int_equal(tables_used(&m.t), 2);
    assert_hole(&m.t, TIB - PAGE, 3);
    assert_leaf(&m.t, TIB - PAGE - 1, TIB - PAGE - 1, S2_RW, 3);
    assert_leaf(&m.t, TIB - 4 * MIB, TIB - 4 * MIB, S2_RW, 2);
}

/* --- attributes, as the model's walker understands them -------------------------------------------------------------- */

struct right {
    uint32_t attr;
    bool read, write, exec1, exec0;
};

static bool allowed(uint64_t ipa, enum model_kind kind, bool el0)
{
    struct model_outcome o = model_access(m.port, ipa, kind, el0);

    assert_true(o.result == MODEL_DONE || o.result == MODEL_PERMISSION_FAULT);
    return o.result == MODEL_DONE;
}

static void permissions(void **state)
{
    static const struct right rights[] = {
        {0, false, false, false, false},          {S2_R, true, false, false, false},
        {S2_RW, true, true, false, false},        {S2_RX, true, false, true, true},
        {S2_RWX, true, true, true, true},         {S2_R | S2_X, true, false, true, false},
        {S2_R | S2_UX, true, false, false, true}, {S2_RW | S2_X, true, true, true, false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        const struct right *r = &rights[i];
        uint64_t ipa = i * 2 * MIB;

        table_map(&m, &m.t, span(ipa, i % 2 ? 2 * MIB : PAGE), PA0 + ipa, r->attr);
        assert_leaf(&m.t, ipa, PA0 + ipa, r->attr, i % 2 ? 2 : 3);
        assert_int_equal(allowed(ipa, MODEL_READ, false), r->read);
        assert_int_equal(allowed(ipa, MODEL_WRITE, true), r->write);
        assert_int_equal(allowed(ipa, MODEL_EXEC, false), r->exec1);
        assert_int_equal(allowed(ipa, MODEL_EXEC, true), r->exec0);
    }
}

static void stricter_without_xnx(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, PAGE), PA0, S2_R | S2_X | S2_STRICTER_OK);
    assert_leaf(&m.t, 0, PA0, S2_R, 3);
    assert_false(allowed(0, MODEL_EXEC, false));
    assert_false(allowed(0, MODEL_EXEC, true));
    table_map(&m, &m.t, span(PAGE, PAGE), PA0, S2_RX);
    assert_true(allowed(PAGE, MODEL_EXEC, false));
    assert_true(allowed(PAGE, MODEL_EXEC, true));
}

static void memory_types(void **state)
{
    /* MemAttr[3:0] by type: without FWB (D8.6.5), with it (D8.6.6). */
    static const struct {
        uint32_t type;
        unsigned plain, fwb;
    } rows[] = {
        {S2_MT_NORMAL_WB, 15, 6}, {S2_MT_NORMAL_NC, 5, 5}, {S2_MT_DEV_nGnRnE, 0, 0},
        {S2_MT_DEV_nGnRE, 1, 1},  {S2_MT_DEV_nGRE, 2, 2},  {S2_MT_DEV_GRE, 3, 3},
    };
    static const struct {
        uint32_t sh;
        unsigned bits;
    } shares[] = {{S2_SH_INNER, 3}, {S2_SH_OUTER, 2}, {S2_SH_NONE, 0}};
    bool fwb = m.caps.fwb;

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned s = 0; s < 3; s++) {
            uint64_t ipa = (i * 3 + s) * PAGE;
            struct model_outcome o;

            table_map(&m, &m.t, span(ipa, PAGE), PA0 + ipa, S2_RW | rows[i].type | shares[s].sh | 9u << S2_SW_SHIFT);
            assert_leaf(&m.t, ipa, PA0 + ipa, S2_RW | rows[i].type | shares[s].sh | 9u << S2_SW_SHIFT, 3);
            o = model_access(m.port, ipa, MODEL_READ, false);
            assert_int_equal(o.result, MODEL_DONE);
            assert_int_equal(o.pa, PA0 + ipa);
            assert_int_equal(o.memattr, fwb ? rows[i].fwb : rows[i].plain);
            assert_int_equal(o.sh, shares[s].bits);
        }
    if (!fwb) {
        table_map(&m, &m.t, span(GIB, PAGE), PA0, S2_RW | S2_MT_NORMAL_WT);
        assert_leaf(&m.t, GIB, PA0, S2_RW | S2_MT_NORMAL_WT, 3);
        assert_int_equal(model_access(m.port, GIB, MODEL_READ, false).memattr, 10);
    }
}

/* --- unmap ------------------------------------------------------------------------------------------------------------ */

static void unmap_everything_gives_tables_back(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(PAGE, 3 * MIB), PA0, S2_RW);
    table_map(&m, &m.t, span(5 * GIB, PAGE), PA0, S2_RW);
    table_map(&m, &m.t, span(600 * GIB, 2 * MIB), PA0, S2_RW);
    table_unmap(&m, &m.t, span(0, TIB));
    assert_int_equal(tables_used(&m.t), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(m.t.leaves[i], 0);
    table_unmap(&m, &m.t, span(0, TIB));
}

static void empty_tables_go_at_once(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, 2 * PAGE), PA0 + PAGE, S2_RW);
    assert_int_equal(tables_used(&m.t), 2);
    table_unmap(&m, &m.t, span(0, PAGE));
    assert_int_equal(tables_used(&m.t), 2);
    assert_hole(&m.t, 0, 3);
    table_unmap(&m, &m.t, span(PAGE, PAGE));
    assert_int_equal(tables_used(&m.t), 0);
    assert_hole(&m.t, 0, 1);
}

static void unmap_cuts_blocks(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, 2 * GIB), PA0, RWX | 5u << S2_SW_SHIFT);
    /* In the middle of one 1G block, and from there across into the next. */
    table_unmap(&m, &m.t, span(4 * MIB + PAGE, PAGE));
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, RWX | 5u << S2_SW_SHIFT, 3);
    assert_hole(&m.t, 4 * MIB + PAGE, 3);
    assert_leaf(&m.t, 4 * MIB + 2 * PAGE, PA0 + 4 * MIB + 2 * PAGE, RWX | 5u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 2 * MIB, PA0 + 2 * MIB, RWX | 5u << S2_SW_SHIFT, 2);
    assert_int_equal(tables_used(&m.t), 2);
    table_unmap(&m, &m.t, span(GIB - 3 * MIB, 6 * MIB));
    assert_int_equal(tables_used(&m.t), 5);
    assert_leaf(&m.t, GIB - 3 * MIB - 1, PA0 + GIB - 3 * MIB - 1, RWX | 5u << S2_SW_SHIFT, 3);
    assert_hole(&m.t, GIB - 3 * MIB, 3);
    assert_hole(&m.t, GIB, 2);
    assert_hole(&m.t, GIB + 3 * MIB - 1, 3);
    assert_leaf(&m.t, GIB + 3 * MIB, PA0 + GIB + 3 * MIB, RWX | 5u << S2_SW_SHIFT, 3);
    /* A whole block out of the split one: its table stays, the next level is not needed. */
    table_unmap(&m, &m.t, span(10 * MIB, 2 * MIB));
    assert_int_equal(tables_used(&m.t), 5);
    assert_hole(&m.t, 10 * MIB, 2);
}

static void need_for_cuts(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, 4 * GIB), 0, S2_RW);
    assert_int_equal(s2_table_need_cut(&m.t, span(0, 4 * GIB)), 0);
    assert_int_equal(s2_table_need_cut(&m.t, span(GIB, GIB)), 0);
    assert_int_equal(s2_table_need_cut(&m.t, span(0, 2 * MIB)), 1);
    assert_int_equal(s2_table_need_cut(&m.t, span(0, PAGE)), 2);
    assert_int_equal(s2_table_need_cut(&m.t, span(PAGE, PAGE)), 2);
    assert_int_equal(s2_table_need_cut(&m.t, span(PAGE, 2 * MIB)), 3);
    assert_int_equal(s2_table_need_cut(&m.t, span(GIB - PAGE, 2 * PAGE)), 4); /* 2 x (3 - 1) */
    assert_int_equal(s2_table_need_cut(&m.t, span(PAGE, 3 * GIB)), 4);
    assert_int_equal(s2_table_need_cut(&m.t, span(8 * GIB + PAGE, PAGE)), 0);
    assert_int_equal(s2_table_need_cut(&m.t, span(4 * GIB - PAGE, 3 * PAGE)), 2);
}

/* --- protect ---------------------------------------------------------------------------------------------------------- */

static void protect_keeps_the_rest(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, GIB + 2 * MIB + PAGE), PA0, RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT);
    table_protect(&m, &m.t, span(4 * MIB + PAGE, GIB - 4 * MIB), S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT);
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 4 * MIB + PAGE, PA0 + 4 * MIB + PAGE, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 6 * MIB, PA0 + 6 * MIB, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 2);
    assert_leaf(&m.t, GIB, PA0 + GIB, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, GIB + PAGE, PA0 + GIB + PAGE, RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, GIB + 2 * MIB, PA0 + GIB + 2 * MIB, RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
    assert_hole(&m.t, GIB + 2 * MIB + PAGE, 3);
    /* Memory type: break-before-make, leaf by leaf, in blocks and pages, over holes. */
    table_protect(&m, &m.t, span(0, 4 * GIB), S2_RW | S2_MT_DEV_nGnRE);
    assert_leaf(&m.t, 0, PA0, S2_RW | S2_MT_DEV_nGnRE, 2);
    assert_leaf(&m.t, GIB + 2 * MIB, PA0 + GIB + 2 * MIB, S2_RW | S2_MT_DEV_nGnRE, 3);
    assert_hole(&m.t, 3 * GIB, 1);
    /* The same, in the middle of a block. */
    table_protect(&m, &m.t, span(10 * MIB + PAGE, PAGE), S2_RW | S2_MT_NORMAL_WB);
    assert_leaf(&m.t, 10 * MIB, PA0 + 10 * MIB, S2_RW | S2_MT_DEV_nGnRE, 3);
    assert_leaf(&m.t, 10 * MIB + PAGE, PA0 + 10 * MIB + PAGE, S2_RW, 3);
    assert_leaf(&m.t, 10 * MIB + 2 * PAGE, PA0 + 10 * MIB + 2 * PAGE, S2_RW | S2_MT_DEV_nGnRE, 3);
}

static void equal_attributes_are_no_edit(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, GIB + PAGE), PA0, S2_RW);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(0, GIB + PAGE), S2_RW);
    assert_int_equal(m.port->count.stores + m.port->count.swaps, 0);
    assert_int_equal(model_tlbis(m.port) + model_dsbs(m.port), 0);
    assert_leaf(&m.t, PAGE, PA0 + PAGE, S2_RW, 1);
    /* But where the range ends a leaf does. */
    table_protect(&m, &m.t, span(PAGE, GIB), S2_RW);
    assert_int_equal(m.spare, 0);
    assert_leaf(&m.t, 0, PA0, S2_RW, 3);
    assert_leaf(&m.t, PAGE, PA0 + PAGE, S2_RW, 3);
    assert_leaf(&m.t, 2 * MIB, PA0 + 2 * MIB, S2_RW, 2);
}

static void software_bits_need_no_invalidation(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, PAGE), PA0, S2_RW);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(0, PAGE), S2_RW | 7u << S2_SW_SHIFT);
    assert_leaf(&m.t, 0, PA0, S2_RW | 7u << S2_SW_SHIFT, 3);
    assert_int_equal(model_tlbis(m.port), 0);
}

/* --- hardware access flag and dirty state ----------------------------------------------------------------------------- */

static void dirty_state(void **state)
{
    struct s2_leaf leaf;

    (void)state;
    table_map(&m, &m.t, span(0, 2 * MIB), PA0, S2_RW);
    s2_table_lookup(&m.t, S2_IPA(0), &leaf);
    assert_true(leaf.valid && leaf.accessed && !leaf.dirty);
    assert_int_equal(leaf.attr.bits, S2_RW);
    assert_true(allowed(0, MODEL_WRITE, false));
    s2_table_lookup(&m.t, S2_IPA(0), &leaf);
    assert_true(leaf.dirty);
    /* A split takes it to every part, a change keeps it as long as the leaf stays writable. */
    table_protect(&m, &m.t, span(PAGE, PAGE), S2_RW | S2_X | S2_UX);
    s2_table_lookup(&m.t, S2_IPA(PAGE), &leaf);
    assert_true(leaf.dirty && leaf.level == 3 && leaf.attr.bits == S2_RWX);
    s2_table_lookup(&m.t, S2_IPA(2 * PAGE), &leaf);
    assert_true(leaf.dirty && leaf.attr.bits == S2_RW);
    table_protect(&m, &m.t, span(0, 2 * MIB), S2_R);
    s2_table_lookup(&m.t, S2_IPA(PAGE), &leaf);
    assert_true(!leaf.dirty && leaf.attr.bits == S2_R);
    assert_false(allowed(0, MODEL_WRITE, false));
    table_unmap(&m, &m.t, span(PAGE, PAGE));
    table_unmap(&m, &m.t, span(0, 2 * MIB));
}

/* --- several edits in one operation ------------------------------------------------------------------------------------ */

static void remap(void **state)
{
    (void)state;
    table_map(&m, &m.t, span(0, 4 * MIB), PA0, S2_RW);
    table_remap(&m, &m.t, span(0, 4 * MIB), PA0 + GIB, S2_RW);
    assert_leaf(&m.t, 2 * MIB, PA0 + GIB + 2 * MIB, S2_RW, 2);
    table_remap(&m, &m.t, span(MIB, 2 * MIB), PA0 + PAGE, S2_R);
    assert_leaf(&m.t, 0, PA0 + GIB, S2_RW, 3);
    assert_leaf(&m.t, MIB, PA0 + PAGE, S2_R, 3);
    assert_leaf(&m.t, 3 * MIB, PA0 + GIB + 3 * MIB, S2_RW, 3);
}

/* More cuts than a gather keeps, and one into a block whose table is not published yet. */
static void many_cuts_in_one_operation(void **state)
{
    struct edit e;

    (void)state;
    table_map(&m, &m.t, span(0, 8 * MIB), PA0, S2_RW);
    e = edit_begin(&m, &m.t);
    edit_reserve(&e, 4);
    for (unsigned i = 0; i < 4; i++)
        s2_table_unmap(&m.t, &e.stash, &e.g, span(i * 2 * MIB + PAGE, PAGE));
    s2_table_unmap(&m.t, &e.stash, &e.g, span(6 * MIB + 3 * PAGE, PAGE));
    s2_table_protect(&m.t, &e.stash, &e.g, span(6 * MIB, PAGE), S2_ATTR(S2_R));
    assert_int_equal(e.stash.count, 0);
    edit_end(&e);
    for (unsigned i = 0; i < 4; i++) {
        assert_leaf(&m.t, i * 2 * MIB, PA0 + i * 2 * MIB, i == 3 ? S2_R : S2_RW, 3);
        assert_hole(&m.t, i * 2 * MIB + PAGE, 3);
    }
    assert_hole(&m.t, 6 * MIB + 3 * PAGE, 3);
}

/* --- need ------------------------------------------------------------------------------------------------------------- */

static void need_for_maps(void **state)
{
    (void)state;
    assert_int_equal(s2_table_need_map(&m.t, span(0, GIB), S2_PA(0), false), 0);
    assert_int_equal(s2_table_need_map(&m.t, span(0, 2 * MIB), S2_PA(0), false), 1);
    assert_int_equal(s2_table_need_map(&m.t, span(0, PAGE), S2_PA(0), false), 2);
    assert_int_equal(s2_table_need_map(&m.t, span(0, GIB), S2_PA(2 * MIB), false), 1);
    assert_int_equal(s2_table_need_map(&m.t, span(0, GIB), S2_PA(PAGE), false), 513);
    assert_int_equal(s2_table_need_map(&m.t, span(GIB - PAGE, 2 * PAGE), S2_PA(0), false), 4);
    assert_int_equal(s2_table_need_map(&m.t, span(512 * GIB - PAGE, 2 * PAGE), S2_PA(PAGE * 5), false), 4);
    table_map(&m, &m.t, span(PAGE, PAGE), 0, S2_RW);
    assert_int_equal(s2_table_need_map(&m.t, span(0, PAGE), S2_PA(0), false), 0);
    assert_int_equal(s2_table_need_map(&m.t, span(0, PAGE), S2_PA(0), true), 2);
    assert_int_equal(s2_table_need_map(&m.t, span(2 * MIB - PAGE, 2 * PAGE), S2_PA(0), false), 1);
    assert_int_equal(s2_table_need_map(&m.t, span(2 * MIB, GIB), S2_PA(2 * MIB), false), 1);
}

/* --- install ---------------------------------------------------------------------------------------------------------- */

static struct s2_tstash cache_of(uint32_t n)
{
    struct s2_tstash cache = S2_TSTASH_EMPTY;

    assert_int_equal(s2_tpool_take(&m.pool, &m.t.quota, n, &cache), S2_OK);
    return cache;
}

static void install(void **state)
{
    struct s2_ipa_range area = span(MIB, 2 * GIB);
    struct s2_tstash cache = S2_TSTASH_EMPTY;
    uint32_t need = 99;

    (void)state;
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB + 7), S2_PA(PA0 + MIB + 7), S2_ATTR(S2_RW), &need),
                     S2_NO_TABLE);
    assert_int_equal(need, 2);
    cache = cache_of(1);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB), S2_PA(PA0 + MIB), S2_ATTR(S2_RW), &need),
                     S2_NO_TABLE);
    assert_int_equal(cache.count, 1);
    s2_tpool_give(&m.pool, &m.t.quota, &cache);
    cache = cache_of(3);
    model_reset_counters(m.port);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB + 7), S2_PA(PA0 + MIB + 7), S2_ATTR(S2_RW), &need),
                     S2_INSTALLED);
    assert_int_equal(model_tlbis(m.port), 0);
    assert_int_equal(model_dsbs(m.port), 1);
    assert_int_equal(cache.count, 1);
    assert_leaf(&m.t, MIB, PA0 + MIB, S2_RW, 3);
    assert_hole(&m.t, MIB + PAGE, 3);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB), S2_PA(PA0), S2_ATTR(S2_R), &need), S2_WAS_THERE);
    assert_leaf(&m.t, MIB, PA0 + MIB, S2_RW, 3);
    /* 2M where it fits; a page at the start where the area does not cover a block, or a table stands. */
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(5 * MIB), S2_PA(PA0 + 5 * MIB), S2_ATTR(S2_RW), &need),
                     S2_INSTALLED);
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, S2_RW, 2);
    assert_int_equal(
        s2_table_install(&m.t, &cache, area, S2_IPA(GIB + 5 * MIB), S2_PA(PA0 + GIB + 5 * MIB), S2_ATTR(S2_RW), &need),
        S2_INSTALLED);
    assert_leaf(&m.t, GIB, PA0 + GIB, S2_RW, 1);
    assert_int_equal(
        s2_table_install(&m.t, &cache, area, S2_IPA(MIB + PAGE), S2_PA(PA0 + MIB + PAGE), S2_ATTR(S2_RW), &need),
        S2_INSTALLED);
    assert_leaf(&m.t, MIB + PAGE, PA0 + MIB + PAGE, S2_RW, 3);
    assert_int_equal(cache.count, 1);
    s2_tpool_give(&m.pool, &m.t.quota, &cache);
    assert_sound(&m, &m.t);
    model_expect_quiet(m.port);
}

/* Another vCPU is faster, at the last moment: with the same leaf, with another one in the same table, with a table where a
 * block was meant. What was built in vain goes back all zero, and what is needed now is built. */
struct rival {
    struct s2_tstash cache;
    struct s2_ipa_range area;
    uint64_t ipa;
};

static void rival_installs(void *arg)
{
    struct rival *r = arg;
    uint32_t need;

    assert_int_equal(
        s2_table_install(&m.t, &r->cache, r->area, S2_IPA(r->ipa), S2_PA(PA0 + r->ipa), S2_ATTR(S2_R), &need),
        S2_INSTALLED);
}

static void assert_returned(struct s2_tstash *cache)
{
    for (uint32_t p = cache->head; p != S2_TPAGE_NONE; p = m.meta[p].link) {
        const uint64_t *page = model_ram(m.port, s2_tpool_pa(&m.pool, p).v);

        assert_int_equal(m.meta[p].level, S2_TPAGE_HELD);
        for (unsigned w = 0; w < PAGE / sizeof *page; w++)
            assert_int_equal(page[w], 0);
    }
    s2_tpool_give(&m.pool, &m.t.quota, cache);
}

static void install_loses(void **state)
{
    static const struct {
        struct s2_ipa_range rival_area;
        uint64_t ipa, rival_ipa;
        enum s2_install done;
        uint32_t left;
    } rows[] = {
        {{S2_IPA(0), S2_IPA(MIB)}, PAGE, PAGE, S2_WAS_THERE, 3},                        /* the same page */
        {{S2_IPA(0), S2_IPA(MIB)}, PAGE, 5 * PAGE, S2_INSTALLED, 3},                    /* the same tables */
        {{S2_IPA(0), S2_IPA(8 * MIB)}, PAGE, 4 * MIB, S2_INSTALLED, 2},                 /* one table more is needed */
        {{S2_IPA(2 * MIB), S2_IPA(3 * MIB)}, 4 * MIB, 2 * MIB, S2_INSTALLED, 3},        /* a block beside it */
        {{S2_IPA(4 * MIB), S2_IPA(5 * MIB)}, 4 * MIB, 4 * MIB + PAGE, S2_INSTALLED, 3}, /* a page in its place */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s2_ipa_range area = span(0, rows[i].ipa >= 4 * MIB ? 8 * MIB : MIB);
        struct rival rival = {cache_of(3), rows[i].rival_area, rows[i].rival_ipa};
        struct s2_tstash cache = cache_of(3);
        uint32_t need;

        model_script_cas(m.port, rival_installs, &rival);
        assert_int_equal(
            s2_table_install(&m.t, &cache, area, S2_IPA(rows[i].ipa), S2_PA(PA0 + rows[i].ipa), S2_ATTR(S2_RW), &need),
            rows[i].done);
        assert_int_equal(cache.count, rows[i].left);
        assert_returned(&cache);
        assert_returned(&rival.cache);
        assert_sound(&m, &m.t);
        assert_leaf(&m.t, rows[i].ipa, PA0 + rows[i].ipa, rows[i].done == S2_INSTALLED ? S2_RW : S2_R,
                    rows[i].ipa == 4 * MIB && i == 3 ? 2 : 3);
        table_unmap(&m, &m.t, span(0, GIB));
        assert_int_equal(tables_used(&m.t), 0);
    }
}

/* Several CPUs fault on the same pages: each leaf once, no table lost, what a loser built goes back all zero. */
#define RACERS     4u
#define RACE_PAGES (4 * MIB / PAGE)

static struct s2_lock race_lock;

struct racer {
    pthread_t thread;
    unsigned cpu, installed;
    struct s2_tstash cache;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct s2_ipa_range area = span(GIB, RACE_PAGES * PAGE);

    model_set_cpu(m.port, r->cpu);
    for (unsigned i = 0; i < RACE_PAGES; i++) {
        uint64_t offset = (i * 97 % RACE_PAGES) * PAGE;
        enum s2_install done;
        uint32_t need;

        s2_port_lock_shared(m.port, &race_lock, S2_LOCK_SPACE, 1);
        done = s2_table_install(&m.t, &r->cache, area, S2_IPA(GIB + offset), S2_PA(PA0 + PAGE + offset), S2_ATTR(S2_RW),
                                &need);
        s2_port_unlock_shared(m.port, &race_lock);
        if (done == S2_NO_TABLE)
            abort();
        r->installed += done == S2_INSTALLED;
    }
    return NULL;
}

static void install_race(void **state)
{
    static const struct machine_config cfg = {.cpus = RACERS, .threads = true};

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct racer racers[RACERS] = {0};
        uint32_t left = 0, installed = 0;

        machine_create(&m, &cfg);
        memset(&race_lock, 0, sizeof race_lock);
        for (unsigned i = 0; i < RACERS; i++) {
            racers[i].cpu = i;
            racers[i].cache = cache_of(3);
        }
        for (unsigned i = 0; i < RACERS; i++)
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        for (unsigned i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            installed += racers[i].installed;
            left += racers[i].cache.count;
            assert_returned(&racers[i].cache);
        }
        assert_int_equal(installed, RACE_PAGES);
        assert_int_equal(left, RACERS * 3 - 3);
        assert_int_equal(m.t.leaves[4], RACE_PAGES);
        assert_sound(&m, &m.t);
        model_set_cpu(m.port, 0);
        machine_destroy(&m);
    }
}

/* --- walk, visit, check ------------------------------------------------------------------------------------------------ */

static void walk(void **state)
{
    struct s2_walk_step steps[5];

    (void)state;
    table_map(&m, &m.t, span(600 * GIB, PAGE), PA0, S2_RW);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(600 * GIB), steps), 3);
    assert_int_equal(steps[0].level, 1);
    assert_int_equal(steps[0].slot.v, m.t.root.v + PAGE + 88 * 8); /* the second root */
    assert_int_equal(steps[0].desc & 3, 3);
    assert_int_equal(steps[1].level, 2);
    assert_int_equal(steps[1].slot.v, steps[0].desc & 0xfffffffff000);
    assert_int_equal(steps[2].level, 3);
    assert_int_equal(steps[2].desc & 0xfffffffff000, PA0);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(0), steps), 1);
    assert_int_equal(steps[0].desc, 0);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(TIB), steps), 0);
}

struct seen {
    uint64_t start[16];
    unsigned n, limit;
};

static bool see(void *arg, const struct s2_leaf *leaf)
{
    struct seen *s = arg;

    s->start[s->n++] = leaf->range.start.v;
    return s->n < s->limit;
}

static void visit(void **state)
{
    struct seen s = {.limit = 16};

    (void)state;
    table_map(&m, &m.t, span(GIB - 2 * PAGE, GIB + 2 * PAGE), PA0 + GIB - 2 * PAGE, S2_RW);
    table_map(&m, &m.t, span(700 * GIB, 4 * MIB), PA0, S2_RW);
    s2_table_visit(&m.t, span(0, UINT64_MAX), see, &s);
    assert_int_equal(s.n, 5);
    assert_int_equal(s.start[0], GIB - 2 * PAGE);
    assert_int_equal(s.start[2], GIB);
    assert_int_equal(s.start[4], 700 * GIB + 2 * MIB);
    s = (struct seen){.limit = 16};
    s2_table_visit(&m.t, span(GIB - PAGE, 2 * PAGE), see, &s);
    assert_int_equal(s.n, 2);
    s = (struct seen){.limit = 3};
    s2_table_visit(&m.t, span(0, TIB), see, &s);
    assert_int_equal(s.n, 3);
    s = (struct seen){.limit = 1};
    s2_table_visit(&m.t, span(5, 0), see, &s);
    assert_int_equal(s.n, 0);
}

/* One damage at a time is seen, and nothing is left of the look. */
static void damage(uint64_t pa, unsigned entry, uint64_t flip)
{
    uint64_t *slot = (uint64_t *)model_ram(m.port, pa) + entry;

    *slot ^= flip;
    assert_non_null(s2_table_check(&m.t));
    *slot ^= flip;
    assert_null(s2_table_check(&m.t));
}

static void check_sees_damage(void **state)
{
    struct s2_walk_step steps[5];
    uint64_t leaf_table;

    (void)state;
    table_map(&m, &m.t, span(0, 2 * MIB + PAGE), 0, S2_RW);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(2 * MIB), steps), 3);
    leaf_table = steps[2].slot.v;
    damage(leaf_table, 0, 1);                                  /* not valid, but not empty */
    damage(leaf_table, 0, 2);                                  /* reserved type */
    damage(leaf_table, 0, 1ull << 16 | 1ull << 52);            /* nT and contiguous */
    damage(leaf_table, 0, 1ull << 11);                         /* reserved */
    damage(leaf_table, 0, 1ull << 6);                          /* writable, not readable */
    damage(leaf_table, 0, 2ull << 8);                          /* the reserved shareability */
    damage(leaf_table, 0, 1ull << 5);                          /* no such memory type */
    damage(leaf_table, 3, 1);                                  /* a leaf that nobody counted */
    damage(steps[1].slot.v & ~(PAGE - 1), 0, 1ull << 13);      /* block output not aligned */
    damage(steps[1].slot.v & ~(PAGE - 1), 2, (steps[1].desc)); /* a table twice */
    damage(steps[1].slot.v, 0, 1ull << 45);                    /* a table outside the pool */
    damage(m.t.root.v, 1, 1);                                  /* a block beside the tables, uncounted */
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].valid++;
    assert_non_null(s2_table_check(&m.t));
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].valid--;
    m.t.leaves[3]++;
    assert_non_null(s2_table_check(&m.t));
    m.t.leaves[3]--;
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].level = 2;
    assert_non_null(s2_table_check(&m.t));
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].level = 3;
}

/* --- chance, against a flat array -------------------------------------------------------------------------------------- */

#define WINDOWS      3u
#define WINDOW_BYTES (6 * MIB)
#define WINDOW_PAGES (WINDOW_BYTES / PAGE)

struct cell {
    uint64_t pa; /* 0: nothing */
    uint32_t attr;
};
static struct cell oracle[WINDOWS][WINDOW_PAGES];
static const uint64_t window_ipa[WINDOWS] = {0, GIB - 2 * MIB, 512 * GIB - 4 * MIB};

static void compare(unsigned w)
{
    struct s2_leaf leaf = {.range = {S2_IPA(0), S2_IPA(0)}};

    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        uint64_t ipa = window_ipa[w] + i * PAGE;
        const struct cell *c = &oracle[w][i];

        if (ipa >= leaf.range.end.v || ipa < leaf.range.start.v)
            s2_table_lookup(&m.t, S2_IPA(ipa), &leaf);
        if (leaf.valid != (c->pa != 0))
            fail_msg("window %u page %u: %s", w, i, leaf.valid ? "mapped" : "not mapped");
        if (!leaf.valid)
            continue;
        assert_int_equal(leaf.pa.v + (ipa - leaf.range.start.v), c->pa);
        assert_int_equal(leaf.attr.bits, c->attr);
    }
}

static uint32_t chosen(const uint32_t *list, unsigned n)
{
    return list[(unsigned)rand() % n];
}

/* Lengths of all kinds, often whole blocks. */
static void choose_run(unsigned *first, unsigned *n)
{
    unsigned kind = (unsigned)rand() % 4;

    *first = (unsigned)rand() % WINDOW_PAGES;
    *n = 1 + (unsigned)rand() % (kind == 0 ? 1u : kind == 1 ? 20u : 1200u);
    if (kind == 3) {
        *first &= ~511u;
        *n = 512 * (1 + (unsigned)rand() % 3);
    }
    if (*first + *n > WINDOW_PAGES)
        *n = WINDOW_PAGES - *first;
}

static void chance_step(void)
{
    static const uint32_t attrs[] = {S2_RWX, S2_RW, S2_R, S2_RX, 0, S2_RW | S2_MT_NORMAL_NC, S2_R | 6u << S2_SW_SHIFT};
    unsigned w = (unsigned)rand() % WINDOWS, first, n;
    uint32_t attr = chosen(attrs, sizeof attrs / sizeof attrs[0]);
    uint64_t ipa, pa;

    choose_run(&first, &n);
    ipa = window_ipa[w] + first * PAGE;
    pa = PA0 + (rand() % 2 ? ipa : ipa + ((uint64_t)rand() % 8) * PAGE);
    switch (rand() % 4) {
    case 0:
    case 1:
        table_remap(&m, &m.t, span(ipa, n * PAGE), pa, attr);
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i] = (struct cell){pa + i * PAGE, attr};
        break;
    case 2:
        table_unmap(&m, &m.t, span(ipa, n * PAGE));
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i] = (struct cell){0, 0};
        break;
    default:
        table_protect(&m, &m.t, span(ipa, n * PAGE), attr);
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i].attr = attr;
    }
    for (unsigned i = 0; i < WINDOWS; i++)
        compare(i);
}

static void chance(void **state)
{
    struct machine_config cfgs[] = {
        {.least = true},
        {.bbm = 0},
        {.bbm = 2},
        {.access_flag = true, .dirty = true},
        {.no_range = true, .bbm = 2},
        {.repeat = true},
        {.no_ttl = true},
    };

    (void)state;
    for (unsigned c = 0; c < sizeof cfgs / sizeof cfgs[0]; c++) {
        srand(c + 1);
        memset(oracle, 0, sizeof oracle);
        machine_create(&m, &cfgs[c]);
        table_run(&m, &m.t, 1);
        table_run(&m, &m.t, 0);
        for (unsigned step = 0; step < 150; step++) {
            model_set_cpu(m.port, (unsigned)rand() % 2);
            chance_step();
        }
        for (unsigned w = 0; w < WINDOWS; w++)
            table_unmap(&m, &m.t, span(window_ipa[w], WINDOW_BYTES));
        assert_int_equal(tables_used(&m.t), 0);
        machine_destroy(&m);
    }
}

static void init_refused(void **state)
{
    struct machine_config cfg = {.ipa_bits = 40};
    struct s2_geometry geo;
    struct s2_table t;

    (void)state;
    machine_create(&m, &cfg);
    geo = m.t.geo;
    assert_int_equal(s2_table_init(&t, m.port, &m.caps, &geo, &m.pool, &m.vmids, 1, 2), S2_EQUOTA);
    geo.granule_log2 = 16;
    assert_int_equal(s2_table_init(&t, m.port, &m.caps, &geo, &m.pool, &m.vmids, 9, 2), S2_EINVAL);
    machine_destroy(&m);
}

int main(void)
{
#define ON(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
    const struct CMUnitTest tests[] = {
        ON(leaf_sizes, setup),
        cmocka_unit_test(concatenated_roots),
        ON(the_whole_space, setup),
        cmocka_unit_test(blocks_where_the_granule_has_them),
        ON(published_whole, setup),
        ON(permissions, setup),
        ON(permissions, setup_hardware_updates),
        ON(stricter_without_xnx, setup_least),
        ON(memory_types, setup),
        ON(memory_types, setup_least),
        ON(unmap_everything_gives_tables_back, setup),
        ON(empty_tables_go_at_once, setup),
        ON(unmap_cuts_blocks, setup),
        ON(unmap_cuts_blocks, setup_least),
        ON(unmap_cuts_blocks, setup_bbm2),
        ON(unmap_cuts_blocks, setup_hardware_updates),
        ON(need_for_cuts, setup),
        ON(protect_keeps_the_rest, setup),
        ON(protect_keeps_the_rest, setup_least),
        ON(protect_keeps_the_rest, setup_bbm2),
        ON(protect_keeps_the_rest, setup_hardware_updates),
        ON(equal_attributes_are_no_edit, setup),
        ON(software_bits_need_no_invalidation, setup),
        ON(dirty_state, setup_hardware_updates),
        ON(remap, setup),
        ON(remap, setup_least),
        ON(remap, setup_bbm2),
        ON(many_cuts_in_one_operation, setup),
        ON(many_cuts_in_one_operation, setup_bbm2),
        ON(need_for_maps, setup),
        ON(install, setup),
        ON(install_loses, setup),
        cmocka_unit_test(install_race),
        ON(walk, setup),
        ON(visit, setup),
        ON(check_sees_damage, setup),
        cmocka_unit_test(chance),
        cmocka_unit_test(init_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
