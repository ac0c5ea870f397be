/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The budgets of the design for what comes of large leaves, and of tracking: runs with the Contiguous bit that fold and unfold,
 * tables that collapse into blocks, what marks and what promotes, what is harvested. The same product as test_budgets. A fold
 * or an unfold covers 16 leaves and more, so that without range operations the whole VMID goes: 1 TLBI and 2 DSB, and one more
 * DSB where what was broken is made. */
#include "budget.h"

static void two_halves(uint64_t at, uint64_t bytes, int level)
{
    uint64_t half = bytes / 2;

    assert_true(half >= leaf_bytes(level));
    map(at, half, 0, S2_RWX);
    map(at + half, half, 0, S2_RWX);
}

static bool is_run(uint64_t ipa)
{
    struct s2_leaf leaf;

    return s2_table_lookup(&mine, S2_IPA(ipa), &leaf) && leaf.contiguous;
}
static int level_of(uint64_t ipa)
{
    struct s2_leaf leaf;

    return s2_table_lookup(&mine, S2_IPA(ipa), &leaf) ? leaf.level : MIXED;
}

/* A map makes its runs at once: nothing to fold. */
static void row_map_run(void)
{
    EACH_RUN(level)
    {
        begin();
        settle();
        map(AT, run_bytes(level), 0, S2_RWX);
        barriers(1);
        assert_true(is_run(AT));
        finish();
    }
}

static void row_unmap_run(void)
{
    EACH_RUN(level)
    {
        begin();
        map(AT, 2 * run_bytes(level), 0, S2_RWX);
        settle();
        unmap(AT, run_bytes(level)); /* no member stays: nothing unfolds */
        flushed(AT, run_bytes(level), level, 0);
        assert_true(is_run(AT + run_bytes(level)));
        finish();
    }
}

/* Rights of a whole run change member by member; with hardware updates the run is broken and made. */
static void row_protect_run(void)
{
    EACH_RUN(level)
    {
        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        protect(AT, run_bytes(level), S2_RX);
        flushed(AT, run_bytes(level), level, MAKE * now->hardware);
        assert_true(is_run(AT));
        finish();
        begin();
        map(AT, run_bytes(level), 0, S2_R);
        settle();
        protect(AT, run_bytes(level), S2_RW);
        flushed(AT, run_bytes(level), level, now->hardware ? MAKE : LOCAL);
        finish();
        begin();
        map(AT, run_bytes(level), 0, S2_RW);
        settle();
        protect(AT, run_bytes(level), S2_RW | S2_MT_NORMAL_NC);
        flushed(AT, run_bytes(level), level, MAKE);
        assert_true(is_run(AT));
        finish();
    }
}

/* One member goes, changes, or becomes the first of another area: all of the run is invalidated. */
static void row_unfold(void)
{
    EACH_RUN(level)
    {
        uint64_t one = AT + 3 * leaf_bytes(level);

        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        unmap(one, leaf_bytes(level));
        flushed(AT, run_bytes(level), level, MAKE * size_breaks());
        finish();
        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        protect(one, leaf_bytes(level), S2_RX); /* not the size alone */
        flushed(AT, run_bytes(level), level, MAKE);
        finish();
        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        protect(one, leaf_bytes(level), S2_RWX);
        flushed(AT, run_bytes(level), level, MAKE * size_breaks());
        assert_false(is_run(AT));
        finish();
    }
}

/* A block inside a run is cut: run and block in one flush, and one barrier more for both. */
static void row_split_in_run(void)
{
    EACH_RUN(level)
    {
        if (level == 3)
            continue;
        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        unmap(AT + 5 * leaf_bytes(level) + PAGE, PAGE);
        flushed(AT, run_bytes(level), level, MAKE * size_breaks());
        finish();
        begin();
        map(AT, run_bytes(level), 0, S2_RWX);
        settle();
        protect(AT + 5 * leaf_bytes(level) + PAGE, PAGE, S2_RX);
        flushed(AT, run_bytes(level), level, MAKE);
        finish();
    }
}

/* Two runs that one operation cuts. */
static void row_unfold_two(void)
{
    begin();
    map(AT, 2 * run_bytes(3), 0, S2_RWX);
    settle();
    unmap(AT + run_bytes(3) - PAGE, 2 * PAGE);
    flushed(AT, 2 * run_bytes(3), 3, MAKE * size_breaks());
    finish();
}

static void row_fold(void)
{
    EACH_RUN(level)
    {
        begin();
        two_halves(AT, run_bytes(level), level);
        settle();
        assert_false(promote(everywhere));
        flushed(AT, run_bytes(level), level, MAKE * size_breaks());
        assert_true(is_run(AT));
        model_reset_counters(m);
        assert_false(promote(everywhere)); /* nothing is marked any more */
        nothing();
        finish();
    }
}

/* A table becomes a block: every leaf that it held is invalidated (T4), and the table. Twice: where the base of the range is
 * aligned to all levels a range operation with no level hint is right at 4K with DS, too. */
static void row_collapse(void)
{
    for (int level = now->shape->block_level; level < 3; level++) {
        const uint64_t bases[] = {AT, FIRST}, bytes = leaf_bytes(level);

        for (unsigned i = 0; i < 2; i++) {
            if (bases[i] & (bytes - 1))
                continue;
            begin();
            two_halves(bases[i], bytes, level + 1);
            settle();
            (void)promote(everywhere);
            flushed(bases[i], bytes, MIXED, TABLES | MAKE * size_breaks());
            assert_int_equal(level_of(bases[i]), level);
            model_reset_counters(m);
            (void)promote(everywhere); /* a look whether the block completes a run */
            nothing();
            finish();
        }
    }
}

/* What completes a run or a table marks it, and issues for that nothing: a map, a fault, and a protect of its own leaf only. */
static void row_marks(void)
{
    uint64_t last = AT + run_bytes(3) - PAGE;
    struct s2_tstash cache = S2_TSTASH_EMPTY;
    uint32_t need;

    begin();
    map(AT, run_bytes(3) - PAGE, 0, S2_RWX);
    settle();
    map(last, PAGE, 0, S2_RWX);
    barriers(1);
    assert_true(s2_table_marked(&mine));
    finish();

    begin();
    map(AT, run_bytes(3) - PAGE, 0, S2_RWX);
    settle();
    assert_int_equal(
        s2_table_install(&mine, &cache, span(AT, run_bytes(3)), S2_IPA(last), S2_PA(last), S2_ATTR(S2_RWX), &need),
        S2_INSTALLED);
    barriers(1);
    assert_true(s2_table_marked(&mine));
    finish();

    begin();
    map(AT, run_bytes(3) - PAGE, 0, S2_RWX);
    map(last, PAGE, 0, S2_R);
    settle();
    protect(last, PAGE, S2_RWX);
    flushed(last, PAGE, 3, now->hardware ? MAKE : LOCAL);
    assert_true(s2_table_marked(&mine));
    model_reset_counters(m);
    (void)promote(nowhere); /* one area does not hold all of it */
    nothing();
    assert_false(is_run(AT));
    finish();
}

/* Nothing marked, nothing issued and nothing read. */
static void row_nothing_marked(void)
{
    begin();
    map(AT, 3 * PAGE, PAGE, S2_RWX);
    map(AT + BLOCK, BLOCK, 0, S2_RWX);
    settle();
    assert_false(s2_table_marked(&mine));
    assert_false(promote(everywhere));
    nothing();
    assert_int_equal(m->count.loads, 0);
    finish();
}

/* --- tracking --------------------------------------------------------------------------------------------------------- */

static bool count(void *arg, const struct s2_leaf *leaf)
{
    (void)leaf;
    ++*(unsigned *)arg;
    return true;
}

static unsigned harvest(uint64_t start, uint64_t bytes, unsigned what)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;
    unsigned told = 0;

    s2_gather_init(&g);
    s2_table_harvest(&mine, &g, span(start, bytes), what, count, &told);
    done(&g, &none);
    return told;
}

/* A write by the guest: recorded by the CPU, or by the fault that it takes. */
static void guest_writes(uint64_t ipa)
{
    if (now->hardware)
        assert_int_equal(model_access(m, ipa, MODEL_WRITE, false).result, MODEL_DONE);
    else
        assert_true(s2_table_touch(&mine, S2_IPA(ipa), true));
}

/* What is made clean is invalidated, so that the next write is seen; nothing is broken for it. Nothing found: nothing. */
static void row_harvest(void)
{
    static const unsigned pages[] = {1, 2, 8, 9, 100};

    for (unsigned i = 0; i < 5; i++) {
        begin_with((struct more){.tracked = true});
        map(AT, 101 * PAGE, PAGE, S2_RW);
        for (unsigned k = 0; k < pages[i]; k++)
            guest_writes(AT + k * PAGE);
        settle();
        assert_int_equal(harvest(AT, 101 * PAGE, S2_TOUCH_WRITE), pages[i]);
        flushed(AT, pages[i] * PAGE, 3, 0);
        model_reset_counters(m);
        assert_int_equal(harvest(AT, 101 * PAGE, S2_TOUCH_WRITE), 0);
        nothing();
        assert_int_equal(harvest(AT, 101 * PAGE, S2_TOUCH_ACCESS), pages[i]);
        flushed(AT, pages[i] * PAGE, 3, 0);
        finish();
    }
    EACH_RUN(level)
    { /* a run is one */
        begin_with((struct more){.tracked = true});
        map(AT, run_bytes(level), 0, S2_RW);
        guest_writes(AT + run_bytes(level) - PAGE);
        settle();
        assert_int_equal(harvest(AT, run_bytes(level), S2_TOUCH_WRITE), 1);
        flushed(AT, run_bytes(level), level, 0);
        finish();
    }
}

/* An access that a fault records: a barrier; then, for a permission fault, what this CPU holds goes, and no other CPU's. */
static void row_touch(void)
{
    uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {0}, dsb[S2_ISB] = {[S2_DSB_NSH] = 2};

    if (now->hardware)
        return;
    begin_with((struct more){.tracked = true});
    map(AT, PAGE, 0, S2_RW);
    settle();
    assert_true(s2_table_touch(&mine, S2_IPA(AT), false));
    barriers(1);
    assert_true(s2_table_touch(&mine, S2_IPA(AT), true));
    barriers(2);
    assert_false(s2_table_touch(&mine, S2_IPA(AT), true));
    barriers(2);
    model_reset_counters(m);
    s2_table_flush_local(&mine, S2_IPA(AT));
    tlbi[S2_TLBI_IPAS2E1] = tlbi[S2_TLBI_VMALLE1] = 1;
    dsb[S2_DSB_ISH] = now->place != LOADED;
    issued(tlbi, dsb, 0);
    finish();
}

/* A TLB conflict (rule 4). */
static void row_conflict(void)
{
    uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {[S2_TLBI_VMALLS12E1] = 1}, dsb[S2_ISB] = {[S2_DSB_NSH] = 1};

    begin();
    map(AT, PAGE, 0, S2_RW);
    settle();
    s2_table_flush_local_all(&mine);
    dsb[S2_DSB_ISH] = now->place != LOADED;
    issued(tlbi, dsb, 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(row_map_run),    ROW(row_unmap_run), ROW(row_protect_run), ROW(row_unfold), ROW(row_split_in_run),
        ROW(row_unfold_two), ROW(row_fold),      ROW(row_collapse),    ROW(row_marks),  ROW(row_nothing_marked),
        ROW(row_harvest),    ROW(row_touch),     ROW(row_conflict),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
