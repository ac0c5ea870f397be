/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested at every geometry: which VTCR_EL2 values are legal, and where walks end, against rows copied from the
 * Arm ARM's tables and descriptors put together by hand; then what leaves may be at each level, and what invalidations
 * reach. */
#include "hand_tables.h"

#define LEVELS 5u /* -1 .. 3 */

/* D8.2: which IPA sizes each start level resolves with at most 16 concatenated tables, and the least PA size it needs. */
static const struct start {
    unsigned granule;
    int level;
    unsigned sl0, sl2; /* of VTCR_EL2 */
    bool with_ds, without_ds;
    unsigned least, most, pa;
} start[] = {
    {12, 3, 3, 0, true, true, 16, 25, 0},    {12, 2, 0, 0, true, true, 22, 34, 0},
    {12, 1, 1, 0, true, true, 31, 43, 0},    {12, 0, 2, 0, true, true, 40, 52, 44},
    {12, -1, 0, 1, true, false, 49, 52, 44}, {14, 3, 0, 0, true, true, 16, 29, 0},
    {14, 2, 1, 0, true, true, 26, 40, 0},    {14, 1, 2, 0, true, true, 37, 51, 42},
    {14, 0, 3, 0, true, false, 48, 52, 42},  {16, 3, 0, 0, false, true, 17, 33, 0},
    {16, 2, 1, 0, false, true, 30, 46, 0},   {16, 1, 2, 0, false, true, 43, 52, 44},
};
static const unsigned ps_bits[] = {32, 36, 40, 42, 44, 48, 52};

struct shape {
    unsigned granule, ipa_bits, sl0, sl2, ps;
    bool ds;
};

static uint64_t vtcr_of(const struct shape *s)
{
    uint64_t tg0 = s->granule == 12 ? 0 : s->granule == 14 ? 2 : 1;
    return 1ull << 31 | (uint64_t)s->ps << 16 | tg0 << 14 | 3ull << 12 | 1ull << 10 | 1ull << 8 |
           (uint64_t)s->sl0 << 6 | (uint64_t)(64 - s->ipa_bits) | (uint64_t)s->sl2 << 33 | (uint64_t)s->ds << 32;
}

static const struct start *legal(const struct s2_caps *c, const struct shape *s)
{
    bool wide = s->ds || (s->granule == 16 && c->pa_bits == 52);
    if (s->ds && (s->granule == 16 || !(s->granule == 12 ? c->lpa2_4k : c->lpa2_16k)))
        return NULL;
    if (s->ipa_bits > (wide ? 52 : 48) || s->ipa_bits > c->pa_bits || ps_bits[s->ps] > c->pa_bits ||
        s->ipa_bits < (c->small_va ? 16 : 25))
        return NULL;
    for (unsigned i = 0; i < sizeof start / sizeof start[0]; i++) {
        const struct start *it = &start[i];
        if (it->granule == s->granule && it->sl0 == s->sl0 && it->sl2 == s->sl2 &&
            (s->ds ? it->with_ds : it->without_ds) && s->ipa_bits >= it->least && s->ipa_bits <= it->most &&
            c->pa_bits >= it->pa && (it->granule != 12 || it->level != 3 || c->small_va))
            return it;
    }
    return NULL;
}

/* Where an output address stands in a descriptor: DS puts bits 51:50 in 9:8, 64K with 52-bit outputs 51:48 in 15:12. */
static uint64_t address(const struct shape *s, uint64_t pa)
{
    if (s->ds)
        return (pa & ((1ull << 50) - 1)) | (pa >> 50 & 3) << 8;
    if (s->granule == 16 && s->ps == 6)
        return (pa & ((1ull << 48) - 1)) | (pa >> 48 & 15) << 12;
    return pa;
}

static bool has_block(const struct shape *s, int level)
{
    static const int first[] = {[12] = 1, [14] = 2, [16] = 2};
    bool wide = s->ds || (s->granule == 16 && s->ps == 6);
    return level >= first[s->granule] - wide;
}

static unsigned shift_of(const struct shape *s, int level)
{
    return s->granule + (unsigned)(3 - level) * (s->granule - 3);
}

static unsigned out_bits(const struct shape *s)
{
    return ps_bits[s->ps] == 52 && !s->ds && s->granule != 16 ? 48 : ps_bits[s->ps];
}

/* The tables of one address, down to a leaf at `leaf` with the highest output there is. Returns that output. */
static uint64_t chain(const struct shape *s, int from, int leaf, uint64_t ipa, uint64_t **end)
{
    uint64_t table = RAM, page = 1ull << s->granule, size = 1ull << shift_of(s, leaf);
    uint64_t out = (1ull << out_bits(s)) - size, attr = MEM_WB | READ | AF | (s->ds ? 0 : SH_IN);
    uint64_t index = ipa >> shift_of(s, from);
    for (int level = from; level < leaf; level++) {
        uint64_t next = RAM + 0x400000 + (uint64_t)(level + 1) * page;
        *(uint64_t *)model_ram(m, table + index * 8) = address(s, next) | TABLE;
        table = next;
        index = ipa >> shift_of(s, level + 1) & ((1ull << (s->granule - 3)) - 1);
    }
    *end = model_ram(m, table + index * 8);
    **end = address(s, out) | attr | (leaf == 3 ? PAGE : BLOCK);
    return out;
}

static unsigned walks(const struct shape *s, const struct start *from)
{
    uint64_t ipa = (1ull << s->ipa_bits) - 8, vtcr = vtcr_of(s), *end;
    unsigned n = 0;
    for (int leaf = from->level > 0 ? from->level : 0; leaf <= 3; leaf++) {
        if (!has_block(s, leaf) || shift_of(s, leaf) > out_bits(s))
            continue;
        uint64_t out = chain(s, from->level, leaf, ipa, &end);
        struct model_outcome o = model_walk(m, RAM | VMID(1), vtcr, ipa, MODEL_READ, false);
        assert_int_equal(o.result, MODEL_DONE);
        assert_int_equal(o.level, leaf);
        assert_int_equal(o.pa, out + (ipa & ((1ull << shift_of(s, leaf)) - 1)));
        *end = 0;
        o = model_walk(m, RAM | VMID(1), vtcr, ipa, MODEL_READ, false);
        assert_int_equal(o.result, MODEL_TRANSLATION_FAULT);
        assert_int_equal(o.level, leaf);
        n++;
    }
    assert_int_equal(model_walk(m, RAM | VMID(1), vtcr, ipa + 8, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
    return n;
}

static void machine(const struct s2_caps *caps)
{
    struct model_config cfg = {.cpus = 2, .strict = true, .any_frame = true, .caps = *caps};
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    model_destroy(m);
    m = model_create(&cfg);
}

/* Every value that the fields of VTCR_EL2 can have. */
static void every_vtcr(const struct s2_caps *caps, unsigned *legals, unsigned *leaves)
{
    machine(caps);
    *legals = *leaves = 0;
    for (unsigned i = 0; i < 3u * 64 * 4 * 2 * 2 * 7; i++) {
        struct shape s = {.ipa_bits = i % 64, .sl0 = i / 64 % 4, .sl2 = i / 256 % 2, .ds = i / 512 % 2};
        s.ps = i / 1024 % 7;
        s.granule = 12 + i / 7168 * 2;
        if (!s.ipa_bits) /* T0SZ has no 64 */
            continue;
        const struct start *from = legal(caps, &s);
        struct model_outcome o = model_walk(m, RAM | VMID(1), vtcr_of(&s), 0, MODEL_READ, false);
        if (!model_violation(m) != (from != NULL))
            fail_msg("VTCR_EL2 %#llx: %s", (unsigned long long)vtcr_of(&s), from ? model_violation(m) : "is not legal");
        model_forget_violations(m);
        if (!from)
            continue;
        assert_int_equal(o.result, MODEL_TRANSLATION_FAULT);
        assert_int_equal(o.level, from->level);
        ++*legals;
        *leaves += walks(&s, from);
        assert_null(model_violation(m));
    }
}

static void test_every_vtcr(void **state)
{
    (void)state;
    struct s2_caps caps = model_caps_most();
    unsigned legals, leaves;
    every_vtcr(&caps, &legals, &leaves);
    /* Sizes per start level, summed: 10 + 13 + 13 + 9 without DS at 4K, 13 at level 0 and 4 more at -1 with it; 14 + 15 + 12
     * and 14 + 15 + 15 + 5 at 16K; 17 + 17 + 10 at 64K; times 7 values of PS. */
    assert_int_equal(legals, 7 * (45 + 53 + 41 + 49 + 44));
    assert_true(leaves > 2 * legals);
    for (unsigned pa = 0; pa < 6; pa++) {
        caps = model_caps_most();
        caps.pa_bits = (uint8_t)ps_bits[pa];
        caps.lpa2_4k = caps.lpa2_16k = false;
        caps.small_va = pa % 2;
        every_vtcr(&caps, &legals, &leaves);
        assert_true(legals > 0);
    }
}

/* --- leaves at each geometry ------------------------------------------------------------------------------------------ */

static const struct kind {
    struct shape s;
    int start;
    unsigned run[LEVELS]; /* members of a run, by level + 1; 0: no Contiguous bit */
    bool block[LEVELS];
} kind[] = {
    {{12, 48, 2, 0, 5, false}, 0, {0, 0, 16, 16, 16}, {false, false, true, true, true}},
    {{12, 52, 0, 1, 6, true}, -1, {0, 0, 16, 16, 16}, {false, true, true, true, true}},
    {{12, 34, 0, 0, 5, false}, 2, {0, 0, 0, 16, 16}, {false, false, false, true, true}},
    {{12, 33, 1, 0, 5, false}, 1, {0, 0, 0, 16, 16}, {false, false, true, true, true}},
    {{14, 48, 2, 0, 5, false}, 1, {0, 0, 0, 32, 128}, {false, false, false, true, true}},
    {{14, 52, 3, 0, 6, true}, 0, {0, 0, 0, 32, 128}, {false, false, true, true, true}},
    {{16, 48, 2, 0, 5, false}, 1, {0, 0, 0, 32, 32}, {false, false, false, true, true}},
    {{16, 52, 2, 0, 6, false}, 1, {0, 0, 0, 32, 32}, {false, false, true, true, true}},
};
#define KINDS (sizeof kind / sizeof kind[0])

/* The tables of IPA 0 down to `level`, its entries in one table; nothing else. Returns that table. */
static uint64_t tables_to(const struct kind *k, int level)
{
    struct s2_caps caps = model_caps_most();
    uint64_t table = RAM, page = 1ull << k->s.granule;
    caps.bbm = 0;
    caps.fwb = false;
    machine(&caps);
    for (int l = k->start; l < level; l++) {
        uint64_t next = RAM + 0x400000 + (uint64_t)(l + 1) * page;
        *(uint64_t *)model_ram(m, table) = address(&k->s, next) | TABLE;
        table = next;
    }
    return table;
}
static void enter(const struct kind *k)
{
    s2_port_load_context(m, RAM | VMID(1), vtcr_of(&k->s));
    barrier(S2_ISB);
}
static uint64_t leaf_at(const struct kind *k, int level, uint64_t pa, uint64_t attr)
{
    attr |= MEM_WB | READ | AF | (k->s.ds ? 0 : SH_IN);
    return address(&k->s, pa) | attr | (level == 3 ? PAGE : BLOCK);
}

static void test_levels(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *k = &kind[i];
        for (int level = k->start; level <= 3; level++) {
            uint64_t table = tables_to(k, level);
            enter(k);
            store(table, 1, leaf_at(k, level, 0, 0));
            if (!k->block[level + 1])
                caught("a block at a level that has none");
            assert_true(model_ok(m));
        }
    }
}

static void test_runs_by_level(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *k = &kind[i];
        for (int level = k->start; level <= 3; level++) {
            unsigned n = k->run[level + 1];
            uint64_t size = 1ull << shift_of(&k->s, level), table = tables_to(k, level);
            uint64_t top = (1ull << out_bits(&k->s)) - n * size; /* with the high bits of the address set */
            if (!k->block[level + 1])
                continue;
            enter(k);
            if (!n) {
                store(table, 0, leaf_at(k, level, 0, CONTIG));
                caught("Contiguous bit at a level that has none");
                continue;
            }
            for (unsigned j = 0; j < n; j++)
                store(table, j, leaf_at(k, level, top + j * size, CONTIG));
            barrier(S2_DSB_ISHST);
            good();
            assert_int_equal(model_access(m, 5 * size + 8, MODEL_READ, false).pa, top + 5 * size + 8);
            store(table, n - 1, 0);
            barrier(S2_DSB_ISHST);
            caught("has a hole");
            table = tables_to(k, level);
            enter(k);
            for (unsigned j = 0; j < n; j++)
                store(table, j, leaf_at(k, level, top - n / 2 * size + j * size, CONTIG));
            barrier(S2_DSB_ISHST);
            caught("not aligned to the run");
        }
    }
}

/* What QEMU takes in silence, at every level that has leaves. */
static void test_malformed_by_level(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *k = &kind[i];
        bool wide64 = k->s.granule == 16 && k->s.ps == 6;
        for (int level = k->start; level <= 3; level++) {
            if (!k->block[level + 1])
                continue;
            const struct {
                uint64_t bits;
                const char *words;
            } row[] = {
                {1ull << 11, "reserved bits"},
                {1ull << 50, "reserved bits"},
                {1ull << 63, "reserved bits"},
                {k->s.ds ? 0 : 1ull << 48, "reserved bits"},
                {level < 3 ? 1ull << 16 : 0, "nT without FEAT_BBM"},
                {level < 3 ? 1ull << (shift_of(&k->s, level) - 1) : 0, "not aligned to its level"},
                {k->s.granule > 12 && !wide64 ? 1ull << 12 : 0, "not aligned to its level"},
                {out_bits(&k->s) < 48 ? 1ull << out_bits(&k->s) : 0, "beyond the PA size"},
                {1ull << 51, "DBM without HD"},
            };
            for (unsigned j = 0; j < sizeof row / sizeof row[0]; j++) {
                uint64_t table = tables_to(k, level);
                enter(k);
                store(table, 0, leaf_at(k, level, 0, 0) | row[j].bits);
                if (row[j].bits)
                    caught(row[j].words);
                assert_true(model_ok(m));
            }
        }
    }
}

/* Outputs and tables beyond the PA size where descriptors could hold more: by one bit, and in the bits that stand apart. */
static void test_beyond_pa_size(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        struct kind k = kind[i];
        k.s.ps = 2; /* 40 bits */
        k.s.ipa_bits = k.s.ipa_bits > 40 && k.s.granule == 12 && k.start == 0 ? 44 : k.s.ipa_bits;
        for (unsigned at = 40; at < (k.s.ds ? 52 : 48); at += 5) {
            uint64_t table = tables_to(&k, 3);
            enter(&k);
            store(table, 0, leaf_at(&k, 3, 1ull << at, 0));
            caught("an output address beyond the PA size");
            table = tables_to(&k, 2);
            enter(&k);
            store(table, 1, address(&k.s, 1ull << at) | TABLE);
            caught("a table address beyond the PA size");
        }
    }
}

/* --- invalidations ---------------------------------------------------------------------------------------------------- */

static uint64_t unit_of(const struct kind *k)
{
    return k->s.ds ? 16 : k->s.granule;
}
static uint64_t tg_of(const struct kind *k)
{
    return (k->s.granule - 10ull) / 2;
}

/* Of pages [from, from + 2 x (num + 1)), with a hint; with DS the base counts 64 KiB whatever the granule (C5.5.22). */
static uint64_t range_of(const struct kind *k, uint64_t ipa, uint64_t num)
{
    return ipa >> unit_of(k) | 3ull << 37 | num << 39 | tg_of(k) << 46;
}

static void clear_pages(const struct kind *k, uint64_t first, unsigned n)
{
    uint64_t table = tables_to(k, 3), size = 1ull << k->s.granule;
    enter(k);
    for (unsigned i = 0; i < n; i++)
        store(table, (unsigned)first + i, leaf_at(k, 3, (first + i) * size, 0));
    barrier(S2_DSB_ISHST);
    good();
    s2_port_pte_fill(m, slot(table, (unsigned)first), n, 0, 0);
    barrier(S2_DSB_ISHST);
}

static void test_ranges(void **state)
{
    static const struct {
        enum s2_tlbi op, all;
        enum s2_barrier done;
    } form[] = {{S2_TLBI_RIPAS2LE1IS, S2_TLBI_VMALLE1IS, S2_DSB_ISH},
                {S2_TLBI_RIPAS2E1IS, S2_TLBI_VMALLE1IS, S2_DSB_ISH},
                {S2_TLBI_RIPAS2LE1, S2_TLBI_VMALLE1, S2_DSB_NSH},
                {S2_TLBI_RIPAS2E1, S2_TLBI_VMALLE1, S2_DSB_NSH}};
    (void)state;
    for (unsigned i = 0; i < KINDS * 4; i++) {
        const struct kind *k = &kind[i / 4];
        uint64_t size = 1ull << k->s.granule;
        for (unsigned shorter = 0; shorter < 2; shorter++) {
            clear_pages(k, 16, 8);
            tlbi(form[i % 4].op, range_of(k, 16 * size, 3 - shorter));
            barrier(form[i % 4].done);
            tlbi(form[i % 4].all, 0);
            barrier(form[i % 4].done);
            if (shorter)
                caught_late("no invalidation has covered");
            else
                good();
        }
    }
}

/* A base that is taken in granules where DS wants 64 KiB reaches elsewhere; one that is rounded up misses the first pages. */
static void test_range_base_with_ds(void **state)
{
    (void)state;
    const struct kind *k = &kind[1];
    for (unsigned i = 0; i < 3; i++) {
        clear_pages(k, 20, 8);
        uint64_t base = i == 0 ? 20 * FOUR_K >> 16 : i == 1 ? 20 : (20 * FOUR_K + 0xffff) >> 16;
        tlbi(S2_TLBI_RIPAS2LE1IS, base | 3ull << 37 | 5ull << 39 | tg_of(k) << 46);
        barrier(S2_DSB_ISH);
        tlbi(S2_TLBI_VMALLE1IS, 0);
        barrier(S2_DSB_ISH);
        if (i)
            caught_late("no invalidation has covered");
        else
            good();
    }
    flush_all();
    tlbi(S2_TLBI_RIPAS2LE1IS, 1 | 5ull << 39 | tg_of(k) << 46);
    caught("the texts disagree");
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_RIPAS2LE1IS, 5ull << 39 | tg_of(k) << 46);
    barrier(S2_DSB_ISH);
    good();
}

/* Roots, tables and addresses above 48 bits: VTTBR_EL2 holds bits 51:48 in 5:2, an operand has four bits more. */
static void test_high_addresses(void **state)
{
    (void)state;
    static const unsigned wide[] = {1, 5, 7};
    const uint64_t high = 10ull << 48 | RAM;
    for (unsigned i = 0; i < 3; i++) {
        const struct kind *k = &kind[wide[i]];
        struct model_config cfg = {.strict = true, .any_frame = true, .caps = model_caps_most()};
        uint64_t ipa = 1ull << 51, table = high, page = 1ull << k->s.granule;
        cfg.caps.fwb = false;
        cfg.bank[0] = (struct model_bank){high, 1 << 20};
        model_destroy(m);
        m = model_create(&cfg);
        for (int l = k->start; l < 3; l++, table += page) {
            uint64_t index = ipa >> shift_of(&k->s, l) & (page / 8 - 1);
            *(uint64_t *)model_ram(m, table + index * 8) = address(&k->s, table + page) | TABLE;
        }
        s2_port_load_context(m, RAM | 10ull << 2 | VMID(1), vtcr_of(&k->s));
        barrier(S2_ISB);
        store(table, 0, leaf_at(k, 3, high, 0));
        barrier(S2_DSB_ISHST);
        assert_int_equal(model_access(m, ipa + 8, MODEL_READ, false).pa, high + 8);
        good();
        store(table, 0, 0);
        flush(ipa);
        good();
        assert_int_equal(model_access(m, ipa, MODEL_READ, false).level, 3);
    }
    tables_to(&kind[4], 3); /* 48 bits */
    enter(&kind[4]);
    tlbi(S2_TLBI_IPAS2E1IS, 1ull << 39);
    caught("reserved operand bits");
}

/* Hints exist for the levels that have leaves; a range's base is a multiple of that. */
static void test_hints(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *k = &kind[i];
        tables_to(k, 3);
        enter(k);
        for (int level = 0; level <= 3; level++) {
            bool reserved =
                level == 0 ? !(k->s.granule == 12 && k->s.ds) : level == 1 && k->s.granule == 14 && !k->s.ds;
            tlbi(S2_TLBI_IPAS2LE1IS, (tg_of(k) << 2 | (uint64_t)level) << 44);
            if (reserved)
                caught("is reserved");
            assert_true(model_ok(m));
            uint64_t operand = (uint64_t)level << 37 | tg_of(k) << 46;
            tlbi(S2_TLBI_RIPAS2LE1IS, operand);
            if (level == 1 && reserved)
                caught("is reserved");
            assert_true(model_ok(m));
            if (level == 0 || level == 3 || reserved || shift_of(&k->s, level) >= k->s.ipa_bits)
                continue;
            tlbi(S2_TLBI_RIPAS2LE1IS, operand | 1ull << (shift_of(&k->s, level) - 1 - unit_of(k)));
            caught("unaligned to it");
        }
        barrier(S2_DSB_ISH);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_every_vtcr),         CASE(test_levels),         CASE(test_runs_by_level),
        CASE(test_malformed_by_level), CASE(test_beyond_pa_size), CASE(test_ranges),
        CASE(test_range_base_with_ds), CASE(test_hints),          CASE(test_high_addresses),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
