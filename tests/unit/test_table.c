/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The edits of the table engine on a machine that watches: map, unmap, protect and split, and what they need. */
#include "table_fixture.h"

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

/* --- leaves ----------------------------------------------------------------------------------------------------------- */

static void leaf_sizes(void **state)
{
    (void)state;
    /* Congruent: one page, then 2M, 1G, 2M, and one page more (G4). */
    table_map(&m, &m.t, span(GIB - 2 * MIB - PAGE, GIB + 4 * MIB + 2 * PAGE), PA0 + GIB - 2 * MIB - PAGE, S2_RWX);
    assert_leaf(&m.t, GIB - 2 * MIB - PAGE, PA0 + GIB - 2 * MIB - PAGE, S2_RWX, 3);
    assert_leaf(&m.t, GIB - 2 * MIB, PA0 + GIB - 2 * MIB, S2_RWX, 2);
    assert_leaf(&m.t, GIB, PA0 + GIB, S2_RWX, 1);
    assert_leaf(&m.t, 2 * GIB - 1, PA0 + 2 * GIB - 1, S2_RWX, 1);
    assert_leaf(&m.t, 2 * GIB, PA0 + 2 * GIB, S2_RWX, 2);
    assert_leaf(&m.t, 2 * GIB + 2 * MIB, PA0 + 2 * GIB + 2 * MIB, S2_RWX, 3);
    assert_hole(&m.t, 2 * GIB + 2 * MIB + PAGE, 3);
    assert_hole(&m.t, 2 * GIB + 4 * MIB, 2);
    assert_hole(&m.t, 3 * GIB, 1);
    assert_int_equal(tables_used(&m.t), 4);
    assert_int_equal(leaves_at(&m.t, 1), 1);
    assert_int_equal(leaves_at(&m.t, 2), 2);
    assert_int_equal(leaves_at(&m.t, 3), 2);
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
    assert_int_equal(leaves_at(&m.t, 1), 1024);
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
    for (int level = -1; level <= 3; level++)
        assert_int_equal(leaves_at(&m.t, level), 0);
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
    table_map(&m, &m.t, span(0, 2 * GIB), PA0, S2_RWX | 5u << S2_SW_SHIFT);
    /* In the middle of one 1G block, and from there across into the next. */
    table_unmap(&m, &m.t, span(4 * MIB + PAGE, PAGE));
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, S2_RWX | 5u << S2_SW_SHIFT, 3);
    assert_hole(&m.t, 4 * MIB + PAGE, 3);
    assert_leaf(&m.t, 4 * MIB + 2 * PAGE, PA0 + 4 * MIB + 2 * PAGE, S2_RWX | 5u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 2 * MIB, PA0 + 2 * MIB, S2_RWX | 5u << S2_SW_SHIFT, 2);
    assert_int_equal(tables_used(&m.t), 2);
    table_unmap(&m, &m.t, span(GIB - 3 * MIB, 6 * MIB));
    assert_int_equal(tables_used(&m.t), 5);
    assert_leaf(&m.t, GIB - 3 * MIB - 1, PA0 + GIB - 3 * MIB - 1, S2_RWX | 5u << S2_SW_SHIFT, 3);
    assert_hole(&m.t, GIB - 3 * MIB, 3);
    assert_hole(&m.t, GIB, 2);
    assert_hole(&m.t, GIB + 3 * MIB - 1, 3);
    assert_leaf(&m.t, GIB + 3 * MIB, PA0 + GIB + 3 * MIB, S2_RWX | 5u << S2_SW_SHIFT, 3);
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
    table_map(&m, &m.t, span(0, GIB + 2 * MIB + PAGE), PA0, S2_RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT);
    table_protect(&m, &m.t, span(4 * MIB + PAGE, GIB - 4 * MIB), S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT);
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, S2_RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 4 * MIB + PAGE, PA0 + 4 * MIB + PAGE, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, 6 * MIB, PA0 + 6 * MIB, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 2);
    assert_leaf(&m.t, GIB, PA0 + GIB, S2_R | S2_MT_NORMAL_NC | 12u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, GIB + PAGE, PA0 + GIB + PAGE, S2_RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
    assert_leaf(&m.t, GIB + 2 * MIB, PA0 + GIB + 2 * MIB, S2_RWX | S2_MT_NORMAL_NC | 3u << S2_SW_SHIFT, 3);
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
    assert_true(leaf.valid && !leaf.accessed && !leaf.dirty);
    assert_int_equal(leaf.attr.bits, S2_RW);
    assert_true(allowed(0, MODEL_READ, false));
    s2_table_lookup(&m.t, S2_IPA(0), &leaf);
    assert_true(leaf.accessed && !leaf.dirty);
    assert_true(allowed(0, MODEL_WRITE, false));
    s2_table_lookup(&m.t, S2_IPA(0), &leaf);
    assert_true(leaf.accessed && leaf.dirty);
    /* A split takes it to every part, a change keeps it as long as the leaf stays writable. */
    table_protect(&m, &m.t, span(PAGE, PAGE), S2_RW | S2_X | S2_UX);
    s2_table_lookup(&m.t, S2_IPA(PAGE), &leaf);
    assert_true(leaf.accessed && leaf.dirty && leaf.level == 3 && leaf.attr.bits == S2_RWX);
    s2_table_lookup(&m.t, S2_IPA(2 * PAGE), &leaf);
    assert_true(leaf.accessed && leaf.dirty && leaf.attr.bits == S2_RW);
    table_protect(&m, &m.t, span(0, 2 * MIB), S2_R);
    s2_table_lookup(&m.t, S2_IPA(PAGE), &leaf);
    assert_true(leaf.accessed && !leaf.dirty && leaf.attr.bits == S2_R);
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
    geo.granule_log2 = 12;
    /* Tables where descriptors cannot point: the pool ends at POOL_PA and 600 pages. */
    geo.pa_bits = 30;
    assert_int_equal(s2_table_init(&t, m.port, &m.caps, &geo, &m.pool, &m.vmids, 9, 2), S2_EINVAL);
    geo.pa_bits = 31;
    assert_int_equal(s2_table_init(&t, m.port, &m.caps, &geo, &m.pool, &m.vmids, 9, 2), S2_OK);
    s2_table_fini(&t);
    machine_destroy(&m);
}

int main(void)
{
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
        cmocka_unit_test(init_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
