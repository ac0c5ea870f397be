/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random sequences of everything that the table engine does, on tables of every kind of geometry, with any two optional features
 * in every combination: against flat arrays, under the strict model. The seed is fixed: what fails, fails again. */
#include "table_random_ops.h"

/* --- comparison -------------------------------------------------------------------------------------------------------- */

static uint32_t effective(uint32_t attr)
{
    if (attr & S2_STRICTER_OK)
        attr &= ~(uint32_t)(S2_STRICTER_OK | S2_X | S2_UX);
    return attr;
}

static unsigned memattr_of(uint32_t attr)
{
    static const unsigned combined[] = {6, 0, 5, 0, 1, 2, 3}, forced[] = {15, 10, 5, 0, 1, 2, 3};

    return (w.caps.fwb ? combined : forced)[(attr & S2_MT_MASK) >> S2_MT_SHIFT];
}

static unsigned sh_of(uint32_t attr)
{
    static const unsigned sh[] = {3, 2, 0};

    return sh[(attr & S2_SH_MASK) >> 11];
}

struct access {
    uint64_t ipa;
    enum model_kind kind;
    bool el0;
};

static bool allows(uint32_t attr, const struct access *a)
{
    attr = effective(attr);
    return attr & (a->kind == MODEL_READ ? S2_R : a->kind == MODEL_WRITE ? S2_W : a->el0 ? S2_UX : S2_X);
}

/* As guest and fault handler do it, until it is done or refused. */
static struct model_outcome attempt(struct vm *vm, const struct access *a)
{
    enum { TRIES = 4 };
    struct model_outcome o = {0};

    for (unsigned i = 0; i < TRIES; i++) {
        bool late;

        o = model_access(w.m, a->ipa, a->kind, a->el0);
        late = o.result == MODEL_DONE && o.spurious;
        if (!late && o.result != MODEL_ACCESS_FLAG_FAULT && o.result != MODEL_PERMISSION_FAULT)
            return o;
        if (!late && (w.have.tracking == NOTHING || !s2_table_touch(&vm->t, S2_IPA(a->ipa), a->kind == MODEL_WRITE)))
            return o;
        if (o.result != MODEL_ACCESS_FLAG_FAULT)
            s2_table_flush_local(&vm->t, S2_IPA(a->ipa)); /* T8 */
    }
    fail_msg("%s: IPA %#llx faults for ever", w.set->name, (unsigned long long)a->ipa);
    return o;
}

static void access_one(struct vm *vm)
{
    unsigned u = (unsigned)chance(w.units);
    const struct unit *is = &vm->unit[u];
    struct access a = {ipa_of(u) + chance(unit_bytes()), (enum model_kind)chance(3), chance(2)};
    enum model_result want = !is->valid             ? MODEL_TRANSLATION_FAULT
                             : allows(is->attr, &a) ? MODEL_DONE
                                                    : MODEL_PERMISSION_FAULT;
    struct model_outcome o = attempt(vm, &a);

    if (o.result != want)
        fail_msg("%s: IPA %#llx kind %d: result %d, expected %d", w.set->name, (unsigned long long)a.ipa, (int)a.kind,
                 (int)o.result, (int)want);
    if (want != MODEL_DONE)
        return;
    assert_int_equal(o.pa, is->pa + (a.ipa & (unit_bytes() - 1)));
    assert_int_equal(o.memattr, memattr_of(is->attr));
    assert_int_equal(o.sh, sh_of(is->attr));
    note_touch(vm, a.ipa, a.kind);
}

/* Every CPU that runs something touches a few places of it. */
static void access_all(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        model_set_cpu(w.m, cpu);
        for (unsigned i = 0; i < 4 && w.on[cpu] >= 0; i++)
            access_one(&w.vm[w.on[cpu]]);
    }
    quiet();
}

struct seen {
    const struct vm *vm;
    uint64_t bytes, leaves[5];
};

/* The model's view of a leaf. */
static void surveyed(void *arg, uint64_t ipa, uint64_t bytes, uint64_t pa, uint64_t desc)
{
    struct seen *s = arg;

    (void)desc;
    for (uint64_t at = ipa; at < ipa + bytes; at += unit_bytes()) {
        unsigned u = unit_of(at);

        assert_true(u < w.units && s->vm->unit[u].valid);
        assert_int_equal(s->vm->unit[u].pa + (at & (unit_bytes() - 1)), pa + (at - ipa));
    }
    s->bytes += bytes;
}

/* The engine's. */
static bool visited(void *arg, const struct s2_leaf *leaf)
{
    struct seen *s = arg;

    for (uint64_t at = leaf->range.start.v; at < leaf->range.end.v; at += unit_bytes()) {
        const struct unit *u = &s->vm->unit[unit_of(at)];

        assert_true(u->valid);
        assert_int_equal(leaf->attr.bits, effective(u->attr));
        assert_int_equal(u->pa + (at & (unit_bytes() - 1)), leaf->pa.v + (at - leaf->range.start.v));
    }
    s->bytes += leaf->range.end.v - leaf->range.start.v;
    s->leaves[leaf->level + 1]++;
    return true;
}

static void compare(struct vm *vm)
{
    struct s2_ipa_range all = {S2_IPA(0), S2_IPA(s2_ipa_limit(&w.geo))};
    struct seen s = {.vm = vm}, v = {.vm = vm};
    struct s2_table_counts counts;
    uint64_t bytes = 0;

    for (unsigned u = 0; u < w.units; u++)
        bytes += vm->unit[u].valid ? unit_bytes() : 0;
    s2_table_visit(&vm->t, all, visited, &v);
    s2_table_count(&vm->t, &counts);
    assert_int_equal(v.bytes, bytes);
    assert_memory_equal(v.leaves, counts.leaves, sizeof v.leaves);
    if (vm->vttbr) {
        model_survey(w.m, vm->vttbr, w.geo.vtcr, surveyed, &s);
        assert_int_equal(s.bytes, bytes);
    }
    assert_null(s2_tpool_check(&w.pool));
    quiet();
}

/* --- the runs ---------------------------------------------------------------------------------------------------------- */

static void step(void)
{
    static void (*const op[])(struct vm *) = {map,     map_on,  map_on,  unmap,      protect,   remap,  install,
                                              install, promote, promote, two_in_one, unmap_one, harvest};
    struct vm *vm = &w.vm[chance(TABLES)];
    const char *wrong;

    if (!chance(6))
        load((unsigned)chance(CPUS), (int)chance(TABLES + 1) - 1);
    model_set_cpu(w.m, (unsigned)chance(CPUS)); /* any CPU may edit any table */
    op[chance(sizeof op / sizeof op[0])](vm);
    wrong = s2_table_check(&vm->t);
    if (wrong)
        fail_msg("%s: %s", w.set->name, wrong);
    access_all();
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

static void run(const struct setting *set, const struct features *have)
{
    make_world(set, have);
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
    assert_int_equal(w.pool.free, w.pool.pages);
    free(w.meta);
    model_destroy(w.m);
}

/* Granule, IPA bits, most roots, PA bits, wide; log2 of a unit, place, log2 of the longest; steps; start level, roots. */
static const struct setting settings[] = {
    {"4K, 16 roots of pages", S2_4K, 25, 0, 0, false, 12, BOTTOM, 13, 600, 3, 16},
    {"4K, 8 roots at level 2", S2_4K, 33, 0, 0, false, 12, SEAM, 13, 600, 2, 8},
    {"4K, runs and their parts", S2_4K, 34, 0, 48, false, 15, SEAM, 13, 600, 2, 16},
    {"4K, few roots", S2_4K, 34, 2, 40, false, 16, TOP, 13, 600, 1, 1},
    {"4K, 2 roots of pages", S2_4K, 40, 0, 48, false, 12, SEAM, 13, 600, 1, 2},
    {"4K, 2 roots of blocks", S2_4K, 40, 0, 0, false, 21, SEAM, 13, 600, 1, 2},
    {"4K, pages at the top", S2_4K, 48, 0, 48, false, 12, TOP, 13, 600, 0, 1},
    {"4K, blocks at the top", S2_4K, 48, 0, 48, false, 21, TOP, 13, 600, 0, 1},
    {"4K, wide, pages", S2_4K, 39, 0, 0, true, 12, SEAM, 13, 600, 1, 1},
    {"4K, wide, blocks of 512 GiB", S2_4K, 47, 0, 0, true, 30, BOTTOM, 13, 600, 0, 1},
    {"4K, 52 bits from level -1", S2_4K, 52, 1, 0, false, 21, TOP, 13, 600, -1, 1},
    {"4K, 52 bits, 16 roots", S2_4K, 52, 0, 0, false, 30, SEAM, 13, 600, 0, 16},
    {"4K, few pages", S2_4K, 40, 0, 0, false, 12, SEAM, 2, 1000, 1, 2},
    {"16K, 8 roots of pages", S2_16K, 28, 0, 0, false, 14, SEAM, 13, 300, 3, 8},
    {"16K, 16 roots at level 2", S2_16K, 40, 0, 48, false, 14, SEAM, 13, 300, 2, 16},
    {"16K, runs and their parts", S2_16K, 36, 0, 48, false, 20, TOP, 10, 300, 2, 1},
    {"16K, 2 roots of blocks", S2_16K, 48, 0, 48, false, 25, SEAM, 13, 300, 1, 2},
    {"16K, wide, 16 roots", S2_16K, 51, 0, 0, false, 31, SEAM, 11, 300, 1, 16},
    {"16K, wide, pages", S2_16K, 38, 1, 0, true, 14, TOP, 13, 300, 1, 1},
    {"16K, 52 bits from level 0", S2_16K, 52, 1, 0, false, 30, TOP, 8, 300, 0, 1},
    {"16K, few pages", S2_16K, 36, 0, 48, false, 14, TOP, 2, 600, 2, 1},
    {"64K, 16 roots of pages", S2_64K, 33, 0, 48, false, 16, SEAM, 13, 150, 3, 16},
    {"64K, runs and their parts", S2_64K, 42, 0, 48, false, 19, TOP, 13, 150, 2, 1},
    {"64K, 16 roots at level 2", S2_64K, 46, 0, 0, false, 24, SEAM, 10, 150, 2, 16},
    {"64K, blocks of 512 MiB", S2_64K, 48, 0, 48, false, 29, TOP, 11, 150, 1, 1},
    {"64K, 52 bits, pages", S2_64K, 52, 0, 0, false, 16, SEAM, 13, 150, 1, 1},
    {"64K, 52 bits, blocks of 4 TiB", S2_64K, 52, 0, 0, false, 31, TOP, 11, 150, 1, 1},
    {"64K, few pages", S2_64K, 47, 0, 0, false, 16, SEAM, 2, 300, 1, 1},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

/* --- features: of each two all combinations --------------------------------------------------------------------------------- */

enum { SWITCHES = 8, FEATURES = SWITCHES + 2, VALUES = 3 };

static unsigned values(unsigned feature)
{
    return feature < SWITCHES ? 2 : VALUES;
}

/* The values of all features in one setting: 0 and 1, BBM levels, who tracks. */
static void values_of(size_t setting, unsigned value[FEATURES])
{
    uint64_t seed = 128 + setting * 1000003; /* such that the next test holds */

    for (unsigned i = 0; i < FEATURES; i++)
        value[i] = (unsigned)(splitmix(&seed) >> 20) % values(i);
}

static struct features features_of(size_t setting)
{
    unsigned v[FEATURES];

    values_of(setting, v);
    return (struct features){v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], (uint8_t)v[8], (enum tracking)v[9]};
}

/* And each of their values every granule. */
static void any_two_features_meet_in_every_combination(void **state)
{
    static bool met[FEATURES][VALUES][FEATURES][VALUES], with[FEATURES][VALUES][S2_64K + 1];

    (void)state;
    for (size_t s = 0; s < SETTINGS; s++) {
        unsigned v[FEATURES];

        values_of(s, v);
        for (unsigned i = 0; i < FEATURES; i++) {
            with[i][v[i]][settings[s].granule] = true;
            for (unsigned j = 0; j < FEATURES; j++)
                met[i][v[i]][j][v[j]] = true;
        }
    }
    for (unsigned i = 0; i < FEATURES; i++)
        for (unsigned a = 0; a < values(i); a++) {
            assert_true(with[i][a][S2_4K] && with[i][a][S2_16K] && with[i][a][S2_64K]);
            for (unsigned j = 0; j < i; j++)
                for (unsigned b = 0; b < values(j); b++)
                    if (!met[i][a][j][b])
                        fail_msg("feature %u at %u never meets feature %u at %u", i, a, j, b);
        }
}

static void test_setting(void **state)
{
    const struct setting *set = *state;
    struct features have = features_of((size_t)(set - settings));

    run(set, &have);
}

int main(void)
{
    struct CMUnitTest tests[SETTINGS + 1];

    memset(tests, 0, sizeof tests);
    tests[0] = (struct CMUnitTest)cmocka_unit_test(any_two_features_meet_in_every_combination);
    for (size_t i = 0; i < SETTINGS; i++) {
        tests[i + 1].name = settings[i].name;
        tests[i + 1].test_func = test_setting;
        tests[i + 1].initial_state = (void *)(uintptr_t)&settings[i];
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
