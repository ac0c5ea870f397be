/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Promotion: what of a table becomes runs and blocks, at every granule, FEAT_BBM level, with and without updates by hardware;
 * what does not; and that nothing is looked for where nothing was marked. Of spaces: test_promote_space. */
#define DRIVER all_shapes
#include "shapes.h"

#include <pthread.h>

#define MARKED (S2_RWX | 9u << S2_SW_SHIFT)
#define CALLS  16u

enum way { BY_MAP, BY_FAULT, BY_PROTECT, WAYS };

static void wrong(const char *what, unsigned i)
{
    fail_msg("%s: %s, %u", now->name, what, i);
}

static struct s2_leaf leaf_at(uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_table_lookup(&mine, S2_IPA(ipa), &leaf));
    assert_int_equal(leaf.pa.v - leaf.range.start.v, 0);
    return leaf;
}

static void install(uint64_t ipa, struct s2_ipa_range within, uint32_t attr)
{
    struct s2_tstash cache = S2_TSTASH_EMPTY;
    uint32_t need;

    assert_int_equal(s2_tpool_draw(&pool, &mine.quota, 3, &cache), S2_OK);
    assert_int_equal(s2_table_install(&mine, &cache, within, S2_IPA(ipa), S2_PA(ipa), S2_ATTR(attr), &need),
                     S2_INSTALLED);
    s2_tpool_give(&pool, &mine.quota, &cache);
}

/* The page that [start, start + bytes) lacks, one way or another. */
static void complete(uint64_t start, uint64_t bytes, uint64_t page, enum way way)
{
    if (way == BY_MAP)
        map(page, PAGE, 0, MARKED);
    else if (way == BY_FAULT)
        install(page, span(page, PAGE), MARKED);
    else
        protect(start, bytes, MARKED);
}
/* All but that page, or, for a protect, with other rights there. */
static void all_but(uint64_t start, uint64_t bytes, uint64_t page, enum way way)
{
    if (page > start)
        map(start, page - start, 0, MARKED);
    if (page + PAGE < start + bytes)
        map(page + PAGE, start + bytes - page - PAGE, 0, MARKED);
    if (way == BY_PROTECT)
        map(page, PAGE, 0, S2_R);
}

static unsigned promote_all(void)
{
    unsigned calls = 0;

    while (promote(everywhere))
        assert_true(++calls < CALLS);
    assert_false(s2_table_marked(&mine));
    return calls;
}

/* --- what is promoted ------------------------------------------------------------------------------------------------- */

static void row_run_of_pages(void)
{
    const uint64_t pages[] = {AT, AT + 5 * PAGE, AT + run_bytes(3) - PAGE};

    for (unsigned i = 0; i < 3 * WAYS; i++) {
        begin();
        all_but(AT, run_bytes(3), pages[i / WAYS], (enum way)(i % WAYS));
        if (pages[i / WAYS] == AT) /* who sees both ends of a run marks it, whatever is between them */
            assert_false(s2_table_marked(&mine));
        complete(AT, run_bytes(3), pages[i / WAYS], (enum way)(i % WAYS));
        if (!s2_table_marked(&mine))
            wrong("no mark", i);
        assert_int_equal(promote_all(), 0);
        for (uint64_t at = AT; at < AT + run_bytes(3); at += PAGE)
            assert_true(leaf_at(at).contiguous && leaf_at(at).level == 3 && leaf_at(at).attr.bits == MARKED);
        finish();
    }
}

static void row_block_of_pages(void)
{
    const uint64_t pages[] = {AT, AT + BLOCK / 2 + PAGE, AT + BLOCK - PAGE};

    for (unsigned i = 0; i < 3 * WAYS; i++) {
        uint32_t used;

        begin();
        all_but(AT, BLOCK, pages[i / WAYS], (enum way)(i % WAYS));
        used = mine.quota.used;
        complete(AT, BLOCK, pages[i / WAYS], (enum way)(i % WAYS));
        (void)promote_all();
        if (leaf_at(AT).level != 2)
            wrong("no block", i);
        assert_int_equal(leaf_at(AT).attr.bits, MARKED);
        assert_int_equal(leaf_at(AT + BLOCK - 1).range.start.v, AT);
        assert_int_equal(mine.quota.used, used - 1); /* its table */
        finish();
    }
}

/* The last page of the last block of a block: through all levels, one step at a time. */
static void row_block_of_blocks(void)
{
    int top = now->shape->block_level;
    uint64_t bytes = leaf_bytes(top), last = FIRST + bytes - PAGE;

    for (enum way way = BY_MAP; way < WAYS; way++) {
        begin();
        all_but(FIRST, bytes, last, way);
        complete(FIRST, bytes, last, way);
        (void)promote_all();
        assert_int_equal(leaf_at(FIRST).level, top);
        assert_int_equal(leaf_at(last).range.start.v, FIRST);
        assert_int_equal(leaf_at(last).attr.bits, MARKED);
        finish();
    }
}

/* What a block completes is a run, too. */
static void row_run_of_blocks(void)
{
    uint64_t last = AT + run_bytes(2) - PAGE;

    for (enum way way = BY_MAP; way < WAYS; way++) {
        begin();
        all_but(AT, run_bytes(2), last, way);
        complete(AT, run_bytes(2), last, way);
        (void)promote_all();
        assert_true(leaf_at(AT).contiguous && leaf_at(last).contiguous);
        assert_int_equal(leaf_at(last).level, 2);
        finish();
    }
}

/* Where one call ends among pages, the run of blocks before them is not forgotten. */
static void row_run_before_pages(void)
{
    uint64_t pages = AT + run_bytes(2);

    begin();
    map(AT, run_bytes(2) - BLOCK, 0, MARKED);
    map(AT + run_bytes(2) - BLOCK, BLOCK, 0, MARKED);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t run = pages + i * run_bytes(3);

        all_but(run, run_bytes(3), run, BY_MAP);
        complete(run, run_bytes(3), run, BY_MAP);
    }
    (void)promote_all();
    assert_true(leaf_at(AT).contiguous && leaf_at(AT).level == 2);
    for (unsigned i = 0; i < 6; i++)
        assert_true(leaf_at(pages + i * run_bytes(3)).contiguous);
    finish();
}

/* A row of leaves that change alike need not have outputs that go on: what its first leaf is part of says nothing of its last. */
static void row_of_runs_that_differ(void)
{
    uint64_t run = run_bytes(3), low = AT, high = AT + run;

    begin();
    map(low, run, PAGE, S2_RW); /* not congruent, and so no run */
    map(high, run, 0, S2_RW);
    assert_true(leaf_at(high).contiguous);
    protect(low, run + run / 2, S2_R);
    assert_false(leaf_at(high).contiguous);
    protect(low, run + run / 2, S2_RW);
    (void)promote_all();
    assert_true(leaf_at(high).contiguous);
    finish();
}

/* What was written in any leaf was written in the block. */
static void row_dirty_kept(void)
{
    begin_with((struct more){.tracked = true});
    map(AT, BLOCK / 2, 0, S2_RW);
    map(AT + BLOCK / 2, BLOCK / 2, 0, S2_RW);
    if (now->hardware)
        assert_int_equal(model_access(m, AT + BLOCK / 2 + 3 * PAGE, MODEL_WRITE, false).result, MODEL_DONE);
    (void)promote_all();
    assert_int_equal(leaf_at(AT).level, 2);
    assert_int_equal(leaf_at(AT).dirty, now->hardware);
    assert_int_equal(leaf_at(AT).accessed, now->hardware);
    finish();
}

/* Where faults keep track, leaves that differ in it stay apart: a larger leaf would say what is not so. */
static void row_tracked_apart(void)
{
    if (now->hardware)
        return;
    begin_with((struct more){.tracked = true});
    map(AT, run_bytes(3) - PAGE, 0, S2_RW);
    assert_true(s2_table_touch(&mine, S2_IPA(AT + PAGE), true));
    map(AT + run_bytes(3) - PAGE, PAGE, 0, S2_RW);
    (void)promote_all();
    assert_false(leaf_at(AT).contiguous);
    assert_true(leaf_at(AT + PAGE).dirty && !leaf_at(AT).dirty);
    finish();
}

/* --- what is not ------------------------------------------------------------------------------------------------------ */

static void row_unlike(void)
{
    static const uint32_t others[] = {S2_RX | 9u << S2_SW_SHIFT, S2_RWX | 8u << S2_SW_SHIFT,
                                      S2_RWX | 9u << S2_SW_SHIFT | S2_MT_NORMAL_NC};

    for (unsigned i = 0; i < 4; i++) {
        uint64_t last = AT + BLOCK - PAGE;

        begin();
        map(AT, BLOCK - PAGE, 0, MARKED);
        if (i < 3)
            map(last, PAGE, 0, others[i]);
        else
            map(last, PAGE, PAGE, MARKED); /* another output */
        (void)promote_all();
        assert_int_equal(leaf_at(AT).level, 3);
        assert_false(leaf_at(last - PAGE).contiguous);
        assert_true(leaf_at(AT).contiguous);
        finish();
    }
}

/* A full table of leaves that continue each other, whose output no block can have; marks on both sides lead to it. */
static void row_output_not_aligned(void)
{
    begin();
    map(AT + BLOCK, BLOCK, PAGE, MARKED);
    for (uint64_t at = AT; at <= AT + 2 * BLOCK; at += 2 * BLOCK) {
        map(at, run_bytes(3) - PAGE, 0, MARKED);
        map(at + run_bytes(3) - PAGE, PAGE, 0, MARKED);
    }
    (void)promote_all();
    assert_true(leaf_at(AT).contiguous && leaf_at(AT + 2 * BLOCK).contiguous);
    for (uint64_t at = AT + BLOCK; at < AT + 2 * BLOCK; at += PAGE) {
        struct s2_leaf leaf;

        assert_true(s2_table_lookup(&mine, S2_IPA(at), &leaf));
        assert_true(leaf.level == 3 && leaf.pa.v == at + PAGE && !leaf.contiguous);
    }
    finish();
}

/* A full table of the largest blocks there are. */
static void row_no_such_block(void)
{
    int top = now->shape->block_level;
    uint64_t bytes = leaf_bytes(top - 1), last = FIRST + bytes - leaf_bytes(top);

    if (now->shape->ds || now->shape->granule_log2 == 16)
        return; /* their largest tables are the root's */
    begin();
    map(FIRST, last - FIRST, 0, MARKED);
    map(last, leaf_bytes(top), 0, MARKED);
    assert_true(s2_table_marked(&mine));
    (void)promote_all();
    assert_int_equal(leaf_at(FIRST).level, top);
    assert_true(leaf_at(last).contiguous);
    finish();
}

static struct s2_ipa_range halves(void *arg, s2_ipa ipa)
{
    uint64_t middle = *(const uint64_t *)arg;

    return ipa.v < middle ? span(0, middle) : span(middle, TIB);
}

/* Two areas meet inside: each keeps its leaves; the runs that lie in one are made. */
static void row_not_across_areas(void)
{
    uint64_t middle = AT + BLOCK / 2 + PAGE;
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;

    begin();
    map(AT, BLOCK / 2, 0, MARKED);
    map(AT + BLOCK / 2, PAGE, 0, MARKED);
    map(middle, BLOCK / 2 - PAGE, 0, MARKED);
    s2_gather_init(&g);
    for (unsigned calls = 0; s2_table_promote(&mine, &g, 4, halves, &middle); calls++)
        assert_true(calls < CALLS);
    done(&g, &none);
    assert_int_equal(leaf_at(AT).level, 3);
    assert_false(leaf_at(middle).contiguous);
    assert_false(leaf_at(middle - PAGE).contiguous);
    assert_true(leaf_at(middle - 2 * PAGE).contiguous);
    assert_true(leaf_at(middle + run_bytes(3)).contiguous);
    assert_false(s2_table_marked(&mine)); /* who joins the areas does not edit tables: that is not looked for */
    finish();
}

static void row_no_runs_asked_for(void)
{
    begin();
    memset(mine.geo.run_log2, 0, sizeof mine.geo.run_log2);
    map(AT, run_bytes(3) - PAGE, 0, MARKED);
    map(AT + run_bytes(3) - PAGE, PAGE, 0, MARKED);
    assert_false(s2_table_marked(&mine));
    (void)promote_all();
    assert_false(leaf_at(AT).contiguous);
    finish();
}

/* --- how much, and when ----------------------------------------------------------------------------------------------- */

static unsigned folded(unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++)
        count += leaf_at(AT + 2 * i * run_bytes(3)).contiguous;
    return count;
}

/* A call folds no more than its budget; what is left stays marked, whatever comes in between. */
static void row_budget(void)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    enum { RUNS = 4 };
    struct s2_gather g;

    begin();
    for (unsigned i = 0; i < RUNS; i++) {
        map(AT + 2 * i * run_bytes(3), run_bytes(3) - PAGE, 0, MARKED);
        map(AT + (2 * i + 1) * run_bytes(3) - PAGE, PAGE, 0, MARKED);
    }
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(folded(RUNS), i);
        assert_true(s2_table_marked(&mine));
        unmap(AT + run_bytes(3), run_bytes(3)); /* nothing there */
        s2_gather_init(&g);
        (void)s2_table_promote(&mine, &g, 1, everywhere, NULL);
        done(&g, &none);
    }
    assert_int_equal(folded(RUNS), RUNS);
    (void)promote_all();
    finish();
}

/* A map or a fault that completes nothing reads a handful of entries; a table that lacks a page is not read for it. */
static void row_no_scan(void)
{
    begin();
    map(AT, BLOCK / 2, 0, MARKED);
    model_reset_counters(m);
    map(AT + BLOCK - run_bytes(3) + PAGE, PAGE, 0, MARKED);
    assert_false(s2_table_marked(&mine));
    assert_true(m->count.loads < 24);
    model_reset_counters(m);
    install(AT + BLOCK - run_bytes(3) + 3 * PAGE, span(AT + BLOCK - run_bytes(3) + 3 * PAGE, PAGE), MARKED);
    assert_true(m->count.loads < 24);
    map(AT + BLOCK / 2, run_bytes(3) - PAGE, 0, MARKED);
    map(AT + BLOCK / 2 + run_bytes(3) - PAGE, PAGE, 0, MARKED);
    model_reset_counters(m);
    (void)promote_all(); /* one run; not one look at the rest of the table */
    assert_true(leaf_at(AT + BLOCK / 2).contiguous);
    assert_true(m->count.loads <= 4u * now->shape->members[3] + 24);
    finish();
}

/* --- several at once -------------------------------------------------------------------------------------------------- */

enum { INSTALLERS = 4 };

struct installer {
    pthread_t thread;
    unsigned cpu;
    struct s2_tstash cache;
};

static void *installs(void *arg)
{
    struct installer *me = arg;

    model_set_cpu(m, me->cpu);
    for (uint64_t i = me->cpu; i < BLOCK / PAGE; i += INSTALLERS) {
        uint64_t ipa = AT + i * PAGE;
        uint32_t need;

        if (s2_table_install(&mine, &me->cache, span(ipa, PAGE), S2_IPA(ipa), S2_PA(ipa), S2_ATTR(MARKED), &need) !=
            S2_INSTALLED)
            abort();
    }
    return NULL;
}

/* The last of those who fill a table side by side has marked it, whoever that was. */
static void installers_side_by_side(void **state)
{
    static const struct combination plain = {.shape = &shapes[0], .range = true, .name = "threads"};

    (void)state;
    now = &plain;
    for (unsigned round = 0; round < 20; round++) {
        struct model_config cfg = {.cpus = INSTALLERS, .bank = {{RAM, RAM_BYTES}}};
        struct s2_geometry_request req = {.granule = S2_4K, .ipa_bits = 48};
        struct installer who[INSTALLERS] = {0};

        caps = cfg.caps = model_caps_most();
        m = model_create(&cfg);
        assert_int_equal(s2_geometry_make(&caps, &req, &geo, NULL), S2_OK);
        assert_int_equal(s2_tpool_init(&pool, m, S2_PA(RAM), RAM_BYTES, S2_4K, meta), S2_OK);
        s2_vmids_init(&vmids, m, caps.vmid_bits);
        make_table(&mine, 2);
        for (unsigned i = 0; i < INSTALLERS; i++) {
            who[i] = (struct installer){.cpu = i, .cache = S2_TSTASH_EMPTY};
            assert_int_equal(s2_tpool_draw(&pool, &mine.quota, 3, &who[i].cache), S2_OK);
        }
        for (unsigned i = 0; i < INSTALLERS; i++)
            assert_int_equal(pthread_create(&who[i].thread, NULL, installs, &who[i]), 0);
        for (unsigned i = 0; i < INSTALLERS; i++) {
            assert_int_equal(pthread_join(who[i].thread, NULL), 0);
            s2_tpool_give(&pool, &mine.quota, &who[i].cache);
        }
        assert_true(s2_table_marked(&mine));
        (void)promote_all();
        assert_int_equal(leaf_at(AT).level, 2);
        assert_null(s2_table_check(&mine));
        model_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(row_run_of_pages),
        ROW(row_block_of_pages),
        ROW(row_block_of_blocks),
        ROW(row_run_of_blocks),
        ROW(row_run_before_pages),
        ROW(row_of_runs_that_differ),
        ROW(row_dirty_kept),
        ROW(row_tracked_apart),
        ROW(row_unlike),
        ROW(row_not_across_areas),
        ROW(row_output_not_aligned),
        ROW(row_no_such_block),
        ROW(row_no_runs_asked_for),
        ROW(row_budget),
        ROW(row_no_scan),
        cmocka_unit_test(installers_side_by_side),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
