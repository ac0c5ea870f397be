/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The budgets of the design: how many TLBI and DSB each edit of a table may cost. Every row is run at each granule, with and
 * without DS, with every combination of TLBIRANGE, TTL, FEAT_BBM and hardware updates, with the edited VM loaded, another one
 * loaded instead, and none; all under the strict model, so that what is saved is not missed. Runs with the Contiguous bit,
 * promotion and tracking: test_budgets_runs. */
#include "budget.h"

/* Descriptors changed. */
static uint64_t edits(void)
{
    return m->count.stores + m->count.swaps + m->count.fills;
}

/* A leaf of the same level beside those that a row is about, so that their table stays. */
static void neighbour(uint64_t after, int level)
{
    map(after + leaf_bytes(level), leaf_bytes(level), 0, S2_RWX);
}

enum { SIZES = 5 };
static uint64_t size(unsigned i)
{
    const uint64_t sizes[SIZES] = {PAGE, 3 * PAGE, 100 * PAGE, BLOCK + PAGE, 3 * BLOCK};

    return sizes[i];
}

static void row_map(void)
{
    for (unsigned i = 0; i < SIZES; i++) {
        begin();
        settle();
        map(AT, size(i), 0, S2_RWX);
        barriers(1);
        finish();
    }
    EACH_LEAF(level)
    {
        begin();
        settle();
        map(FIRST, leaf_bytes(level) + 3 * PAGE, 0, S2_RWX);
        barriers(1);
        finish();
    }
}

static void row_same_again(void)
{
    for (unsigned i = 0; i < SIZES; i++) {
        begin();
        map(AT, size(i), 0, S2_RWX);
        settle();
        protect(AT, size(i), S2_RWX);
        nothing();
        assert_int_equal(edits(), 0);
        finish();
    }
}

/* One leaf: the leaf-only form, then the entries of both stages combined. */
static void row_unmap_leaf(void)
{
    EACH_LEAF(level)
    {
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RWX);
        neighbour(FIRST + leaf_bytes(level), level);
        settle();
        unmap(FIRST, leaf_bytes(level));
        flushed(FIRST, leaf_bytes(level), level, 0);
        assert_int_equal(model_tlbis(m), 2);
        assert_int_equal(model_dsbs(m), 3);
        finish();
    }
}

/* The table goes with its only leaf: the form that reaches it, and no hint. */
static void row_unmap_with_table(void)
{
    begin();
    map(AT, PAGE, 0, S2_RWX);
    settle();
    unmap(AT, PAGE);
    flushed(AT, PAGE, 3, TABLES);
    finish();
}

static void row_unmap_range(void)
{
    static const unsigned pages[] = {2, 3, 8, 9, 100};

    for (unsigned i = 0; i < 5; i++) {
        begin();
        map(AT, (pages[i] + 1) * PAGE, PAGE, S2_RWX);
        settle();
        unmap(AT, pages[i] * PAGE);
        flushed(AT, pages[i] * PAGE, 3, 0);
        finish();
    }
    for (unsigned i = 0; i < 5; i++) {
        begin();
        map(AT, pages[i] * PAGE, PAGE, S2_RWX);
        settle();
        unmap(AT, pages[i] * PAGE);
        flushed(AT, pages[i] * PAGE, 3, TABLES);
        finish();
    }
    for (unsigned i = 2; i < 10; i++) { /* blocks */
        begin();
        map(AT, (i + 1) * BLOCK, 0, S2_RWX);
        settle();
        unmap(AT, i * BLOCK);
        flushed(AT, i * BLOCK, 2, 0);
        finish();
    }
}

/* A table whose range goes whole, and the part of another. The same where the base of the range is aligned to all levels. */
static void row_unmap_tables(void)
{
    const uint64_t bases[] = {AT, FIRST};

    for (unsigned i = 0; i < 2; i++) {
        begin();
        map(bases[i], BLOCK + 5 * PAGE, PAGE, S2_RWX);
        settle();
        unmap(bases[i], BLOCK + 3 * PAGE);
        flushed(bases[i], BLOCK + 3 * PAGE, MIXED, TABLES);
        finish();
    }
}

/* Ranges of 4 GiB and more: one operation, but where such do nothing (rule 10). More than one can say: the whole VMID. */
static void row_unmap_huge(void)
{
    const uint64_t most = PAGE << 21;

    for (unsigned shorter = 0; shorter < 2; shorter++) {
        const uint64_t bytes[] = {3 * GIB, 5 * GIB, most, most + most / 2};

        for (unsigned i = 0; i < 4; i++) {
            int level = PAGE == 4096 ? 1 : 2;
            uint64_t whole = bytes[i] / leaf_bytes(level) * leaf_bytes(level); /* 3 GiB are six blocks of 64K */

            begin_with((struct more){.short_ranges = shorter});
            map(AT + leaf_bytes(level), whole + leaf_bytes(level), 0, S2_RWX);
            settle();
            unmap(AT + leaf_bytes(level), whole);
            /* The last run, of which one leaf stays, is unfolded. */
            flushed(AT + leaf_bytes(level), whole, level, 0);
            finish();
        }
    }
}

/* An edge inside a block: it splits, and its table is published by one more barrier, but for FEAT_BBM level 2. */
static void row_unmap_with_split(void)
{
    EACH_LEAF(level)
    {
        if (level == 3)
            continue;
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RWX);
        settle();
        unmap(FIRST + 3 * PAGE, PAGE); /* through every level */
        flushed(FIRST, leaf_bytes(level), level, MAKE * size_breaks());
        assert_int_equal(model_tlbis(m), 2);
        assert_int_equal(model_dsbs(m), size_breaks() ? 4 : 3);
        finish();
        begin();
        map(FIRST, 2 * leaf_bytes(level), 0, S2_RWX);
        settle();
        unmap(FIRST + leaf_bytes(level) - PAGE, 2 * PAGE); /* two edges, in two blocks: one flush, one barrier more */
        flushed(FIRST, 2 * leaf_bytes(level), level, MAKE * size_breaks());
        finish();
    }
}

static void row_protect(void)
{
    static const unsigned pages[] = {1, 2, 8, 9, 100};

    for (unsigned i = 0; i < 5; i++) {
        begin();
        map(AT, pages[i] * PAGE, PAGE, S2_RWX);
        settle();
        protect(AT, pages[i] * PAGE, S2_RX);
        /* With hardware updates the leaves are broken and made. */
        flushed(AT, pages[i] * PAGE, 3, MAKE * now->hardware);
        finish();
    }
    EACH_LEAF(level)
    {
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RWX);
        settle();
        protect(FIRST, leaf_bytes(level), S2_RX);
        flushed(FIRST, leaf_bytes(level), level, MAKE * now->hardware);
        finish();
    }
    /* Of two levels. */
    begin();
    map(AT, BLOCK + 3 * PAGE, 0, S2_RWX);
    settle();
    protect(AT, BLOCK + 3 * PAGE, S2_RX);
    flushed(AT, BLOCK + 3 * PAGE, MIXED, MAKE * now->hardware);
    finish();
}

/* Software bits are in no TLB: nothing to invalidate, unless hardware may write into the leaf meanwhile. */
static void row_software_bits(void)
{
    begin();
    map(AT, 3 * PAGE, PAGE, S2_RWX);
    settle();
    protect(AT, 3 * PAGE, S2_RWX | 5u << S2_SW_SHIFT);
    if (now->hardware)
        flushed(AT, 3 * PAGE, 3, MAKE);
    else
        barriers(1);
    finish();
}

/* Local and non-shareable: other CPUs fault once more. With hardware updates there is a break, and nothing local about it. */
static void row_relax(void)
{
    static const unsigned pages[] = {1, 2, 8, 9, 100};

    for (unsigned i = 0; i < 5; i++) {
        begin();
        map(AT, pages[i] * PAGE, PAGE, S2_R);
        settle();
        protect(AT, pages[i] * PAGE, S2_RW);
        flushed(AT, pages[i] * PAGE, 3, LOCAL * !now->hardware | MAKE * now->hardware);
        if (i == 0 && !now->hardware) {
            assert_int_equal(model_tlbis(m), 2);
            assert_int_equal(model_dsbs(m), 3);
        }
        finish();
    }
}

static void row_change_type(void)
{
    EACH_LEAF(level)
    {
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RW);
        settle();
        protect(FIRST, leaf_bytes(level), S2_RW | S2_MT_NORMAL_NC);
        flushed(FIRST, leaf_bytes(level), level, MAKE);
        assert_int_equal(model_tlbis(m), 2);
        assert_int_equal(model_dsbs(m), 4);
        finish();
    }
}

static void remap_leaf(int level, uint64_t leaves)
{
    struct s2_ipa_range range = span(FIRST, leaves * leaf_bytes(level));
    s2_pa to = S2_PA(FIRST + 16 * leaf_bytes(level));
    struct s2_tstash stash;
    struct s2_gather g;

    begin();
    map(FIRST, leaves * leaf_bytes(level), 0, S2_RWX);
    neighbour(range.end.v, level);
    stash = take(s2_table_need_map(&mine, range, to, true));
    settle();
    s2_gather_init(&g);
    s2_table_unmap(&mine, &stash, &g, range);
    s2_table_map(&mine, &stash, &g, range, to, S2_ATTR(S2_RWX));
    done(&g, &stash);
    flushed(FIRST, leaves * leaf_bytes(level), level, MAKE);
    if (leaves == 1) {
        assert_int_equal(model_tlbis(m), 2);
        assert_int_equal(model_dsbs(m), 4);
    }
    finish();
}

static void row_remap(void)
{
    EACH_LEAF(level)
    remap_leaf(level, 1);
    remap_leaf(3, 3);
}

/* A split for the sake of other attributes: always by break-before-make (rule 12). Where only an area ends: see unmap. */
static void row_split(void)
{
    EACH_LEAF(level)
    {
        if (level == 3)
            continue;
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RWX);
        settle();
        protect(FIRST + 7 * PAGE, PAGE, S2_RX);
        flushed(FIRST, leaf_bytes(level), level, MAKE);
        assert_int_equal(model_tlbis(m), 2);
        assert_int_equal(model_dsbs(m), 4);
        finish();
        begin();
        map(FIRST, leaf_bytes(level), 0, S2_RWX);
        settle();
        protect(FIRST + 7 * PAGE, PAGE, S2_RWX);
        flushed(FIRST, leaf_bytes(level), level, MAKE * size_breaks());
        finish();
    }
}

static void row_destroy(void)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    const uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {[S2_TLBI_VMALLS12E1IS] = 1};
    uint64_t dsb[S2_ISB] = {[S2_DSB_ISH] = 1};
    struct s2_gather g;

    begin();
    map(AT, 3 * PAGE, PAGE, S2_RWX);
    map(AT + BLOCK, 3 * BLOCK, 0, S2_RWX);
    settle();
    s2_gather_init(&g);
    s2_table_detach_all(&mine, &g);
    done(&g, &none);
    dsb[now->place == LOADED ? S2_DSB_ISHST : S2_DSB_ISH]++;
    issued(tlbi, dsb, 0);
    load_none();
    s2_table_fini(&mine);
    issued(tlbi, dsb, 0);
    model_expect_quiet(m);
    assert_true(model_ok(m));
    model_destroy(m);
}

static void row_rollover(void)
{
    begin();
    s2_vmids_init(&vmids, m, 6);
    mine.vmid = other.vmid = (struct s2_vmid){0};
    load_none();
    s2_port_tlbi(m, S2_TLBI_ALLE1IS, 0); /* the new numbers have nothing of the old ones */
    s2_port_barrier(m, S2_DSB_ISH);
    load_none();
    for (unsigned i = 1; i < 64; i++) {
        struct s2_vmid one = {0};

        s2_vmid_activate(&vmids, &one);
    }
    model_reset_counters(m);
    s2_table_load(&mine);
    assert_int_equal(model_tlbis(m), 1);
    assert_int_equal(model_dsbs(m), 2);
    assert_int_equal(m->count.tlbi[S2_TLBI_ALLE1IS], 1);
    finish();
}

static void row_vcpu_switch(void)
{
    const uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {[S2_TLBI_VMALLE1] = 1}, dsb[S2_ISB] = {[S2_DSB_NSH] = 2};

    begin();
    model_reset_counters(m);
    s2_table_flush_vcpu(&mine);
    issued(tlbi, dsb, 0);
    finish();
}

static void row_never_ran(void)
{
    struct s2_table ran;

    begin();
    settle();
    ran = mine;
    make_table(&mine, 4);
    map(AT, BLOCK, 0, S2_RWX);
    map(AT + BLOCK, run_bytes(3) - PAGE, 0, S2_RW);
    model_reset_counters(m);
    map(AT + BLOCK + run_bytes(3) - PAGE, PAGE, 0, S2_RW);
    (void)promote(everywhere);
    protect(AT + PAGE, PAGE, S2_R);
    unmap(AT, BLOCK + 2 * PAGE);
    map(AT, 100 * PAGE, PAGE, S2_RWX);
    protect(AT, 100 * PAGE, S2_RWX | S2_MT_NORMAL_NC);
    assert_int_equal(model_tlbis(m), 0);
    assert_int_equal(m->count.contexts, 0);
    mine = ran;
    finish();
}

/* CPUs that need every TLBI twice: the invalidation and what completes it. */
static void row_repeat(void)
{
    begin_with((struct more){.repeat = true});
    map(AT, 200 * PAGE, PAGE, S2_RWX);
    map(AT + BLOCK, BLOCK, 0, S2_RWX);
    settle();
    unmap(AT, PAGE);
    flushed(AT, PAGE, 3, 0);
    model_reset_counters(m);
    unmap(AT + PAGE, 100 * PAGE);
    flushed(AT + PAGE, 100 * PAGE, 3, 0);
    model_reset_counters(m);
    protect(AT + BLOCK, BLOCK, S2_RWX | S2_MT_NORMAL_NC);
    flushed(AT + BLOCK, BLOCK, 2, MAKE);
    finish();
}

/* TTL says the level of the leaves, and is not given where tables went or levels mix (T2). */
static void row_hints(void)
{
    begin();
    map(AT, BLOCK, 0, S2_RWX);
    map(AT + BLOCK, 8 * PAGE, PAGE, S2_RWX);
    settle();
    protect(AT + BLOCK, 2 * PAGE, S2_R); /* pages */
    assert_int_equal(m->count.hints, now->ttl ? model_tlbis(m) - 1 : 0);
    model_reset_counters(m);
    protect(AT, BLOCK + 4 * PAGE, S2_R); /* a block and pages */
    assert_int_equal(m->count.hints, 0);
    unmap(AT + BLOCK, 8 * PAGE); /* a table goes */
    assert_int_equal(m->count.hints, 0);
    finish();
}

/* The VM's own context, and the borrowed one, of a root above 2^48; tables as high, too. */
static void row_high_tables(void)
{
    if (!is_wide())
        return;
    begin_with((struct more){.high = true});
    map(AT, 3 * PAGE, PAGE, S2_RWX);
    assert_int_equal(model_access(m, AT, MODEL_WRITE, false).pa, AT + PAGE);
    settle();
    unmap(AT, PAGE);
    flushed(AT, PAGE, 3, 0);
    s2_table_load(&mine);
    assert_int_equal(model_access(m, AT, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
    assert_int_equal(model_access(m, AT + PAGE, MODEL_READ, false).pa, AT + 2 * PAGE);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(row_map),         ROW(row_same_again),    ROW(row_unmap_leaf), ROW(row_unmap_with_table),
        ROW(row_unmap_range), ROW(row_unmap_tables),  ROW(row_unmap_huge), ROW(row_unmap_with_split),
        ROW(row_protect),     ROW(row_software_bits), ROW(row_relax),      ROW(row_change_type),
        ROW(row_remap),       ROW(row_split),         ROW(row_destroy),    ROW(row_rollover),
        ROW(row_vcpu_switch), ROW(row_never_ran),     ROW(row_repeat),     ROW(row_hints),
        ROW(row_high_tables),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
