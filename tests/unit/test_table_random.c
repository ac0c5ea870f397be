/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random sequences of map, unmap, protect, remap and install on two tables, on several CPUs, against a flat array of pages
 * and under the strict model. Two grains: 4 KiB pages around the seam of two root tables, and 2 MiB units, so that 1 GiB
 * blocks come and go. The seed is fixed: what fails, fails again. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include <model.h>

#include "table/table.h"

#define RAM        0x40000000ull
#define RAM_BYTES  (64ull << 20)
#define POOL_PAGES (RAM_BYTES >> 12)
#define CPUS       3u
#define TABLES     2u
#define UNITS      8192u
#define PAGE       4096ull
#define ONE_G      (1ull << 30)
#define FOREIGN_PA (1ull << 34) /* leaves point here: no walker reads what they point to */

struct setting {
    const char *name;
    bool least, no_range, no_ttl, no_bbm, no_fwb;
    bool hardware; /* HA and HD */
    uint8_t ipa_bits;
    unsigned unit_log2;
    uint64_t base;
    unsigned steps;
    bool sparse; /* a few pages at a time, mostly alone in their table */
};

/* What one unit should be. */
struct unit {
    bool valid;
    uint64_t pa;
    uint32_t attr;
};

struct vm {
    struct s2_table t;
    uint64_t vttbr; /* as loaded last; 0: never */
    struct unit unit[UNITS];
};

struct world {
    const struct setting *set;
    struct s2_port *m;
    struct s2_caps caps;
    struct s2_geometry geo;
    struct s2_tpool pool;
    struct s2_tpage *meta;
    struct s2_vmids vmids;
    struct vm vm[TABLES];
    int on[CPUS]; /* which table a CPU has loaded; -1: none */
    uint64_t seed;
};

static struct world w;

/* --- chance -------------------------------------------------------------------------------------------------------- */

static uint64_t chance(uint64_t below) /* splitmix64 */
{
    uint64_t z = (w.seed += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % below;
}

static s2_attr random_attr(void)
{
    static const uint32_t perm[] = {S2_RWX, S2_RX, S2_RW, S2_R, 0, S2_RWX, S2_RW};
    static const uint32_t type[] = {S2_MT_NORMAL_WB, S2_MT_NORMAL_WB, S2_MT_NORMAL_WB, S2_MT_NORMAL_NC};
    return S2_ATTR(perm[chance(7)] | type[chance(4)] | (uint32_t)chance(4) << S2_SW_SHIFT);
}

/* Mostly short, sometimes most of the array. */
static void random_range(unsigned *first, unsigned *end)
{
    unsigned length = 1 + (unsigned)chance(1ull << chance(w.set->sparse ? 2 : 13));
    *first = (unsigned)chance(UNITS);
    *end = *first + length > UNITS ? UNITS : *first + length;
}

static uint64_t unit_bytes(void)
{
    return 1ull << w.set->unit_log2;
}
static uint64_t ipa_of(unsigned unit)
{
    return w.set->base + unit * unit_bytes();
}
static struct s2_ipa_range range_of(unsigned first, unsigned end)
{
    return (struct s2_ipa_range){S2_IPA(ipa_of(first)), S2_IPA(ipa_of(end))};
}

/* An output for IPA, congruent to it as far as a 1 GiB block needs, or not at all. */
static uint64_t random_pa(uint64_t ipa)
{
    uint64_t pa = FOREIGN_PA + chance(8) * ONE_G * 8 + (ipa & (8 * ONE_G - 1));
    return chance(4) ? pa : pa ^ unit_bytes();
}

/* --- the world ----------------------------------------------------------------------------------------------------- */

static void make_world(const struct setting *set)
{
    struct model_config cfg = {.cpus = CPUS, .strict = true, .irqs_on = true};
    struct s2_detail d;
    memset(&w, 0, sizeof w);
    w.set = set;
    w.seed = 20240517;
    w.caps = set->least ? model_caps_least() : model_caps_most();
    w.caps.tlbirange &= !set->no_range;
    w.caps.ttl &= !set->no_ttl;
    w.caps.bbm = set->no_bbm ? 0 : w.caps.bbm;
    w.caps.fwb &= !set->no_fwb;
    cfg.caps = w.caps;
    cfg.bank[0] = (struct model_bank){RAM, RAM_BYTES};
    w.m = model_create(&cfg);
    struct s2_geometry_request req = {
        .granule = S2_4K, .ipa_bits = set->ipa_bits, .access_flag = set->hardware, .dirty = set->hardware};
    assert_int_equal(s2_geometry_make(&w.caps, &req, &w.geo, &d), S2_OK);
    w.meta = calloc(POOL_PAGES, sizeof *w.meta);
    assert_int_equal(s2_tpool_init(&w.pool, w.m, S2_PA(RAM), RAM_BYTES, 12, w.meta), S2_OK);
    s2_vmids_init(&w.vmids, w.m, w.caps.vmid_bits);
    for (unsigned i = 0; i < TABLES; i++)
        assert_int_equal(
            s2_table_init(&w.vm[i].t, w.m, &w.caps, &w.geo, &w.pool, &w.vmids, POOL_PAGES, (uint16_t)(2 + i)), S2_OK);
    for (unsigned i = 0; i < CPUS; i++)
        w.on[i] = -1;
}

static void quiet(void)
{
    model_expect_quiet(w.m);
    assert_true(model_ok(w.m));
}

static void load(unsigned cpu, int vm)
{
    uint64_t irqs;
    model_set_cpu(w.m, cpu);
    irqs = s2_port_irq_mask(w.m);
    if (vm >= 0) {
        s2_table_load(&w.vm[vm].t);
        w.vm[vm].vttbr = s2_port_vttbr(w.m);
    } else {
        s2_port_load_context(w.m, 0, 0);
        s2_port_barrier(w.m, S2_ISB);
    }
    s2_port_irq_restore(w.m, irqs);
    w.on[cpu] = vm;
    quiet();
}

/* --- operations ------------------------------------------------------------------------------------------------------ */

static struct s2_tstash take(struct s2_table *t, uint32_t n)
{
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    assert_int_equal(s2_tpool_take(&w.pool, &t->quota, n, &stash), S2_OK);
    return stash;
}

/* Flushes, frees, gives back; what was reserved must have been enough, and in the exact cases nothing is left. */
static void end(struct s2_table *t, struct s2_gather *g, struct s2_tstash *stash)
{
    s2_gather_flush(t, g);
    s2_gather_free(t, g);
    s2_tpool_give(&w.pool, &t->quota, stash);
    quiet();
}

static void note(struct vm *vm, unsigned first, unsigned last, bool valid, uint64_t pa, s2_attr attr)
{
    for (unsigned u = first; u < last; u++)
        vm->unit[u] = (struct unit){valid, pa + (u - first) * unit_bytes(), attr.bits};
}

static void unmap(struct vm *vm)
{
    struct s2_gather g;
    unsigned first, last;
    random_range(&first, &last);
    struct s2_ipa_range range = range_of(first, last);
    struct s2_tstash stash = take(&vm->t, s2_table_need_cut(&vm->t, range));
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, range);
    assert_int_equal(stash.count, 0);
    end(&vm->t, &g, &stash);
    note(vm, first, last, false, 0, S2_ATTR(0));
}

static void protect(struct vm *vm)
{
    struct s2_gather g;
    unsigned first, last;
    s2_attr attr = random_attr();
    random_range(&first, &last);
    struct s2_ipa_range range = range_of(first, last);
    struct s2_tstash stash = take(&vm->t, s2_table_need_cut(&vm->t, range));
    s2_gather_init(&g);
    s2_table_protect(&vm->t, &stash, &g, range, attr);
    end(&vm->t, &g, &stash);
    for (unsigned u = first; u < last; u++)
        vm->unit[u].attr = vm->unit[u].valid ? attr.bits : 0;
}

/* Where nothing is: from a random place to the next thing that is there. */
static bool random_hole(const struct vm *vm, unsigned *first, unsigned *last)
{
    unsigned stop;
    random_range(first, &stop);
    while (*first < stop && vm->unit[*first].valid)
        ++*first;
    for (*last = *first; *last < stop && !vm->unit[*last].valid;)
        ++*last;
    return *first < *last;
}

static void map(struct vm *vm)
{
    struct s2_gather g;
    unsigned first, last;
    if (!random_hole(vm, &first, &last))
        return;
    struct s2_ipa_range range = range_of(first, last);
    s2_pa pa = S2_PA(random_pa(range.start.v));
    s2_attr attr = random_attr();
    struct s2_tstash stash = take(&vm->t, s2_table_need_map(&vm->t, range, pa, false));
    s2_gather_init(&g);
    model_reset_counters(w.m);
    s2_table_map(&vm->t, &stash, &g, range, pa, attr);
    assert_int_equal(stash.count, 0);
    end(&vm->t, &g, &stash);
    assert_int_equal(model_tlbis(w.m), 0);
    assert_int_equal(model_dsbs(w.m), 1);
    note(vm, first, last, true, pa.v, attr);
}

/* What is there goes and something else comes, in one operation. */
static void remap(struct vm *vm)
{
    struct s2_gather g;
    unsigned first, last;
    random_range(&first, &last);
    struct s2_ipa_range range = range_of(first, last);
    s2_pa pa = S2_PA(random_pa(range.start.v));
    s2_attr attr = random_attr();
    uint32_t need = s2_table_need_cut(&vm->t, range) + s2_table_need_map(&vm->t, range, pa, true);
    struct s2_tstash stash = take(&vm->t, need);
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, range);
    s2_table_map(&vm->t, &stash, &g, range, pa, attr);
    end(&vm->t, &g, &stash);
    note(vm, first, last, true, pa.v, attr);
}

/* Two changes in one operation, the second partly where the first was: what the first split is split again. */
static void two_in_one(struct vm *vm)
{
    bool second_unmaps = chance(2);
    struct s2_gather g;
    unsigned first, last;
    s2_attr attr = random_attr();
    random_range(&first, &last);
    unsigned from = first < 40 ? 0 : first - 40, to = first + 1 + (last - first) / 2;
    struct s2_ipa_range hole = range_of(first, last), part = range_of(from, to);
    uint32_t need = s2_table_need_cut(&vm->t, hole) + s2_table_need_cut(&vm->t, part);
    struct s2_tstash stash = take(&vm->t, need);
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, hole);
    if (second_unmaps)
        s2_table_unmap(&vm->t, &stash, &g, part);
    else
        s2_table_protect(&vm->t, &stash, &g, part, attr);
    end(&vm->t, &g, &stash);
    note(vm, first, last, false, 0, S2_ATTR(0));
    if (second_unmaps)
        note(vm, from, to, false, 0, S2_ATTR(0));
    for (unsigned u = from; u < to; u++)
        vm->unit[u].attr = vm->unit[u].valid ? attr.bits : 0;
}

/* Only what one unit holds goes, wherever one is mapped. */
static void unmap_one(struct vm *vm)
{
    struct s2_tstash stash;
    struct s2_gather g;
    unsigned u = (unsigned)chance(UNITS), tries = UNITS;
    while (tries-- && !vm->unit[u].valid)
        u = (u + 1) % UNITS;
    stash = take(&vm->t, s2_table_need_cut(&vm->t, range_of(u, u + 1)));
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, range_of(u, u + 1));
    end(&vm->t, &g, &stash);
    note(vm, u, u + 1, false, 0, S2_ATTR(0));
}

/* As a fault does: one leaf somewhere in a hole, as large as it may be. */
static void install(struct vm *vm)
{
    unsigned first, last;
    uint32_t need = 0;
    if (!random_hole(vm, &first, &last))
        return;
    struct s2_ipa_range within = range_of(first, last);
    unsigned at = first + (unsigned)chance(last - first);
    uint64_t delta = random_pa(within.start.v) - within.start.v, ipa = ipa_of(at);
    s2_attr attr = random_attr();
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    struct s2_leaf leaf;
    enum s2_install done;
    while ((done = s2_table_install(&vm->t, &stash, within, S2_IPA(ipa), S2_PA(ipa + delta), attr, &need)) ==
           S2_NO_TABLE) {
        assert_true(need > stash.count);
        assert_int_equal(s2_tpool_take(&w.pool, &vm->t.quota, need - stash.count, &stash), S2_OK);
    }
    assert_int_equal(done, S2_INSTALLED);
    assert_int_equal(stash.count, 0);
    quiet();
    assert_true(s2_table_lookup(&vm->t, S2_IPA(ipa), &leaf));
    assert_true(leaf.range.start.v >= within.start.v && leaf.range.end.v <= within.end.v);
    for (uint64_t a = leaf.range.start.v; a < leaf.range.end.v; a += unit_bytes()) {
        unsigned u = (unsigned)((a - w.set->base) >> w.set->unit_log2);
        vm->unit[u] = (struct unit){true, a + delta, attr.bits};
    }
}

/* --- comparison -------------------------------------------------------------------------------------------------------- */

static unsigned memattr_of(uint32_t attr)
{
    bool wb = (attr & S2_MT_MASK) == S2_MT_NORMAL_WB;
    return w.caps.fwb ? (wb ? 6 : 5) : (wb ? 15 : 5);
}

static void expect(const struct unit *u, uint64_t ipa, enum model_kind kind, const struct model_outcome *o)
{
    static const uint32_t right[] = {[MODEL_READ] = S2_R, [MODEL_WRITE] = S2_W, [MODEL_EXEC] = S2_X};
    enum model_result want = !u->valid               ? MODEL_TRANSLATION_FAULT
                             : u->attr & right[kind] ? MODEL_DONE
                                                     : MODEL_PERMISSION_FAULT;
    if (o->result != want)
        fail_msg("%s: IPA %#llx kind %d: result %d, expected %d", w.set->name, (unsigned long long)ipa, (int)kind,
                 (int)o->result, (int)want);
    if (want != MODEL_DONE)
        return;
    assert_int_equal(o->pa, u->pa + (ipa & (unit_bytes() - 1)));
    assert_int_equal(o->memattr, memattr_of(u->attr));
    assert_int_equal(o->sh, 3);
}

/* Every CPU that runs something touches a few places of it. */
static void touch(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        model_set_cpu(w.m, cpu);
        for (unsigned i = 0; i < 4 && w.on[cpu] >= 0; i++) {
            struct vm *vm = &w.vm[w.on[cpu]];
            unsigned u = (unsigned)chance(UNITS);
            uint64_t ipa = ipa_of(u) + chance(unit_bytes());
            enum model_kind kind = (enum model_kind)chance(3);
            struct model_outcome o = model_access(w.m, ipa, kind, false);
            expect(&vm->unit[u], ipa, kind, &o);
            if (!o.spurious)
                continue;
            s2_table_flush_local(&vm->t, S2_IPA(ipa)); /* as the fault handler does (T8) */
            o = model_access(w.m, ipa, kind, false);
            assert_false(o.spurious);
        }
    }
    quiet();
}

struct seen {
    const struct vm *vm;
    uint64_t bytes;
};

static void one_leaf(void *arg, uint64_t ipa, uint64_t bytes, uint64_t pa, uint64_t desc)
{
    struct seen *s = arg;
    (void)desc;
    for (uint64_t at = ipa; at < ipa + bytes; at += unit_bytes()) {
        uint64_t u = (at - w.set->base) >> w.set->unit_log2;
        assert_true(u < UNITS && s->vm->unit[u].valid);
        assert_int_equal(s->vm->unit[u].pa, pa + (at - ipa));
    }
    s->bytes += bytes;
}

static void compare(struct vm *vm)
{
    struct seen s = {.vm = vm};
    uint64_t bytes = 0;
    if (vm->vttbr)
        model_survey(w.m, vm->vttbr, w.geo.vtcr, one_leaf, &s);
    for (unsigned u = 0; u < UNITS; u++)
        bytes += vm->unit[u].valid ? unit_bytes() : 0;
    if (vm->vttbr)
        assert_int_equal(s.bytes, bytes);
    assert_null(s2_table_check(&vm->t));
    assert_null(s2_tpool_check(&w.pool));
    quiet();
}

/* --- the runs ---------------------------------------------------------------------------------------------------------- */

static void step(void)
{
    static void (*const op[])(struct vm *) = {map,   map,     map,     unmap,      protect,
                                              remap, install, install, two_in_one, unmap_one};
    if (!chance(6))
        load((unsigned)chance(CPUS), (int)chance(TABLES + 1) - 1);
    model_set_cpu(w.m, (unsigned)chance(CPUS)); /* any CPU may edit any table */
    op[chance(sizeof op / sizeof op[0])](&w.vm[chance(TABLES)]);
    touch();
}

static void take_down(struct vm *vm)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;
    s2_gather_init(&g);
    model_set_cpu(w.m, 0);
    s2_table_detach_all(&vm->t, &g);
    end(&vm->t, &g, &none);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        load(cpu, -1);
    s2_table_fini(&vm->t);
    assert_int_equal(vm->t.quota.used, 0);
    quiet();
}

static void run(const struct setting *set)
{
    make_world(set);
    for (unsigned i = 0; i < set->steps; i++) {
        step();
        if (i % 64)
            continue;
        for (unsigned v = 0; v < TABLES; v++)
            compare(&w.vm[v]);
    }
    for (unsigned v = 0; v < TABLES; v++) {
        compare(&w.vm[v]);
        take_down(&w.vm[v]);
    }
    assert_int_equal(w.pool.free, POOL_PAGES);
    free(w.meta);
    model_destroy(w.m);
}

static const struct setting settings[] = {
    {.name = "pages, all features",
     .ipa_bits = 40,
     .unit_log2 = 12,
     .base = (1ull << 39) - UNITS / 2 * PAGE,
     .steps = 1500},
    {.name = "pages, none",
     .least = true,
     .ipa_bits = 40,
     .unit_log2 = 12,
     .base = (1ull << 39) - UNITS / 2 * PAGE,
     .steps = 1500},
    {.name = "pages, HA and HD", .hardware = true, .ipa_bits = 40, .unit_log2 = 12, .base = 0, .steps = 1000},
    {.name = "pages, no TTL",
     .no_ttl = true,
     .no_fwb = true,
     .ipa_bits = 32,
     .unit_log2 = 12,
     .base = ONE_G - UNITS / 2 * PAGE,
     .steps = 600},
    {.name = "pages at the top, no range operations",
     .no_range = true,
     .no_bbm = true,
     .ipa_bits = 48,
     .unit_log2 = 12,
     .base = (1ull << 48) - UNITS * PAGE,
     .steps = 1000},
    {.name = "blocks, all features",
     .ipa_bits = 40,
     .unit_log2 = 21,
     .base = (1ull << 39) - UNITS / 2 * (PAGE << 9),
     .steps = 1500},
    {.name = "blocks, none",
     .least = true,
     .ipa_bits = 48,
     .unit_log2 = 21,
     .base = (1ull << 48) - UNITS * (PAGE << 9),
     .steps = 1500},
    {.name = "blocks, HA and HD", .hardware = true, .ipa_bits = 36, .unit_log2 = 21, .base = 0, .steps = 800},
    {.name = "blocks, no BBM", .no_bbm = true, .ipa_bits = 39, .unit_log2 = 21, .base = ONE_G, .steps = 800},
    {.name = "few pages", .sparse = true, .ipa_bits = 40, .unit_log2 = 12, .base = 0, .steps = 2000},
    {.name = "few pages, no features",
     .sparse = true,
     .least = true,
     .ipa_bits = 36,
     .unit_log2 = 12,
     .base = 0,
     .steps = 2000},
};

static void test_setting(void **state)
{
    run(*state);
}

#define SETTINGS (sizeof settings / sizeof settings[0])

int main(void)
{
    struct CMUnitTest tests[SETTINGS];
    memset(tests, 0, sizeof tests);
    for (size_t i = 0; i < SETTINGS; i++) {
        tests[i].name = settings[i].name;
        tests[i].test_func = test_setting;
        tests[i].initial_state = (void *)(uintptr_t)&settings[i];
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
