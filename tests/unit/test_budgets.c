/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The budgets of the design: how many TLBI and DSB each edit of a table may cost. Every row is run with every combination
 * of TLBIRANGE, TTL, FEAT_BBM and hardware updates, with the edited VM loaded, another one loaded instead, and none; all
 * under the strict model, so that what is saved is not missed. */
#include <stdio.h>

#include "unit.h"

#include <model.h>

#include "table/table.h"

#define RAM        0x40000000ull
#define RAM_BYTES  (16ull << 20)
#define POOL_PAGES (RAM_BYTES >> 12)
#define PAGE       4096ull
#define TWO_M      (1ull << 21)
#define ONE_G      (1ull << 30)
#define AT         (4 * ONE_G) /* where the tests map, to the same PA */

enum place { LOADED, OTHER_LOADED, NONE_LOADED, PLACES };

struct combination {
    bool range, ttl, bbm, hardware;
    enum place place;
    char name[96];
};

static const struct combination *now;
static struct s2_port *m;
static struct s2_caps caps;
static struct s2_geometry geo;
static struct s2_tpool pool;
static struct s2_vmids vmids;
static struct s2_table mine, other;
static struct s2_tpage meta[POOL_PAGES];

/* --- one combination ---------------------------------------------------------------------------------------------- */

static void load_none(void)
{
    s2_port_load_context(m, 0, 0);
    s2_port_barrier(m, S2_ISB);
}

static void make_table(struct s2_table *t, uint16_t id)
{
    assert_int_equal(s2_table_init(t, m, &caps, &geo, &pool, &vmids, POOL_PAGES, id), S2_OK);
}

/* The table under test has run; then the combination's place holds. */
static void begin(void)
{
    struct model_config cfg = {.cpus = 2, .strict = true};
    struct s2_detail d;
    caps = model_caps_most();
    caps.tlbirange = now->range;
    caps.ttl = now->ttl;
    caps.bbm = now->bbm ? 2 : 0;
    caps.haf = caps.hdbs = now->hardware;
    cfg.caps = caps;
    cfg.bank[0] = (struct model_bank){RAM, RAM_BYTES};
    m = model_create(&cfg);
    struct s2_geometry_request req = {
        .granule = S2_4K, .ipa_bits = 40, .access_flag = now->hardware, .dirty = now->hardware};
    assert_int_equal(s2_geometry_make(&caps, &req, &geo, &d), S2_OK);
    assert_int_equal(s2_tpool_init(&pool, m, S2_PA(RAM), RAM_BYTES, 12, meta), S2_OK);
    s2_vmids_init(&vmids, m, caps.vmid_bits);
    make_table(&mine, 2);
    make_table(&other, 3);
    s2_table_load(&mine);
}

static void settle(void)
{
    if (now->place == OTHER_LOADED)
        s2_table_load(&other);
    else if (now->place == NONE_LOADED)
        load_none();
    model_expect_quiet(m);
    assert_true(model_ok(m));
    model_reset_counters(m);
}

static void finish(void)
{
    model_expect_quiet(m);
    assert_true(model_ok(m));
    assert_null(s2_table_check(&mine));
    model_destroy(m);
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

static struct s2_ipa_range span(uint64_t start, uint64_t bytes)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + bytes)};
}
static struct s2_tstash take(uint32_t n)
{
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    assert_int_equal(s2_tpool_take(&pool, &mine.quota, n, &stash), S2_OK);
    return stash;
}
static void done(struct s2_gather *g, struct s2_tstash *stash)
{
    s2_gather_flush(&mine, g);
    s2_gather_free(&mine, g);
    s2_tpool_give(&pool, &mine.quota, stash);
}
/* pa - ipa = offset; an odd page of offset keeps leaves at page size. */
static void map(uint64_t start, uint64_t bytes, uint64_t offset, uint32_t attr)
{
    struct s2_gather g;
    s2_pa pa = S2_PA(start + offset);
    struct s2_tstash stash = take(s2_table_need_map(&mine, span(start, bytes), pa, false));
    s2_gather_init(&g);
    s2_table_map(&mine, &stash, &g, span(start, bytes), pa, S2_ATTR(attr));
    done(&g, &stash);
}
static void unmap(uint64_t start, uint64_t bytes)
{
    struct s2_gather g;
    struct s2_tstash stash = take(s2_table_need_cut(&mine, span(start, bytes)));
    s2_gather_init(&g);
    s2_table_unmap(&mine, &stash, &g, span(start, bytes));
    done(&g, &stash);
}
static void protect(uint64_t start, uint64_t bytes, uint32_t attr)
{
    struct s2_gather g;
    struct s2_tstash stash = take(s2_table_need_cut(&mine, span(start, bytes)));
    s2_gather_init(&g);
    s2_table_protect(&mine, &stash, &g, span(start, bytes), S2_ATTR(attr));
    done(&g, &stash);
}

static void cost(uint64_t tlbi, uint64_t dsb)
{
    if (model_tlbis(m) != tlbi || model_dsbs(m) != dsb)
        fail_msg("%s: %llu TLBI %llu DSB, expected %llu and %llu", now->name, (unsigned long long)model_tlbis(m),
                 (unsigned long long)model_dsbs(m), (unsigned long long)tlbi, (unsigned long long)dsb);
}
static uint64_t used(enum s2_tlbi op)
{
    return m->count.tlbi[op];
}
/* Descriptors changed. */
static uint64_t edits(void)
{
    return m->count.stores + m->count.swaps + m->count.fills;
}

/* --- the rows -------------------------------------------------------------------------------------------------------- */

static const uint64_t sizes[] = {PAGE,  3 * PAGE,         100 * PAGE, TWO_M,           TWO_M + PAGE,
                                 ONE_G, ONE_G + 3 * PAGE, 3 * ONE_G,  8 * ONE_G - PAGE};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void row_map(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        begin();
        settle();
        map(AT, sizes[i], 0, S2_RWX);
        cost(0, 1);
        finish();
    }
}

static void row_same_again(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        begin();
        map(AT, sizes[i], 0, S2_RWX);
        settle();
        protect(AT, sizes[i], S2_RWX);
        cost(0, 0);
        assert_int_equal(edits(), 0);
        finish();
    }
}

/* One leaf: the leaf-only form, then the entries of both stages combined. */
static void row_unmap_leaf(void)
{
    static const uint64_t leaf[] = {PAGE, TWO_M, ONE_G};
    for (size_t i = 0; i < sizeof leaf / sizeof leaf[0]; i++) {
        begin();
        map(AT, leaf[i], 0, S2_RWX);
        map(AT + ONE_G, TWO_M, PAGE, S2_RWX); /* tables that stay */
        map(AT + 8 * leaf[i], leaf[i], 0, S2_RWX);
        settle();
        unmap(AT, leaf[i]);
        cost(2, 3);
        assert_int_equal(used(S2_TLBI_IPAS2LE1IS), 1);
        assert_int_equal(used(S2_TLBI_VMALLE1IS), 1);
        assert_int_equal(m->count.hints, now->ttl);
        finish();
    }
}

/* Mapped page by page (not congruent), so that the unmap detaches tables and leaves alike. */
static void unmap_range(uint64_t bytes)
{
    uint64_t pages = bytes / PAGE;
    begin();
    map(AT, bytes, PAGE, S2_RWX);
    settle();
    unmap(AT, bytes);
    if (pages == 1) {
        cost(2, 3);
    } else if (now->range) {
        cost(2, 3);
        assert_int_equal(used(S2_TLBI_RIPAS2E1IS), 1);
    } else if (model_tlbis(m) == 1) {
        cost(1, 2);
        assert_int_equal(used(S2_TLBI_VMALLS12E1IS), 1);
    } else {
        cost(pages + 1, 3);
        assert_int_equal(used(S2_TLBI_IPAS2E1IS), pages);
        assert_true(pages <= 16); /* the whole VMID would have been cheaper */
    }
    finish();
}

static void row_unmap_range(void)
{
    static const uint64_t bytes[] = {PAGE, 3 * PAGE, 100 * PAGE, TWO_M, TWO_M + PAGE, 16 * TWO_M - PAGE};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        unmap_range(bytes[i]);
}

/* Beyond what one range operation may cover (4 GiB, see rule 10): the whole VMID, once. */
static void row_unmap_huge(void)
{
    begin();
    map(AT, 16 * ONE_G, 0, S2_RWX);
    settle();
    unmap(AT, 16 * ONE_G);
    assert_int_equal(used(S2_TLBI_VMALLS12E1IS), model_tlbis(m) == 1);
    assert_true(model_tlbis(m) == 1 || model_tlbis(m) == 17); /* 16 blocks, one by one */
    assert_true(model_dsbs(m) <= 3);
    finish();
}

/* An edge inside a block: it splits, and its table is published by one more barrier, but for FEAT_BBM level 2. */
static void row_unmap_with_split(void)
{
    bool in_place = now->bbm && !now->hardware;
    begin();
    map(AT, 4 * TWO_M, 0, S2_RWX);
    settle();
    unmap(AT + 3 * PAGE, PAGE);
    cost(2, in_place ? 3 : 4);
    finish();
    begin();
    map(AT, ONE_G, 0, S2_RWX);
    settle();
    unmap(AT + 3 * PAGE, 10 * TWO_M); /* two edges, through two levels, in one block */
    cost(2, in_place ? 3 : 4);
    finish();
}

static void row_protect(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        begin();
        map(AT, sizes[i], 0, S2_RWX);
        settle();
        protect(AT, sizes[i], S2_RX);
        /* With hardware updates the leaves are made again after the flush. */
        uint64_t make = now->hardware ? 1 : 0;
        if (model_tlbis(m) == 1) {
            cost(1, 2 + make);
            assert_int_equal(used(S2_TLBI_VMALLS12E1IS), 1);
            assert_true(!now->range || sizes[i] > 3 * ONE_G);
        } else if (now->range || sizes[i] == PAGE || sizes[i] == TWO_M || sizes[i] == ONE_G) {
            cost(2, 3 + make);
        } else {
            assert_true(model_tlbis(m) <= 17);
            cost(model_tlbis(m), 3 + make);
        }
        finish();
    }
}

static void row_relax(void)
{
    begin();
    map(AT, TWO_M, PAGE, S2_R);
    settle();
    protect(AT + 5 * PAGE, PAGE, S2_RW);
    if (now->hardware) { /* break, flush, make: nothing is local about that */
        cost(2, 4);
    } else {
        cost(2, 3);
        assert_int_equal(used(S2_TLBI_IPAS2LE1), 1);
        assert_int_equal(used(S2_TLBI_VMALLE1), 1);
    }
    finish();
}

static void row_change_type(void)
{
    begin();
    map(AT, TWO_M, PAGE, S2_RW);
    settle();
    protect(AT + 5 * PAGE, PAGE, S2_RW | S2_MT_NORMAL_NC);
    cost(2, 4);
    finish();
}

static void row_remap(void)
{
    static const uint64_t leaf[] = {PAGE, TWO_M, ONE_G};
    for (size_t i = 0; i < sizeof leaf / sizeof leaf[0]; i++) {
        struct s2_gather g;
        begin();
        map(AT, leaf[i], 0, S2_RWX);
        struct s2_pa_range to = {S2_PA(64 * ONE_G), S2_PA(64 * ONE_G + leaf[i])};
        struct s2_tstash stash = take(s2_table_need_map(&mine, span(AT, leaf[i]), to.start, true));
        settle();
        s2_gather_init(&g);
        s2_table_unmap(&mine, &stash, &g, span(AT, leaf[i]));
        s2_table_map(&mine, &stash, &g, span(AT, leaf[i]), to.start, S2_ATTR(S2_RWX));
        done(&g, &stash);
        cost(2, 4);
        finish();
    }
}

/* A split for the sake of other attributes: always by break-before-make (rule 12). */
static void row_split(void)
{
    static const uint64_t leaf[] = {TWO_M, ONE_G};
    for (size_t i = 0; i < sizeof leaf / sizeof leaf[0]; i++) {
        begin();
        map(AT, leaf[i], 0, S2_RWX);
        settle();
        protect(AT + TWO_M / 2, PAGE, S2_RX);
        cost(2, 4);
        finish();
    }
}

static void row_destroy(void)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;
    begin();
    map(AT, TWO_M, PAGE, S2_RWX);
    map(AT + 4 * ONE_G, 3 * ONE_G, 0, S2_RWX);
    settle();
    s2_gather_init(&g);
    s2_table_detach_all(&mine, &g);
    done(&g, &none);
    cost(1, 2);
    assert_int_equal(used(S2_TLBI_VMALLS12E1IS), 1);
    load_none();
    s2_table_fini(&mine);
    cost(1, 2);
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
    cost(1, 2);
    assert_int_equal(used(S2_TLBI_ALLE1IS), 1);
    finish();
}

static void row_vcpu_switch(void)
{
    begin();
    model_reset_counters(m);
    s2_table_flush_vcpu(&mine);
    cost(1, 2);
    assert_int_equal(used(S2_TLBI_VMALLE1), 1);
    finish();
}

static void row_never_ran(void)
{
    begin();
    settle();
    struct s2_table ran = mine;
    make_table(&mine, 4);
    map(AT, TWO_M, 0, S2_RWX);
    model_reset_counters(m);
    protect(AT + PAGE, PAGE, S2_R);
    unmap(AT, TWO_M);
    map(AT, TWO_M, PAGE, S2_RWX);
    assert_int_equal(model_tlbis(m), 0);
    mine = ran;
    finish();
}

/* TTL says the level of the leaves, and is not given where tables went or levels mix (T2). */
static void row_hints(void)
{
    begin();
    map(AT, TWO_M, 0, S2_RWX);
    map(AT + TWO_M, 8 * PAGE, PAGE, S2_RWX);
    settle();
    protect(AT + TWO_M, 2 * PAGE, S2_R); /* pages */
    assert_int_equal(m->count.hints, now->ttl ? model_tlbis(m) - 1 : 0);
    model_reset_counters(m);
    protect(AT, TWO_M + 4 * PAGE, S2_R); /* a block and pages */
    assert_int_equal(m->count.hints, 0);
    unmap(AT + TWO_M, 8 * PAGE); /* a table goes */
    assert_int_equal(m->count.hints, 0);
    finish();
}

/* --- the product ------------------------------------------------------------------------------------------------------ */

static void all_combinations(void **state)
{
    void (*const *row)(void) = *state;
    for (unsigned i = 0; i < 16 * PLACES; i++) {
        struct combination c = {.range = i & 1, .ttl = i & 2, .bbm = i & 4, .hardware = i & 8};
        c.place = (enum place)(i / 16);
        snprintf(c.name, sizeof c.name, "TLBIRANGE %d TTL %d BBM %d HAFDBS %d place %d", c.range, c.ttl, c.bbm,
                 c.hardware, (int)c.place);
        now = &c;
        (*row)();
    }
}

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, all_combinations, NULL, NULL, (void *)(uintptr_t) & (void (*const[1])(void))                            \
        {                                                                                                              \
            name                                                                                                       \
        }                                                                                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(row_map),     ROW(row_same_again),       ROW(row_unmap_leaf), ROW(row_unmap_range), ROW(row_unmap_huge),
        ROW(row_protect), ROW(row_unmap_with_split), ROW(row_relax),      ROW(row_change_type), ROW(row_remap),
        ROW(row_split),   ROW(row_destroy),          ROW(row_rollover),   ROW(row_vcpu_switch), ROW(row_never_ran),
        ROW(row_hints),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
